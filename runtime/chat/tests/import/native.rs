//! Our own JSON Lines: what goes out comes in again, whole.

use proptest::prelude::*;
use vale_chat::export::{Files, FolderPages, json_lines};
use vale_chat::import::{Digest, Imported, Input, Novelty, Options};
use vale_chat::model::{
    Attachment, Attempt, AttemptError, AttemptReason, Conversation, Cost, Extra, Finish, Folder,
    Media, Message, ModelName, Outcome as End, Part, ResultPart, Role, Settings, SourceRef, State,
    Thinking, ThinkingBlock, ThinkingMode, TitleSource, ToolCall, ToolResult, Usage,
};
use vale_chat::{AttemptId, ConversationId, FolderId, GroupId, MessageId};

use super::support::{Kept, Memory, Outcome, fixture, import, import_with};

fn bytes(seed: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

/// Text with everything that an encoding trips over.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        any::<String>(),
        Just("\u{0}\u{1}\"\\\n\r\u{2028}\u{feff}😀".to_owned()),
        Just("line\nbreak ```\nfence".to_owned()),
    ]
}

fn attachment(files: &mut Memory, text: &str) -> Attachment {
    Attachment {
        blake3: files.add(text.as_bytes()),
        media_type: "text/plain".to_owned(),
        name: Some(text.chars().take(8).collect()),
        size: text.len() as u64,
        text: Some(files.add(format!("text of {text}").as_bytes())),
    }
}

/// A part of each kind, by number.
fn part(kind: u8, text: String, files: &mut Memory) -> Part {
    match kind % 13 {
        0 | 1 => Part::Text(text),
        2 => Part::LongText(attachment(files, &text)),
        3 => Part::Image(Media::Stored(attachment(files, &text))),
        4 => Part::File(Media::Url(text)),
        5 => Part::Audio(Media::Other(Extra {
            name: text,
            json: "{\"a\":1}".into(),
        })),
        6 => Part::ToolCall(ToolCall {
            id: text.clone(),
            name: text,
            arguments_json: "{\"x\":[1,2.5]}".into(),
            signature: Some("s".into()),
        }),
        7 => Part::ToolResult(ToolResult {
            call_id: text.clone(),
            name: None,
            content: vec![
                ResultPart::Text(text.clone()),
                ResultPart::Image(Media::Stored(attachment(files, &text))),
                ResultPart::Json("null".into()),
            ],
            is_error: true,
            extras: Vec::new(),
        }),
        8 => Part::Thinking(ThinkingBlock {
            id: Some("t".into()),
            text,
            signature: None,
        }),
        9 => Part::RedactedThinking(text),
        10 => Part::Other(Extra {
            name: "n".into(),
            json: "[]".into(),
        }),
        11 => Part::Unknown("hologram".into(), rmpv::Value::from(text.as_str())),
        _ => Part::File(Media::Unknown("later".into(), rmpv::Value::from(7))),
    }
}

fn role(kind: u8) -> Role {
    match kind % 6 {
        0 => Role::User,
        1 => Role::Assistant,
        2 => Role::Tool,
        3 => Role::System,
        4 => Role::Developer,
        _ => Role::Unknown("narrator".into()),
    }
}

fn state(kind: u8) -> State {
    match kind % 6 {
        0 => State::Complete,
        1 => State::Interrupted,
        2 => State::Failed,
        3 => State::Cancelled,
        4 => State::Streaming,
        _ => State::Unknown("dreaming".into()),
    }
}

/// What a message is made from: its parent's place, kinds, text.
type Seed = (u16, u8, u8, Vec<(u8, String)>, f64);

fn message(at: usize, seed: Seed, before: &[Message], files: &mut Memory) -> Message {
    let (parent, kind, flags, parts, number) = seed;
    let parent = match usize::from(parent) % (before.len() + 1) {
        0 => None,
        place => Some(before[place - 1].id),
    };
    let id = MessageId::new(1_700_000_000_000 + at as u64, &mut || bytes(at as u64));
    let parts = parts
        .into_iter()
        .map(|(kind, text)| part(kind, text, files));
    let parts: Vec<Part> = parts.collect();
    let mut message = Message::new(id, parent, role(kind), parts, 1_700_000_000_000 + at as u64);
    message.state = state(flags);
    let model = ModelName {
        provider: "openai".into(),
        model: "gpt".into(),
    };
    if flags & 8 != 0 {
        message.group = Some(GroupId::new(5, &mut || bytes(u64::from(kind))));
        message.continues = before.last().map(|message| message.id);
        message.model = Some(model.clone());
        message.finish = Some(Finish::MaxTokens);
    }
    if flags & 16 != 0 {
        let mut attempt = Attempt::new(
            AttemptId::new(6, &mut || bytes(at as u64)),
            model,
            AttemptReason::Fallback,
            123,
        );
        attempt.request_sent = Some(kind % 2 == 0);
        attempt.usage_json = Some("{\"input\":3}".into());
        attempt.outcome = Some(End::Failed);
        attempt.error = Some(AttemptError {
            kind: "rate-limited".into(),
            sentence: "Too fast.".into(),
        });
        message.attempts = vec![attempt];
        message.usage = Some(Usage {
            input: Some(u64::MAX),
            output: Some(0),
            reported_cost: Some(Cost {
                currency: "USD".into(),
                amount: "0.000000000000000000000000001".into(),
            }),
            raw_json: Some(format!("{number}")),
            ..Usage::default()
        });
        message.source = Some(SourceRef {
            app: "chatgpt".into(),
            id: "x".into(),
        });
    }
    message
}

