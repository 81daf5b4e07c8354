//! The conversation as this wire has it: turns, blocks, attachments and cache breakpoints.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use serde_json::{Value, json};
use vale_sdk::{
    Blob, BodyPart, CacheMark, Context, ErrorKind, Extra, Media, Message, Part, Provider, Request,
    ResultPart, Role, Thinking, ToolCall, ToolResult,
};

/// The body as the server gets it; each attachment reads `<id>` instead of its base64.
fn body(messages: Vec<Message>) -> Result<Value, vale_sdk::Error> {
    let context = Context::new(r#"{"base_url":"http://h"}"#, vec![]).unwrap();
    let http = Anthropic::completion_request(&context, &Request::new("m", messages))?;
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::BlobBase64(id) => format!("<{id}>").into_bytes(),
        BodyPart::BlobJsonText(id) => format!("text of {id}").into_bytes(),
        part => panic!("{part:?}"),
    });
    Ok(serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap())
}

fn kind(part: Part, role: Role) -> ErrorKind {
    body(vec![Message::new(role, vec![part])]).unwrap_err().kind
}

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn assistant(parts: Vec<Part>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments_json: arguments.into(),
        signature: None,
    })
}

fn result(id: &str, content: Vec<ResultPart>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult {
        call_id: id.into(),
        name: Some("f".into()),
        content,
        is_error,
        extras: vec![],
    })
}

fn thinking(text: &str, signature: Option<&str>) -> Part {
    Part::Thinking(Thinking {
        id: None,
        text: text.into(),
        signature: signature.map(Into::into),
    })
}

fn blob(id: &str, media_type: &str, name: Option<&str>) -> Media {
    Media::Blob(Blob {
        id: id.into(),
        media_type: media_type.into(),
        size: 3,
        name: name.map(Into::into),
    })
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn instructions_go_to_the_top_wherever_they_stand() {
    let body = body(vec![
        Message::text(Role::System, "Be kind."),
        user("Hi"),
        Message::text(Role::Developer, "Be brief."),
        Message::text(Role::System, " \n"),
    ]);
    let body = body.unwrap();
    assert_eq!(body["system"], json!([text("Be kind."), text("Be brief.")]));
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": [text("Hi")]}])
    );
}

#[test]
fn turns_of_one_side_are_one_turn_and_results_come_first_in_it() {
    let picture = ResultPart::Image(Media::Url("https://x/y.png".into()));
    let messages = vec![
        user("one"),
        Message::new(
            Role::User,
            vec![Part::Text(String::new()), Part::Text("two".into())],
        ),
        assistant(vec![Part::Text("So: ".into()), call("a", "{\"x\": 1.50}")]),
        assistant(vec![call("b", ""), call("c", "null")]),
        user("Wait."),
        Message::new(
            Role::Tool,
            vec![result(
                "a",
                vec![ResultPart::Text("21".into()), picture],
                false,
            )],
        ),
        Message::new(
            Role::User,
            vec![
                Part::Text("And?".into()),
                result("b", vec![ResultPart::Json("{}".into())], true),
                result("c", vec![ResultPart::Text(" ".into())], false),
            ],
        ),
    ];
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}});
    let used =
        |id: &str, input: Value| json!({"type": "tool_use", "id": id, "name": "f", "input": input});
    let expected = json!([
        {"role": "user", "content": [text("one"), text("two")]},
        {"role": "assistant", "content": [text("So: "), used("a", json!({"x": 1.5})), used("b", json!({})), used("c", json!({}))]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [text("21"), image]},
            {"type": "tool_result", "tool_use_id": "b", "content": [text("{}")], "is_error": true},
            {"type": "tool_result", "tool_use_id": "c"},
            text("Wait."),
            text("And?"),
        ]},
    ]);
    assert_eq!(body(messages).unwrap()["messages"], expected);
}

#[test]
fn sealed_thinking_goes_back_unchanged_and_unsealed_not_at_all() {
    let search = r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":"x"}}"#;
    let messages = vec![
        user("Hi"),
        assistant(vec![
            thinking("hm ", Some("Eq+/=")),
            thinking("", Some("only a seal")),
            thinking("lost", None),
            thinking("lost too", Some("")),
            Part::RedactedThinking("sealed==".into()),
            Part::Other(Extra::new("anthropic-content-block", search)),
            Part::Text("Yes".into()),
        ]),
        // Nothing is left of it.
        assistant(vec![thinking("lost", None)]),
        user("And?"),
    ];
    let content = &body(messages).unwrap()["messages"][1]["content"];
    let expected = json!([
        {"type": "thinking", "thinking": "hm ", "signature": "Eq+/="},
        {"type": "thinking", "thinking": "", "signature": "only a seal"},
        {"type": "redacted_thinking", "data": "sealed=="},
        serde_json::from_str::<Value>(search).unwrap(),
        text("Yes"),
    ]);
    assert_eq!(*content, expected);
}

