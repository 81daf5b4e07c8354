//! What the records of many conversations, folders, drafts and imports come to.
#![expect(clippy::unwrap_used, reason = "tests")]

use vale_chat::model::{
    Conversation, Folder, Message, Part, Role, Settings, SourceRef, State, Thinking, ThinkingMode,
    TitleSource,
};
use vale_chat::record::{
    ConversationChanged, ConversationCreated, ConversationPatch, ConversationPurged, DraftCleared,
    DraftSaved, FolderChanged, FolderCreated, FolderPatch, FolderRemoved, MessageAdded,
    MessageEnded, SettingsPatch, SourceImported,
};
use vale_chat::{Change, ConversationId, FolderId, Library, MessageId, Oddity, Record, SystemIds};

fn apply(library: &mut Library, record: impl Into<Record>) {
    library.apply(&record.into()).unwrap();
}

fn create(library: &mut Library) -> ConversationId {
    let id = ConversationId::new(1, &mut SystemIds);
    let conversation = Conversation::new(id, 1);
    apply(library, ConversationCreated { conversation });
    id
}

fn draft(conversation: Option<ConversationId>, text: &str) -> DraftSaved {
    DraftSaved {
        conversation,
        at_ms: 2,
        text: text.into(),
        attachments: Vec::new(),
    }
}

fn change(library: &mut Library, conversation: ConversationId, patch: ConversationPatch) {
    apply(
        library,
        ConversationChanged {
            conversation,
            at_ms: 3,
            patch,
        },
    );
}

#[test]
fn a_purged_conversation_leaves_no_trace() {
    let mut library = Library::new();
    let (gone, stays) = (create(&mut library), create(&mut library));
    let source = |id: &str| SourceRef {
        app: "chatgpt".into(),
        id: id.into(),
    };
    for (conversation, name) in [(gone, "a"), (stays, "b")] {
        apply(&mut library, draft(Some(conversation), name));
        apply(
            &mut library,
            SourceImported {
                source: source(name),
                digest: "d".into(),
                conversation,
                at_ms: 2,
            },
        );
    }
    let purged = ConversationPurged {
        conversation: gone,
        at_ms: 9,
    };
    apply(&mut library, purged.clone());
    assert!(library.conversation(gone).is_none());
    assert_eq!(library.draft(Some(gone)), None);
    // It can be imported anew, and the other is still known.
    assert_eq!(library.imported(&source("a")), None);
    assert_eq!(library.imported(&source("b")).unwrap().digest, "d");
    assert_eq!(library.draft(Some(stays)).unwrap().text, "b");
    // What still speaks of it is void.
    let before = library.clone();
    apply(&mut library, draft(Some(gone), "late"));
    let conversation = Conversation::new(gone, 1);
    apply(&mut library, ConversationCreated { conversation });
    apply(&mut library, purged);
    assert_eq!(library, before);
    assert_eq!(library.conversations().count(), 1);
}

#[test]
fn drafts_are_kept_for_each_conversation_and_for_the_one_not_begun() {
    let mut library = Library::new();
    let id = create(&mut library);
    for (of, text) in [(None, "new"), (Some(id), "old"), (Some(id), "older")] {
        apply(&mut library, draft(of, text));
    }
    assert_eq!(library.draft(None).unwrap().text, "new");
    assert_eq!(library.draft(Some(id)).unwrap().text, "older");
    let cleared = DraftCleared {
        conversation: None,
        at_ms: 3,
    };
    apply(&mut library, cleared);
    assert_eq!(library.draft(None), None);
    assert_eq!(library.draft(Some(id)).unwrap().text, "older");
}

#[test]
fn what_was_in_a_removed_folder_is_in_none() {
    let mut library = Library::new();
    let id = create(&mut library);
    let folder = FolderId::new(1, &mut SystemIds);
    let made = Folder {
        id: folder,
        name: "Work".into(),
        parent: None,
        created_ms: 1,
        position: 0,
        extras: Vec::new(),
    };
    apply(&mut library, FolderCreated { folder: made });
    let into = ConversationPatch {
        folder: Change::Set(folder),
        ..ConversationPatch::default()
    };
    change(&mut library, id, into);
    let patch = FolderPatch {
        name: Some("Play".into()),
        position: Some(2),
        ..FolderPatch::default()
    };
    apply(
        &mut library,
        FolderChanged {
            folder,
            at_ms: 2,
            patch,
        },
    );
    let found = library.folder_of(id).unwrap();
    assert_eq!((found.name.as_str(), found.position), ("Play", 2));
    assert_eq!(library.folders().count(), 1);
    apply(&mut library, FolderRemoved { folder, at_ms: 3 });
    assert_eq!(library.folder_of(id), None);
    assert_eq!(library.folder(folder), None);
}

