//! Ten thousand conversations.

use std::fmt::Write as _;

use vale_chat::export::{Files, json_lines};
use vale_chat::import::{HashOnly, Import, Input, Item, Options};

use super::support::{Kept, Memory, import};

const COUNT: usize = 10_000;

#[test]
fn ten_thousand_conversations_come_in_out_and_in_again() {
    let mut export = String::from("[");
    for at in 0..COUNT {
        if at > 0 {
            export.push(',');
        }
        write!(
            export,
            r#"{{"title":"Conversation {at}","create_time":{},"conversation_id":"id-{at}","current_node":"b","mapping":{{"#,
            1_700_000_000 + at
        )
        .unwrap();
        // Out of order, a branch each, and a circle in some.
        let parent = if at % 100 == 7 { "\"b\"" } else { "null" };
        write!(
            export,
            r#""b":{{"parent":"a","children":[],"message":{{"author":{{"role":"assistant"}},"create_time":{},"content":{{"content_type":"text","parts":["answer {at}"]}}}}}},"c":{{"parent":"a","children":[],"message":{{"author":{{"role":"assistant"}},"content":{{"content_type":"text","parts":["other {at}"]}}}}}},"a":{{"parent":{parent},"children":["b","c"],"message":{{"author":{{"role":"user"}},"content":{{"content_type":"text","parts":["question {at}"]}}}}}}}}}}"#,
            1_700_000_000 - at
        )
        .unwrap();
    }
    export.push(']');
    let outcome = import(export);
    assert_eq!(outcome.report.imported as usize, COUNT);
    assert_eq!(outcome.report.messages as usize, 3 * COUNT);
    assert_eq!(outcome.report.mended.len(), COUNT / 100);

    let conversations = outcome.conversations.clone();
    let mut kept = Kept::new(outcome.folders, outcome.conversations, Memory::default());
    let mut lines = Vec::new();
    let report = json_lines(&mut kept, &mut lines, Files::Inline, 1).unwrap();
    assert_eq!(report.conversations as usize, COUNT);
    let again = Import::open(Input::bytes(lines), HashOnly, Options::default()).unwrap();
    let mut at = 0;
    for item in again {
        let Item::Conversation(imported) = item.unwrap() else {
            panic!("a folder");
        };
        assert_eq!(imported.conversation, conversations[at].conversation);
        assert_eq!(imported.messages, conversations[at].messages);
        at += 1;
    }
    assert_eq!(at, COUNT);
}