#[test]
fn an_answer_to_be_continued_does_not_end_in_blanks() {
    let begun = |text: &str| assistant(vec![Part::Text(text.into())]);
    let last = body(vec![user("Hi"), begun(" Well, \n")]).unwrap();
    assert_eq!(last["messages"][1]["content"], json!([text(" Well,")]));
    // Elsewhere the text is the model's and stays.
    let earlier = body(vec![user("Hi"), begun("Well, "), user("Go on ")]).unwrap();
    assert_eq!(earlier["messages"][1]["content"], json!([text("Well, ")]));
    assert_eq!(earlier["messages"][2]["content"], json!([text("Go on ")]));
}

#[test]
fn ids_of_other_providers_are_spelt_as_this_one_takes_them_and_still_fit() {
    let ids = ["toolu_01-Ab", "call:1", "call.1", ""];
    let calls = ids.iter().map(|id| call(id, "{}")).collect();
    let results = ids.iter().map(|id| result(id, vec![], false)).collect();
    let body = body(vec![
        user("Hi"),
        assistant(calls),
        Message::new(Role::Tool, results),
    ]);
    let body = body.unwrap();
    let found = |turn: usize, name: &str| -> Vec<String> {
        let blocks = body["messages"][turn]["content"].as_array().unwrap();
        let ids = blocks.iter().map(|block| block[name].as_str().unwrap());
        ids.map(str::to_string).collect()
    };
    let called = found(1, "id");
    assert_eq!(called, found(2, "tool_use_id"));
    assert_eq!(called[0], "toolu_01-Ab");
    for id in &called {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        assert!(!id.is_empty() && id.chars().all(fits), "{id}");
    }
    assert_ne!(called[1], called[2]);
}