/// A conversation, with its files in `files`.
fn conversation(number: u64, title: String, seeds: Vec<Seed>, files: &mut Memory) -> Imported {
    let random = bytes(number);
    let id = ConversationId::new(1_700_000_000_000, &mut || random);
    let mut conversation = Conversation::new(id, 1_700_000_000_000);
    conversation.title = title;
    conversation.title_source = TitleSource::Typed;
    let temperature = seeds.first().map(|seed| seed.4);
    let mut messages = Vec::new();
    let mut pruned = Vec::new();
    for (at, seed) in seeds.into_iter().enumerate() {
        let hidden = seed.2 & 32 != 0;
        let message = message(at, seed, &messages, files);
        if hidden {
            pruned.push(message.id);
        }
        messages.push(message);
    }
    conversation.active_leaf = messages.last().map(|message| message.id);
    conversation.deleted_ms = number.is_multiple_of(2).then_some(99);
    conversation.folder = Some(FolderId::new(1, &mut || bytes(1)));
    conversation.settings = Settings {
        temperature,
        max_output_tokens: Some(77),
        thinking: Some(Thinking {
            mode: ThinkingMode::Budget,
            effort: None,
            tokens: Some(1000),
        }),
        extras: Vec::new(),
    };
    Imported {
        source: SourceRef {
            app: "valechat".into(),
            id: id.to_string(),
        },
        conversation,
        messages,
        pruned,
        digest: Digest([0; 32]),
        novelty: Novelty::New,
    }
}

fn folders() -> Vec<Folder> {
    let id = FolderId::new(1, &mut || bytes(1));
    let parent = FolderId::new(1, &mut || bytes(2));
    let folder = |id, parent, name: &str| Folder {
        id,
        name: name.into(),
        parent,
        created_ms: 3,
        position: -4,
        extras: Vec::new(),
    };
    vec![
        folder(parent, None, "Above"),
        folder(id, Some(parent), "Empty\nname"),
    ]
}

/// Without the digest, which is new each time the content is.
fn content(imported: &[Imported]) -> Vec<(&Conversation, &[Message], &[MessageId])> {
    let content = imported.iter().map(|one| {
        (
            &one.conversation,
            one.messages.as_slice(),
            one.pruned.as_slice(),
        )
    });
    content.collect()
}

fn exported(conversations: &[Imported], files: &Memory) -> Vec<u8> {
    let mut kept = Kept::new(folders(), conversations.to_vec(), files.clone());
    let mut lines = Vec::new();
    json_lines(&mut kept, &mut lines, Files::Inline, 42).unwrap();
    lines
}

fn numbers() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has no infinity", |number| number.is_finite())
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    let parts = prop::collection::vec((any::<u8>(), text()), 0..4);
    prop::collection::vec(
        (any::<u16>(), any::<u8>(), any::<u8>(), parts, numbers()),
        0..12,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_comes_in_again_as_it_was(
        trees in prop::collection::vec((text(), seeds()), 0..5),
    ) {
        let mut files = Memory::default();
        let trees = trees.into_iter().enumerate();
        let conversations: Vec<Imported> = trees
            .map(|(at, (title, seeds))| conversation(at as u64, title, seeds, &mut files))
            .collect();
        let lines = exported(&conversations, &files);
        let outcome = import(lines.clone());
        prop_assert!(outcome.error.is_none() && outcome.report.cut_off.is_none());
        prop_assert_eq!(&outcome.folders, &folders());
        prop_assert_eq!(content(&outcome.conversations), content(&conversations));
        prop_assert_eq!(&outcome.files, &files);
        prop_assert_eq!(outcome.report.missing_count, 0);
        prop_assert_eq!(outcome.report.skipped_count, 0);
        // And out again, byte for byte.
        prop_assert_eq!(exported(&outcome.conversations, &outcome.files), lines);
    }

    #[test]
    fn a_cut_or_a_flipped_bit_never_panics_and_never_goes_unsaid(
        seeds in seeds(),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut files = Memory::default();
        let conversations = [conversation(1, "T".into(), seeds, &mut files)];
        let lines = exported(&conversations, &files);
        let place = place.index(lines.len());
        let cut = import_with(Input::bytes(&lines[..place]), Options::default());
        // Only the last line break may be missing.
        let whole = place == lines.len() - 1;
        if let Ok(outcome) = cut {
            prop_assert!(outcome.report.cut_off.is_some() || outcome.error.is_some() || whole);
        }
        let mut flipped = lines.clone();
        flipped[place] ^= 1 << bit;
        let _ = import_with(Input::bytes(flipped), Options::default());
    }
}

