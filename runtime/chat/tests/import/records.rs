//! What was imported, as the records and the tree that the app works with.

use vale_chat::export::{Exported, Files, OpenFile, Source, SourceError, json_lines};
use vale_chat::import::{Digest, Imported, Input, Options};
use vale_chat::model::{BlobHash, Folder, Message, Part, State};
use vale_chat::record::{BranchMoved, BranchPruned, Record};
use vale_chat::{ConversationId, MessageId, Tree};

use super::support::{Memory, fixture, import, import_with};

/// The tree after the records of one import.
fn folded(imported: &Imported) -> Tree {
    let records = imported.clone().into_records(None, 5);
    // As they lie in the journal.
    let records: Vec<Record> = records
        .iter()
        .map(|record| {
            let encoded = record.encode().unwrap();
            Record::decode(record.kind(), record.version(), &encoded).unwrap()
        })
        .collect();
    let Some((Record::ConversationCreated(created), rest)) = records.split_first() else {
        panic!("the first record is not its beginning");
    };
    let tree = Tree::from_records(created.conversation.clone(), rest);
    assert_eq!(tree.oddities(), []);
    tree
}

/// One tree, as an export's source.
struct One {
    tree: Tree,
    given: bool,
    files: Memory,
}

impl Source for One {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        Ok(Vec::new())
    }
    fn next_conversation(&mut self) -> Result<Option<Exported>, SourceError> {
        let first = !std::mem::replace(&mut self.given, true);
        Ok(first.then(|| Exported::of(&self.tree)))
    }
    fn message(
        &mut self,
        _: ConversationId,
        id: MessageId,
    ) -> Result<Option<Message>, SourceError> {
        Ok(self.tree.message(id).cloned())
    }
    fn file(&mut self, hash: BlobHash) -> Result<Option<OpenFile<'_>>, SourceError> {
        Ok(self.files.0.get(&hash).map(|bytes| OpenFile {
            bytes: Box::new(bytes.as_slice()),
            size: bytes.len() as u64,
        }))
    }
}

fn out_and_in(tree: &Tree, files: Memory) -> Tree {
    let mut one = One {
        tree: tree.clone(),
        given: false,
        files,
    };
    let mut lines = Vec::new();
    json_lines(&mut one, &mut lines, Files::Inline, 1).unwrap();
    folded(&import(lines).conversations[0])
}

#[test]
fn every_import_folds_into_the_tree_that_it_was_and_survives_a_way_out_and_in() {
    for name in [
        "chatgpt.json",
        "claude.json",
        "librechat-flat.json",
        "librechat-tree.json",
        "open-webui.json",
        "valechat-v1.jsonl",
    ] {
        let outcome = import(fixture(name));
        for imported in &outcome.conversations {
            let tree = folded(imported);
            assert_eq!(tree.len(), imported.messages.len());
            assert_eq!(
                tree.active_leaf(),
                imported.conversation.active_leaf,
                "{name}"
            );
            for message in &imported.messages {
                assert_eq!(tree.message(message.id), Some(message));
                assert_eq!(tree.parent(message.id), Some(message.parent));
            }
            assert_eq!(out_and_in(&tree, outcome.files.clone()), tree, "{name}");
        }
    }
}

#[test]
fn hidden_and_moved_branches_are_where_they_are() {
    let outcome = import(fixture("librechat-flat.json"));
    let imported = &outcome.conversations[0];
    let mut tree = folded(imported);
    let conversation = tree.conversation().id;
    let id = |name: &str| super::support::message(imported, name).id;
    let moved = BranchMoved {
        conversation,
        at_ms: 6,
        message: id("l4"),
        parent: Some(id("l3")),
    };
    let hidden = BranchPruned {
        conversation,
        at_ms: 7,
        message: id("l2"),
    };
    tree.apply(&Record::from(moved)).unwrap();
    tree.apply(&Record::from(hidden)).unwrap();
    let again = out_and_in(&tree, outcome.files.clone());
    assert_eq!(again.parent(id("l4")), Some(Some(id("l3"))));
    assert!(again.is_pruned(id("l2")));
    assert_eq!(again.active_path(), tree.active_path());
}

#[test]
fn a_conversation_that_grew_gets_what_is_new_and_overwrites_nothing() {
    let old = String::from_utf8(fixture("claude.json")).unwrap();
    let before = import(old.clone());
    let mut tree = folded(&before.conversations[1]);
    let new = old.replace("\"Bye\"", "\"Good bye\"").replace(
        r#"{"uuid": "o3""#,
        r#"{"uuid": "o4", "text": "Until then", "sender": "assistant", "parent_message_uuid": "o3"}, {"uuid": "o3", "parent_message_uuid": "o2""#,
    );
    let new = new.replace(
        r#"{"uuid": "o2","#,
        r#"{"uuid": "o2", "parent_message_uuid": "o1","#,
    );
    let after = import(new).conversations.swap_remove(1);
    assert_eq!(after.messages.len(), 4);
    let records = after.clone().into_records(Some(&tree), 9);
    tree.apply_all(&records).unwrap();
    assert_eq!(tree.oddities(), []);
    assert_eq!(tree.len(), 5, "the text that changed is another version");
    let text = |id: &MessageId| tree.message(*id).unwrap().text();
    let path: Vec<String> = tree.active_path().iter().map(text).collect();
    let bye = super::support::message(&before.conversations[1], "o3").id;
    assert_eq!(path, ["Hello", "Good day", "Bye"], "where the person was");
    assert_eq!(tree.siblings(bye).len(), 2);
    let newest = *tree.siblings(bye).last().unwrap();
    assert_eq!(text(&newest), "Good bye");
    let below: Vec<String> = tree.children(Some(newest)).iter().map(text).collect();
    assert_eq!(below, ["Until then"]);
    // Once more, and nothing is new but the note that it was imported.
    assert_eq!(after.into_records(Some(&tree), 10).len(), 1);
}

#[test]
fn an_answer_that_was_being_written_is_interrupted_where_it_comes_in() {
    let outcome = import(fixture("claude.json"));
    let mut imported = outcome.conversations[1].clone();
    imported.messages[1].state = State::Streaming;
    imported.messages[1].parts = vec![Part::text("so far")];
    let tree = folded(&imported);
    let answer = tree.message(imported.messages[1].id).unwrap();
    assert_eq!(answer.state, State::Interrupted);
}

#[test]
fn a_digest_survives_its_record() {
    let outcome = import_with(Input::bytes(fixture("claude.json")), Options::default()).unwrap();
    let digest = outcome.conversations[0].digest;
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
}