#[test]
fn a_change_touches_what_it_names_and_nothing_else() {
    let mut library = Library::new();
    let id = create(&mut library);
    let thinking = Thinking {
        mode: ThinkingMode::Effort,
        effort: Some("high".into()),
        tokens: None,
    };
    let first = ConversationPatch {
        title: Change::Set("A".into()),
        title_source: Some(TitleSource::Typed),
        pinned: Some(true),
        archived: Some(true),
        system_prompt: Change::Set("Be brief.".into()),
        settings: SettingsPatch {
            temperature: Change::Set(0.5),
            thinking: Change::Set(thinking.clone()),
            ..SettingsPatch::default()
        },
        ..ConversationPatch::default()
    };
    change(&mut library, id, first);
    let conversation = library.conversation(id).unwrap().conversation();
    assert!(conversation.pinned && conversation.archived);
    assert_eq!(conversation.system_prompt.as_deref(), Some("Be brief."));
    let second = ConversationPatch {
        archived: Some(false),
        system_prompt: Change::Clear,
        settings: SettingsPatch {
            temperature: Change::Clear,
            max_output_tokens: Change::Set(9),
            ..SettingsPatch::default()
        },
        ..ConversationPatch::default()
    };
    change(&mut library, id, second);
    let expected = Conversation {
        title: "A".into(),
        title_source: TitleSource::Typed,
        pinned: true,
        settings: Settings {
            max_output_tokens: Some(9),
            thinking: Some(thinking),
            ..Settings::default()
        },
        ..Conversation::new(id, 1)
    };
    assert_eq!(library.conversation(id).unwrap().conversation(), &expected);
    let untitled = ConversationPatch {
        title: Change::Clear,
        ..ConversationPatch::default()
    };
    change(&mut library, id, untitled);
    let conversation = library.conversation(id).unwrap().conversation();
    assert_eq!(conversation.title, "");
    assert_eq!(conversation.title_source, TitleSource::None);
}

#[test]
fn a_conversation_is_as_new_as_its_newest_message_and_not_as_its_newest_name() {
    let mut library = Library::new();
    let id = create(&mut library);
    let mut message = Message::new(
        MessageId::new(50, &mut SystemIds),
        None,
        Role::Assistant,
        vec![Part::text("x")],
        50,
    );
    message.state = State::Streaming;
    let answer = message.id;
    apply(
        &mut library,
        MessageAdded {
            conversation: id,
            message,
        },
    );
    change(&mut library, id, ConversationPatch::default());
    let updated = |library: &Library| library.conversation(id).unwrap().conversation().updated_ms;
    assert_eq!(updated(&library), 50);
    // An end that says “streaming” is an end all the same.
    apply(
        &mut library,
        MessageEnded {
            conversation: id,
            message: answer,
            at_ms: 70,
            parts: vec![Part::text("xy")],
            state: State::Streaming,
            finish: None,
            usage: None,
            model: None,
        },
    );
    assert_eq!(updated(&library), 70);
    let message = library.conversation(id).unwrap().message(answer).unwrap();
    assert_eq!(message.state, State::Interrupted);
    assert_eq!(message.text(), "xy");
}

#[test]
fn a_conversation_begins_once_and_before_anything_in_it() {
    let mut library = Library::new();
    let unknown = ConversationId::new(5, &mut SystemIds);
    let early = Record::from(ConversationChanged {
        conversation: unknown,
        at_ms: 1,
        patch: ConversationPatch::default(),
    });
    assert_eq!(library.apply(&early), Err(Oddity::Elsewhere));
    let id = create(&mut library);
    let again = Record::from(ConversationCreated {
        conversation: Conversation::new(id, 99),
    });
    assert_eq!(library.apply(&again), Err(Oddity::BegunTwice(id)));
    assert_eq!(
        library.conversation(id).unwrap().conversation().created_ms,
        1
    );
}
