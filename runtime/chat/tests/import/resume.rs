//! What is there already is not taken twice, and what has grown is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use vale_chat::import::{Digest, Input, Novelty, Options};
use vale_chat::model::SourceRef;

use super::support::{Outcome, fixture, import_with};

type Known = Arc<Mutex<HashMap<SourceRef, Digest>>>;

fn again(export: &[u8], known: &Known) -> Outcome {
    let asked = Arc::clone(known);
    let options = Options {
        known: Box::new(move |source| asked.lock().unwrap().get(source).copied()),
        ..Options::default()
    };
    let outcome = import_with(Input::bytes(export.to_vec()), options).unwrap();
    for imported in &outcome.conversations {
        let mut known = known.lock().unwrap();
        known.insert(imported.source.clone(), imported.digest);
    }
    outcome
}

#[test]
fn the_same_export_brings_nothing_new_and_a_grown_conversation_only_itself() {
    for name in [
        "chatgpt.json",
        "claude.json",
        "librechat-flat.json",
        "open-webui.json",
    ] {
        let export = fixture(name);
        let known = Known::default();
        let first = again(&export, &known);
        let count = first.conversations.len() as u64;
        let second = again(&export, &known);
        assert!(second.conversations.is_empty(), "{name}");
        assert_eq!(second.report.already_there, count, "{name}");

        // Without what is known, everything has the ids that it had.
        let unknowing = again(&export, &Known::default());
        assert_eq!(unknowing.conversations, first.conversations, "{name}");
    }

    let known = Known::default();
    let export = String::from_utf8(fixture("claude.json")).unwrap();
    let first = again(export.as_bytes(), &known);
    let grown = export.replace("\"Bye\"", "\"Good bye\"");
    let second = again(grown.as_bytes(), &known);
    assert_eq!(second.conversations.len(), 1);
    assert_eq!((second.report.updated, second.report.already_there), (1, 1));
    let (before, after) = (&first.conversations[1], &second.conversations[0]);
    assert_eq!(after.novelty, Novelty::Changed);
    assert_eq!(after.conversation.id, before.conversation.id);
    let ids = |of: &vale_chat::import::Imported| -> Vec<_> {
        of.messages.iter().map(|message| message.id).collect()
    };
    assert_eq!(ids(after), ids(before));
}

#[test]
fn an_import_that_was_stopped_goes_on_where_it_was() {
    let conversation = |at: usize| {
        format!(
            r#"{{"uuid":"c{at}","name":"{at}","chat_messages":[{{"uuid":"m{at}","sender":"human","text":"{}"}}]}}"#,
            "word ".repeat(2000)
        )
    };
    let all: Vec<String> = (0..200).map(conversation).collect();
    let export = format!("[{}]", all.join(","));
    let known = Known::default();
    let asked = Arc::clone(&known);
    let half = export.len() as u64 / 2;
    let options = Options {
        known: Box::new(move |source| asked.lock().unwrap().get(source).copied()),
        progress: Box::new(move |progress| {
            if progress.read > half {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        }),
        ..Options::default()
    };
    let stopped = import_with(Input::bytes(export.clone().into_bytes()), options).unwrap();
    assert!(matches!(
        stopped.error,
        Some(vale_chat::import::ImportError::Stopped)
    ));
    let there = stopped.conversations.len();
    assert!((50..150).contains(&there), "{there}");
    for imported in &stopped.conversations {
        let mut known = known.lock().unwrap();
        known.insert(imported.source.clone(), imported.digest);
    }
    let rest = again(export.as_bytes(), &known);
    assert_eq!(rest.report.already_there as usize, there);
    assert_eq!(rest.conversations.len(), 200 - there);
}