#[test]
fn what_came_from_elsewhere_goes_out_and_comes_in_as_the_same_tree() {
    for name in [
        "chatgpt.json",
        "claude.json",
        "librechat-flat.json",
        "open-webui.json",
    ] {
        let first = import(fixture(name));
        let lines = exported(&first.conversations, &first.files);
        let second = import(lines);
        assert_eq!(
            content(&second.conversations),
            content(&first.conversations),
            "{name}"
        );
        assert_eq!(second.files, first.files, "{name}");
    }
}

#[test]
fn files_may_lie_beside_the_lines() {
    let mut files = Memory::default();
    let seed = |kind, text: &str| (0, 0, 0, vec![(kind, text.to_owned())], 0.5);
    let seeds = vec![
        seed(2, "long"),
        seed(3, "image"),
        seed(3, "image"),
        seed(7, "result"),
    ];
    let conversations = [conversation(1, "T".into(), seeds, &mut files)];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.jsonl");
    let mut pages = FolderPages::new(folder.path());
    let mut kept = Kept::new(folders(), conversations.to_vec(), files.clone());
    let mut out = std::fs::File::create(&path).unwrap();
    let report = json_lines(&mut kept, &mut out, Files::Beside(&mut pages), 42).unwrap();
    assert_eq!(report.files, 6);

    let from_file = |path: &std::path::Path| -> Outcome {
        import_with(Input::file(path), Options::default()).unwrap()
    };
    let outcome = from_file(&path);
    assert_eq!(content(&outcome.conversations), content(&conversations));
    assert_eq!(outcome.files, files);

    // One is damaged, one is gone.
    let image = files.add(b"image");
    let beside = folder.path().join("files");
    std::fs::write(beside.join(image.to_string()), b"imagf").unwrap();
    let long = files.add(b"long");
    std::fs::remove_file(beside.join(long.to_string())).unwrap();
    let outcome = from_file(&path);
    let mut missing: Vec<&str> = outcome
        .report
        .missing_files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    missing.sort_unstable();
    let mut expected = [
        format!("{image} (damaged or over the limit)"),
        long.to_string(),
    ];
    expected.sort();
    assert_eq!(missing, expected);
}

#[test]
fn a_file_that_nobody_has_is_counted_on_both_sides_and_its_place_stays() {
    let mut files = Memory::default();
    let seeds = vec![(0, 0, 0, vec![(3, "image".to_owned())], 0.5)];
    let conversations = [conversation(1, "T".into(), seeds, &mut files)];
    let image = files.add(b"image");
    files.0.remove(&image);
    let mut kept = Kept::new(folders(), conversations.to_vec(), files);
    let mut lines = Vec::new();
    let report = json_lines(&mut kept, &mut lines, Files::Inline, 42).unwrap();
    assert_eq!((report.files, report.missing_files), (1, 1));
    let outcome = import(lines);
    assert_eq!(content(&outcome.conversations), content(&conversations));
    assert_eq!(outcome.report.missing_files[0].name, image.to_string());
}

#[test]
fn a_damaged_line_costs_one_message_and_is_told() {
    let mut files = Memory::default();
    let seeds: Vec<Seed> = (0..3)
        .map(|at| (at, 0, 0, vec![(0, format!("m{at}"))], 0.0))
        .collect();
    let conversations = [
        conversation(1, "One".into(), seeds.clone(), &mut files),
        conversation(2, "Two".into(), seeds, &mut files),
    ];
    let lines = String::from_utf8(exported(&conversations, &files)).unwrap();
    let damaged = lines.replacen("\"m1\"", "\"m1", 1);
    assert_ne!(damaged, lines);
    let outcome = import(damaged);
    assert_eq!(outcome.conversations.len(), 2);
    assert_eq!(outcome.conversations[0].messages.len(), 2);
    assert_eq!(outcome.conversations[1].messages.len(), 3);
    assert_eq!(outcome.report.mended.len(), 1);
    assert_eq!(outcome.report.mended[0].title.as_deref(), Some("One"));
}

/// The format is written down for ever: this is what version 1 looks like.
#[test]
fn an_export_of_version_one_is_read_for_ever() {
    let outcome = import(fixture("valechat-v1.jsonl"));
    assert!(outcome.report.cut_off.is_none());
    let mut files = Memory::default();
    let seeds = (0..13).map(|kind| (kind, kind as u8, 24, vec![(kind as u8, "a".into())], 0.1));
    let expected = [conversation(
        1,
        "Golden".into(),
        seeds.collect(),
        &mut files,
    )];
    assert_eq!(content(&outcome.conversations), content(&expected));
    assert_eq!(outcome.folders, folders());
    assert_eq!(outcome.files, files);
}
