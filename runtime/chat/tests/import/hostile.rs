//! Exports that are wrong in every way: each wrong costs as little as can be.

use std::io::{self, Read};
use std::ops::ControlFlow;

use vale_chat::import::{
    FileStore, HashOnly, Import, ImportError, Input, Limits, Options, StoredFile,
};
use vale_chat::model::BlobHash;

use super::support::{import, import_with, leaf, message, parts, shape};

/// A ChatGPT export of one conversation with this mapping.
fn gpt(mapping: &str) -> String {
    format!(r#"[{{"title":"T","conversation_id":"c","current_node":"a","mapping":{mapping}}}]"#)
}

fn node(id: &str, parent: &str, text: &str) -> String {
    format!(
        r#""{id}":{{"parent":{parent},"children":[],"message":{{"author":{{"role":"user"}},"content":{{"content_type":"text","parts":[{text}]}}}}}}"#
    )
}

#[test]
fn fields_of_the_wrong_kind_cost_only_themselves() {
    let export = r#"[{"title": 17, "create_time": "1714564800", "update_time": NaN, "conversation_id": ["x"], "id": "good",
        "current_node": {"a": 1}, "is_archived": "true", "mapping": {
          "a": {"parent": null, "children": "b", "message": {"author": "user", "content": {"content_type": "text", "parts": "no list"}}},
          "b": {"parent": "a", "children": [1, null, {}], "message": {"author": {"role": "user", "name": 5}, "create_time": "soon", "weight": "heavy",
               "content": {"content_type": "text", "parts": ["kept", null, 5, ["x"], {"content_type": 3}]}, "metadata": [], "recipient": 9}},
          "c": null, "d": 4, "e": [], "f": {"message": []}}}]"#;
    let outcome = import(export);
    let only = &outcome.conversations[0];
    assert_eq!(shape(only), "b<-");
    assert_eq!(parts(&only.messages[0], &outcome.files), [r#"text "kept""#]);
    assert_eq!(only.conversation.title, "17");
    assert_eq!(only.conversation.created_ms, 1_714_564_800_000);
    assert!(only.conversation.archived);
    assert_eq!(only.source.id, "good");
}

#[test]
fn circles_lost_parents_and_two_beginnings_lose_no_message() {
    let circle = gpt(&format!(
        "{{{},{},{}}}",
        node("a", r#""c""#, r#""1""#),
        node("b", r#""a""#, r#""2""#),
        node("c", r#""b""#, r#""3""#)
    ));
    let outcome = import(circle);
    assert_eq!(shape(&outcome.conversations[0]), "a<- b<a c<b");
    assert!(outcome.report.mended[0].what.contains("circle"));

    let lost = gpt(&format!(
        "{{{},{}}}",
        node("a", r#""gone""#, r#""1""#),
        node("b", "null", r#""2""#)
    ));
    let outcome = import(lost);
    assert_eq!(shape(&outcome.conversations[0]), "a<- b<-");
    assert_eq!(leaf(&outcome.conversations[0]), "a");
    assert!(outcome.report.mended[0].what.contains("not in the export"));

    // The same key twice, and each its own parent.
    let double = gpt(&format!(
        "{{{},{}}}",
        node("a", r#""a""#, r#""1""#),
        node("a", r#""a""#, r#""2""#)
    ));
    let outcome = import(double);
    assert_eq!(outcome.conversations[0].messages.len(), 2);
}

#[test]
fn a_conversation_that_is_damaged_is_named_and_the_rest_comes_in() {
    let good = |id: &str| {
        format!(
            r#"{{"title":"{id}","conversation_id":"{id}","mapping":{{{}}}}}"#,
            node("a", "null", r#""hi""#)
        )
    };
    let mut export = String::from("\u{feff}[");
    export += &good("one");
    export += r#",{"title":"Broken \ud83d","mapping":{"a":{"parent":tru}}}"#;
    export += r#",{"title":"Unbalanced","mapping":{"a":[}}"#;
    export += &format!(",{}", good("two"));
    export += r#",null,5,"text",[],{"title":"A list of cooks"},"#;
    export += &"[".repeat(20_000);
    export += &"]".repeat(20_000);
    export += &format!(",{}]", good("three"));
    let outcome = import(export);
    let titles: Vec<&str> = outcome
        .conversations
        .iter()
        .map(|imported| imported.conversation.title.as_str())
        .collect();
    assert_eq!(titles, ["one", "two", "three"]);
    let skipped: Vec<(u64, Option<&str>)> = outcome
        .report
        .skipped
        .iter()
        .map(|skipped| (skipped.index, skipped.title.as_deref()))
        .collect();
    assert_eq!(
        skipped,
        [
            (1, Some("Broken \u{fffd}")),
            (2, Some("Unbalanced")),
            (4, None),
            (5, None),
            (6, None),
            (7, None),
            (8, Some("A list of cooks")),
            (9, None),
        ]
    );
    assert!(outcome.report.skipped[7].why.contains("levels deep"));
    assert_eq!(outcome.report.read, 11);
}

#[test]
fn what_is_no_conversation_is_counted_even_before_the_first_one() {
    let export = format!(
        r#"[{}{{"conversation_id":"c","mapping":{{{}}}}}]"#,
        "null,".repeat(100),
        node("a", "null", r#""hi""#)
    );
    let report = import(export).report;
    assert_eq!(
        (report.read, report.skipped_count, report.imported),
        (101, 100, 1)
    );
}

#[test]
fn a_message_over_the_limit_is_left_out_with_its_size_and_its_answer_stays() {
    let long = format!("\"{}\"", "x".repeat(5 << 20));
    let mapping = format!(
        "{{{},{},{}}}",
        node("q", "null", r#""short""#),
        node("long", r#""q""#, &long),
        node("a", r#""long""#, r#""answer""#)
    );
    let options = Options {
        limits: Limits {
            message_bytes: 1 << 20,
            ..Limits::default()
        },
        ..Options::default()
    };
    let outcome = import_with(Input::bytes(gpt(&mapping).into_bytes()), options).unwrap();
    assert_eq!(shape(&outcome.conversations[0]), "q<- a<q");
    assert_eq!(
        outcome.report.mended[0].what,
        "One message of 5 MB is left out: the limit is 1 MiB."
    );
}

#[test]
fn a_long_text_becomes_a_file() {
    let long = format!("\"{}\"", "長い".repeat(40_000));
    let outcome = import(gpt(&format!("{{{}}}", node("a", "null", &long))));
    let only = &outcome.conversations[0];
    assert_eq!(
        parts(message(only, "a"), &outcome.files),
        ["long text of 240000"]
    );
}

#[test]
fn a_message_never_outgrows_the_record_that_is_to_hold_it() {
    let block = |kind: &str, field: &str| {
        format!(r#"{{"type":"{kind}","{field}":"{}"}}"#, "w ".repeat(500))
    };
    let mut blocks = vec![block("text", "text"); 6];
    blocks.extend(vec![block("thinking", "thinking"); 2]);
    blocks.push(format!(
        r#"{{"type":"tool_use","id":"t","name":"n","input":{{"a":"{}"}}}}"#,
        "w ".repeat(500)
    ));
    blocks.push(format!(
        r#"{{"type":"tool_result","tool_use_id":"t","content":"{}"}}"#,
        "w ".repeat(500)
    ));
    let export = format!(
        r#"[{{"uuid":"c","chat_messages":[{{"uuid":"m","sender":"assistant","content":[{}]}}]}}]"#,
        blocks.join(",")
    );
    let options = Options {
        limits: Limits {
            inline_message: 5_500,
            ..Limits::default()
        },
        ..Options::default()
    };
    let outcome = import_with(Input::bytes(export.into_bytes()), options).unwrap();
    let message = &outcome.conversations[0].messages[0];
    assert!(serde_json::to_string(message).unwrap().len() < 9_000);
    let kinds: Vec<&str> = message.parts.iter().map(|part| part.word()).collect();
    assert_eq!(
        kinds,
        [
            "text",
            "text",
            "text",
            "text",
            "text",
            "long-text",
            "file",
            "file",
            "file",
            "tool-call",
            "tool-result"
        ]
    );
    // Nothing is lost: each is a file of its own text.
    let sizes = |size| {
        outcome
            .files
            .0
            .values()
            .filter(|file| file.len() == size)
            .count()
    };
    assert_eq!((sizes(1000), sizes(1008)), (1, 1));
}

#[test]
fn what_came_before_the_end_of_a_cut_file_is_kept_and_the_end_told() {
    let whole = String::from_utf8(super::support::fixture("chatgpt.json")).unwrap();
    let second = whole.find("\"Spoken\"").unwrap();
    // Also within an escape, and right after a comma.
    for cut in [second + 3, second + 400, whole.find("\\ud83d").unwrap() + 3] {
        let outcome = import(&whole.as_bytes()[..cut]);
        assert_eq!(
            outcome.conversations.len(),
            usize::from(cut > second),
            "{cut}"
        );
        assert!(outcome.report.cut_off.is_some());
        assert!(outcome.error.is_none());
    }
}

#[test]
fn two_hundred_answers_within_each_other_come_in_and_a_bomb_does_not() {
    let nested = |depth: usize| {
        let mut export = String::from(r#"{"conversationId":"deep","messagesTree":["#);
        for at in 0..depth {
            export += &format!(r#"{{"messageId":"{at}","text":"t{at}","children":["#);
        }
        export += &"]}".repeat(depth);
        export + "]}"
    };
    // On a thread with as little stack as a worker may have.
    let run = move || {
        for depth in [200, 4_000] {
            let outcome = import(nested(depth));
            assert_eq!(outcome.conversations[0].messages.len(), depth);
        }
        let bomb = import(nested(50_000));
        assert!(bomb.conversations.is_empty());
        assert!(bomb.report.skipped[0].why.contains("levels deep"));
    };
    let small = std::thread::Builder::new().stack_size(512 << 10);
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn what_is_no_export_is_refused_in_a_sentence() {
    let refused = |bytes: &[u8]| {
        let opened = import_with(Input::bytes(bytes.to_vec()), Options::default());
        match opened {
            Err(error) => error,
            Ok(outcome) => outcome
                .error
                .unwrap_or_else(|| panic!("{:?}", outcome.report)),
        }
    };
    for text in [
        "",
        "   ",
        "Dear diary",
        "[]",
        "{}",
        r#"[{"a":1}]"#,
        "<html>",
        "nul",
    ] {
        let error = refused(text.as_bytes());
        assert!(
            matches!(error, ImportError::UnknownFormat),
            "{text}: {error:?}"
        );
    }
    assert!(matches!(refused(b"\xff\xfe[\0"), ImportError::Utf16));
    assert!(matches!(
        refused(b"PK\x03\x04 not really"),
        ImportError::Zip(_)
    ));
    let newer = br#"{"valechat-export":9}"#;
    assert!(matches!(refused(newer), ImportError::Newer(9)));
}

#[test]
fn a_stop_a_full_disk_and_a_broken_cable_end_an_import_and_say_so() {
    let options = Options {
        progress: Box::new(|progress| {
            assert!(progress.total.is_some_and(|total| total >= progress.read));
            ControlFlow::Break(())
        }),
        ..Options::default()
    };
    let export = super::support::fixture("claude.json");
    match import_with(Input::bytes(export.clone()), options) {
        Err(ImportError::Stopped) => {}
        other => panic!("{other:?}"),
    }

    struct Full;
    impl FileStore for Full {
        fn put(&mut self, _: &mut dyn Read) -> io::Result<StoredFile> {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        }
        fn has(&self, _: &BlobHash) -> bool {
            false
        }
    }
    let mut full = Import::open(Input::bytes(export.clone()), Full, Options::default()).unwrap();
    assert!(
        full.by_ref()
            .any(|item| matches!(item, Err(ImportError::Store(_))))
    );
    assert!(full.next().is_none(), "after an error it ends");

    struct Broken(io::Cursor<Vec<u8>>);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                read => Ok(read),
            }
        }
    }
    let cut = export[..export.len() - 30].to_vec();
    let stream = Input::stream(Broken(io::Cursor::new(cut)));
    let mut broken = Import::open(stream, HashOnly, Options::default()).unwrap();
    assert!(
        broken
            .by_ref()
            .any(|item| matches!(item, Err(ImportError::Read(_))))
    );
    assert_eq!(broken.report().imported, 2);
}