#[test]
fn attachments_are_spliced_by_the_host_and_never_held_here() {
    let parts = vec![
        Part::Image(blob("b1", "image/png", None)),
        Part::Image(blob("b2", "IMAGE/JPG; q=1", None)),
        Part::File(blob("b3", "application/pdf", Some("a \"b\".pdf"))),
        Part::File(blob("b4", "application/pdf", Some(" "))),
        Part::File(blob("b5t", "text/markdown; charset=utf-8", Some("a.md"))),
        Part::File(Media::Url("https://x/y.pdf".into())),
    ];
    let base64 = |media_type: &str, data: &str| json!({"type": "base64", "media_type": media_type, "data": data});
    let expected = json!([
        {"type": "image", "source": base64("image/png", "<b1>")},
        {"type": "image", "source": base64("image/jpeg", "<b2>")},
        {"type": "document", "title": "a \"b\".pdf", "source": base64("application/pdf", "<b3>")},
        {"type": "document", "source": base64("application/pdf", "<b4>")},
        {"type": "document", "title": "a.md", "source": {"type": "text", "media_type": "text/plain", "data": "text of b5t"}},
        {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
    ]);
    let body = body(vec![Message::new(Role::User, parts)]).unwrap();
    assert_eq!(body["messages"][0]["content"], expected);
    let shown = vec![
        ResultPart::Image(blob("b5", "image/webp", None)),
        ResultPart::File(blob("b6", "application/pdf", None)),
    ];
    let body = self::body(vec![Message::new(
        Role::Tool,
        vec![result("a", shown, false)],
    )]);
    assert_eq!(
        body.unwrap()["messages"][0]["content"][0]["content"],
        json!([
            {"type": "image", "source": base64("image/webp", "<b5>")},
            {"type": "document", "source": base64("application/pdf", "<b6>")},
        ])
    );
}

#[test]
fn what_the_wire_cannot_carry_is_refused_and_not_left_out() {
    let other = || Extra::new("video", "{}");
    let pdf = || Media::Url("https://x/y.pdf".into());
    let rows = [
        (Part::Audio(blob("b", "audio/wav", None)), Role::User),
        (Part::Image(blob("b", "image/tiff", None)), Role::User),
        (Part::Image(Media::Other(other())), Role::User),
        (
            Part::File(blob("b", "application/zip", Some("a.zip"))),
            Role::User,
        ),
        (Part::Other(other()), Role::User),
        (call("a", "{}"), Role::User),
        (thinking("hm", Some("s")), Role::User),
        (
            result("a", vec![ResultPart::Other(other())], false),
            Role::Tool,
        ),
        (Part::Image(pdf()), Role::Assistant),
        (Part::Other(other()), Role::Assistant),
        (result("a", vec![], false), Role::Assistant),
        (Part::Image(pdf()), Role::System),
        (Part::Text("x".into()), Role::Other("critic".into())),
    ];
    for (part, role) in rows {
        let kind = kind(part.clone(), role);
        assert!(
            matches!(kind, ErrorKind::Unsupported(_)),
            "{part:?}: {kind:?}"
        );
    }
    for arguments in ["[1]", "7", "{", "\"{}\""] {
        let kind = kind(call("a", arguments), Role::Assistant);
        assert_eq!(
            kind,
            ErrorKind::InvalidRequest(Some("The arguments of f".into()))
        );
    }
    for nobody in [
        vec![],
        vec![Message::text(Role::System, "x")],
        vec![user(" ")],
    ] {
        let kind = body(nobody).unwrap_err().kind;
        assert_eq!(kind, ErrorKind::InvalidRequest(Some("messages".into())));
    }
}

fn marked(message: Message, cache: CacheMark) -> Message {
    Message { cache, ..message }
}

/// The lifetimes in the order of the request: `-`, `5m` or `1h` for each block.
fn lifetimes(messages: Vec<Message>) -> Vec<String> {
    let body = body(messages).unwrap();
    let list = |holder: &Value, name: &str| -> Vec<Value> {
        let list = holder.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let turns = list(&body, "messages").into_iter();
    let said = turns.flat_map(|turn| list(&turn, "content"));
    let system = list(&body, "system").into_iter();
    let blocks = system.chain(said);
    let ttl = |block: Value| match block.get("cache_control") {
        None => "-".to_string(),
        Some(control) => {
            assert_eq!(control.get("type"), Some(&json!("ephemeral")));
            let ttl = control.get("ttl").and_then(Value::as_str);
            ttl.unwrap().to_string()
        }
    };
    blocks.map(ttl).collect()
}

#[test]
fn a_mark_becomes_a_breakpoint_on_the_messages_last_block() {
    let two = Message::new(
        Role::User,
        vec![Part::Text("a".into()), Part::Text("b".into())],
    );
    let found = lifetimes(vec![
        marked(Message::text(Role::System, "x"), CacheMark::Long),
        marked(two, CacheMark::Short),
        user("c"),
    ]);
    assert_eq!(found, ["1h", "-", "5m", "-"]);
}

#[test]
fn there_are_at_most_four_breakpoints_the_first_and_the_last_three() {
    let all = (0..6).map(|_| marked(user("x"), CacheMark::Short));
    assert_eq!(lifetimes(all.collect()), ["5m", "-", "-", "5m", "5m", "5m"]);
    let four = (0..4).map(|_| marked(user("x"), CacheMark::Long));
    assert_eq!(lifetimes(four.collect()), ["1h"; 4]);
}

#[test]
fn an_hour_never_stands_behind_five_minutes() {
    let marks = [CacheMark::Short, CacheMark::Long, CacheMark::Short];
    let messages = marks.map(|mark| marked(user("x"), mark));
    assert_eq!(lifetimes(messages.to_vec()), ["1h", "1h", "5m"]);
    // The order that counts is the request's: instructions from the end go to the top.
    let late = vec![
        marked(user("x"), CacheMark::Long),
        marked(Message::text(Role::System, "s"), CacheMark::Short),
    ];
    assert_eq!(lifetimes(late), ["1h", "1h"]);
    // A mark that was dropped raises nothing.
    let mut many = vec![marked(user("x"), CacheMark::Short); 6];
    many[1].cache = CacheMark::Long;
    assert_eq!(lifetimes(many), ["5m", "-", "-", "5m", "5m", "5m"]);
}

#[test]
fn a_mark_is_never_on_thinking_and_not_lost_with_a_message_that_is() {
    let thought = assistant(vec![Part::Text("a".into()), thinking("hm", Some("s"))]);
    let found = lifetimes(vec![user("x"), marked(thought, CacheMark::Short)]);
    assert_eq!(found, ["-", "5m", "-"]);
    let only = assistant(vec![thinking("hm", Some("s"))]);
    let found = lifetimes(vec![user("x"), marked(only, CacheMark::Long)]);
    assert_eq!(found, ["1h", "-"]);
    let nothing = assistant(vec![thinking("lost", None)]);
    let found = lifetimes(vec![user("x"), marked(nothing, CacheMark::Short)]);
    assert_eq!(found, ["5m"]);
    let error = body(vec![marked(user("x"), CacheMark::Other("week".into()))]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)));
}
