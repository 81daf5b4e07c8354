//! What servers of the Responses wire do otherwise than its description, each by name.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use serde_json::{Value, json};
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    AuthKind, BodyPart, Context, ErrorKind, Event, FinishReason, HttpReply, Message, NetworkKind,
    OutputFormat, Part, Provider, Request, Role, Thinking, ThinkingMode,
};

fn responses(more: &Value) -> Context {
    let mut settings = json!({"base_url": "http://127.0.0.1:1/v1", "api": "responses"});
    let members = more.as_object().unwrap().clone();
    settings.as_object_mut().unwrap().extend(members);
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn replay(body: impl Into<Vec<u8>>) -> Outcome {
    let replay = Replay::<OpenAi>::body(body).context(responses(&json!({})));
    replay.every_split().unwrap()
}

fn stream(events: &[Value]) -> Outcome {
    let frames = events.iter().map(|event| format!("data: {event}\n\n"));
    let outcome = replay(frames.collect::<String>());
    check_calls(&outcome);
    outcome
}

/// The contract: calls are numbered from 0, started once, with pieces only until their end, and
/// a finished answer has ended them all.
fn check_calls(outcome: &Outcome) {
    let (mut started, mut open) = (0, Vec::new());
    for event in &outcome.events {
        match event {
            Event::ToolCallStart(start) => {
                assert_eq!(start.index, started);
                assert!(!start.id.is_empty() && !start.name.is_empty(), "{start:?}");
                started += 1;
                open.push(start.index);
            }
            Event::ToolCallDelta(delta) => assert!(open.contains(&delta.index), "{delta:?}"),
            Event::ToolCallEnd(end) => {
                assert!(open.contains(&end.index), "{end:?}");
                open.retain(|index| *index != end.index);
            }
            _ => {}
        }
    }
    assert!(outcome.terminal.is_err() || open.is_empty(), "{open:?}");
}

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "r", "object": "response", "model": "m", "status": "in_progress"}})
}

/// The terminal event of a completed answer that repeats these items.
fn completed(output: &Value) -> Value {
    json!({"type": "response.completed", "response": {"id": "r", "object": "response", "status": "completed", "output": output}})
}

fn ended(kind: &str, response: &Value) -> Value {
    json!({"type": format!("response.{kind}"), "response": response})
}

fn text(item: &str, index: u64, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": item, "output_index": index, "content_index": 0, "delta": delta})
}

fn message(id: &str, parts: &[&str]) -> Value {
    let parts: Vec<Value> = parts
        .iter()
        .map(|text| json!({"type": "output_text", "text": text}))
        .collect();
    json!({"id": id, "type": "message", "role": "assistant", "content": parts})
}

fn added(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: &Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn function(id: &str, call: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function_call", "call_id": call, "name": "f", "arguments": arguments})
}

fn piece(item: &str, index: u64, delta: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "item_id": item, "output_index": index, "delta": delta})
}

fn arguments(outcome: &Outcome) -> Vec<(String, String)> {
    let calls = outcome.tool_calls().into_iter();
    calls.map(|(id, _, json)| (id, json)).collect()
}

fn call(id: &str, json: &str) -> (String, String) {
    (id.into(), json.into())
}

fn reason(outcome: &Outcome) -> FinishReason {
    outcome.terminal.clone().unwrap().reason
}

fn kind(outcome: &Outcome) -> ErrorKind {
    outcome.terminal.clone().unwrap_err().kind
}

#[test]
fn line_ends_comments_marks_and_missing_spaces_make_no_difference() {
    let (start, hello, end) = (created(), text("m", 0, "Grüße"), completed(&json!([])));
    for newline in ["\n", "\r\n", "\r"] {
        let body = format!(
            "\u{feff}: keep-alive\n\ndata:{start}\n\n:\n\nevent: response.output_text.delta\ndata: {hello}\n\ndata:{end}\n\ndata: [DONE]\n\n"
        );
        let outcome = replay(body.replace('\n', newline));
        assert_eq!(outcome.text(), "Grüße");
        assert_eq!(reason(&outcome), FinishReason::Stop);
        let pings = outcome.events.iter().filter(|event| **event == Event::Ping);
        assert_eq!(pings.count(), 2);
    }
}

#[test]
fn data_over_several_lines_and_a_last_event_without_its_blank_line_count() {
    let body = format!(
        "data: {{\"type\":\"response.output_text.delta\",\ndata: \"delta\":\"Hi\"}}\n\ndata: {}",
        completed(&json!([]))
    );
    let outcome = replay(body);
    assert_eq!(
        (outcome.text().as_str(), reason(&outcome)),
        ("Hi", FinishReason::Stop)
    );
}

#[test]
fn surrogates_split_across_events_are_joined_in_text_thinking_and_arguments() {
    let frames = [
        r#"{"type":"response.reasoning_text.delta","item_id":"rs","delta":"\ud83c"}"#,
        r#"{"type":"response.reasoning_text.delta","item_id":"rs","delta":"\uddf5"}"#,
        r#"{"type":"response.output_text.delta","item_id":"m","delta":"\ud83c"}"#,
        r#"{"type":"response.output_text.delta","item_id":"m","delta":"\uddf5"}"#,
        r#"{"type":"response.output_item.done","item":{"id":"m","type":"message","content":[{"type":"output_text","text":"\ud83c\uddf5"}]}}"#,
        r#"{"type":"response.output_item.added","item":{"id":"c","type":"function_call","call_id":"c","name":"f"}}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"c","delta":"{\"x\":\"\ud83c"}"#,
        r#"{"type":"response.function_call_arguments.delta","item_id":"c","delta":"\uddf5\"}"}"#,
        r#"{"type":"response.completed","response":{"status":"completed"}}"#,
    ];
    let body: String = frames.map(|frame| format!("data: {frame}\n\n")).concat();
    let outcome = replay(body);
    assert_eq!(
        (outcome.thinking(), outcome.text()),
        ("🇵".into(), "🇵".into())
    );
    assert_eq!(arguments(&outcome), [call("c", "{\"x\":\"🇵\"}")]);
}

#[test]
fn the_events_name_stands_in_for_a_missing_type() {
    let body = "event: response.output_text.delta\ndata: {\"delta\":\"Hi\"}\n\nevent: response.completed\ndata: {\"response\":{\"status\":\"completed\"}}\n\n";
    let outcome = replay(body);
    assert_eq!(
        (outcome.text().as_str(), reason(&outcome)),
        ("Hi", FinishReason::Stop)
    );
}

#[test]
fn done_without_a_terminal_event_is_no_end() {
    for tail in ["", "data: [DONE]\n\n", "data: {\"type\":\"response.comp"] {
        let body = format!("data: {}\n\n{tail}", text("m", 0, "Hel"));
        let outcome = replay(body);
        assert_eq!(outcome.text(), "Hel");
        let ErrorKind::Network(failure) = kind(&outcome) else {
            panic!("{tail}: {:?}", outcome.terminal);
        };
        assert_eq!(failure.kind, NetworkKind::Truncated, "{tail}");
    }
}

#[test]
fn an_error_in_a_stream_of_status_200_has_its_kind_and_keeps_the_text() {
    let failed = |code: &str| {
        ended(
            "failed",
            &json!({"status": "failed", "error": {"code": code, "message": "m"}}),
        )
    };
    let cases = [
        (
            json!({"type": "error", "code": "server_error", "message": "m", "param": null, "sequence_number": 3}),
            ErrorKind::Internal,
        ),
        (
            json!({"type": "error", "error": {"type": "server_error", "code": "server_is_overloaded", "message": "m"}}),
            ErrorKind::Overloaded(None),
        ),
        (
            json!({"error": {"code": 500, "message": "m", "type": "server_error"}}),
            ErrorKind::Internal,
        ),
        (failed("server_error"), ErrorKind::Internal),
        (
            failed("insufficient_quota"),
            ErrorKind::Auth(AuthKind::QuotaExhausted),
        ),
        (failed("invalid_prompt"), ErrorKind::InvalidRequest(None)),
        (failed("image_too_large"), ErrorKind::InvalidRequest(None)),
        (
            failed("image_content_policy_violation"),
            ErrorKind::ContentFilter(Some("image_content_policy_violation".into())),
        ),
    ];
    for (event, expected) in cases {
        let outcome = stream(&[
            created(),
            text("m", 0, "Hel"),
            event.clone(),
            completed(&json!([])),
        ]);
        assert_eq!(outcome.text(), "Hel");
        assert_eq!(kind(&outcome), expected, "{event}");
        assert_eq!(outcome.terminal.unwrap_err().message, "m", "{event}");
    }
}

#[test]
fn a_failed_answer_is_still_counted() {
    let response = json!({"status": "failed", "error": {"code": "server_error", "message": "m"}, "usage": {"input_tokens": 7, "output_tokens": 2}});
    let outcome = stream(&[created(), ended("failed", &response)]);
    let totals = outcome.events.iter().filter_map(|event| match event {
        Event::Usage(usage) => Some(usage.total()),
        _ => None,
    });
    assert_eq!(totals.collect::<Vec<_>>(), [9]);
}

#[test]
fn an_answer_that_says_incomplete_and_not_why_is_not_taken_for_whole() {
    for response in [
        json!({"status": "incomplete", "incomplete_details": null}),
        json!({}),
    ] {
        let outcome = stream(&[
            created(),
            text("m", 0, "Hi"),
            ended("incomplete", &response),
        ]);
        assert_eq!(
            reason(&outcome),
            FinishReason::Other("incomplete".into()),
            "{response}"
        );
    }
}

#[test]
fn an_answer_told_only_at_the_end_is_told() {
    let output = json!([
        {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "seal"},
        message("m", &["Hi"]),
        function("c", "call_c", "{\"x\":1}"),
    ]);
    let outcome = stream(&[created(), completed(&output)]);
    assert_eq!(
        (outcome.thinking(), outcome.text()),
        ("hm".into(), "Hi".into())
    );
    assert_eq!(arguments(&outcome), [call("call_c", "{\"x\":1}")]);
    assert_eq!(reason(&outcome), FinishReason::ToolCalls);
    assert!(outcome.events.iter().any(|event| matches!(event, Event::ThinkingEnd(end) if end.signature.as_deref() == Some("seal") && end.id.as_deref() == Some("rs"))));
}

#[test]
fn a_text_that_comes_in_pieces_and_whole_is_told_once() {
    let whole = message("m", &["Hello"]);
    let at_the_end = [
        vec![done(0, &whole)],
        vec![done(0, &whole), done(0, &whole)],
        vec![],
    ];
    for end in at_the_end {
        for start in [
            vec![created()],
            vec![created(), added(0, &message("m", &[]))],
        ] {
            let pieces = vec![text("m", 0, "Hel"), text("m", 0, "lo")];
            let events = [start, pieces, end.clone(), vec![completed(&json!([whole]))]].concat();
            assert_eq!(stream(&events).text(), "Hello", "{events:?}");
        }
    }
}

#[test]
fn the_rest_of_a_text_that_came_in_part_is_added() {
    let whole = message("m", &["One. ", "Two."]);
    let outcome = stream(&[
        created(),
        added(0, &message("m", &[])),
        text("m", 0, "One. "),
        done(0, &whole),
        completed(&json!([whole])),
    ]);
    assert_eq!(outcome.text(), "One. Two.");
    let told = json!({"type": "response.output_text.done", "item_id": "m", "text": "Hi"});
    assert_eq!(
        stream(&[created(), told, completed(&json!([]))]).text(),
        "Hi"
    );
}

#[test]
fn an_item_that_is_renamed_in_every_event_is_known_by_its_number() {
    let outcome = stream(&[
        created(),
        added(0, &message("m1", &[])),
        text("m2", 0, "Hi"),
        done(0, &message("m3", &["Hi"])),
        added(1, &function("a1", "call_a", "")),
        added(2, &function("b1", "call_b", "")),
        piece("b2", 2, "{\"b\":"),
        piece("a2", 1, "{\"a\":"),
        piece("b3", 2, "2}"),
        piece("a3", 1, "1}"),
        done(1, &function("a4", "call_a", "{\"a\":1}")),
        done(2, &function("b4", "call_b", "{\"b\":2}")),
        completed(&json!([
            message("m9", &["Hi"]),
            function("a9", "call_a", "{\"a\":1}"),
            function("b9", "call_b", "{\"b\":2}")
        ])),
    ]);
    assert_eq!(outcome.text(), "Hi");
    assert_eq!(
        arguments(&outcome),
        [call("call_a", "{\"a\":1}"), call("call_b", "{\"b\":2}")]
    );
}

#[test]
fn items_without_ids_and_numbers_are_known_by_their_kind() {
    let outcome = stream(&[
        json!({"type": "response.output_item.added", "item": {"type": "message"}}),
        json!({"type": "response.output_text.delta", "delta": "Hi"}),
        json!({"type": "response.output_item.done", "item": {"type": "message", "content": [{"text": "Hi"}]}}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "call_id": "c", "name": "f"}}),
        json!({"type": "response.function_call_arguments.delta", "delta": "{}"}),
        json!({"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}}),
        completed(&json!([])),
    ]);
    assert_eq!(outcome.text(), "Hi");
    assert_eq!(arguments(&outcome), [call("c", "{}")]);
}

#[test]
fn arguments_come_whole_in_their_done_event_or_never_finish() {
    let told = json!({"type": "response.function_call_arguments.done", "item_id": "c", "output_index": 0, "arguments": "{\"x\":1}"});
    let start = added(0, &function("c", "call_c", ""));
    for tail in [vec![], vec![done(0, &function("c", "call_c", ""))]] {
        let events = [
            vec![created(), start.clone(), told.clone()],
            tail,
            vec![completed(&json!([]))],
        ]
        .concat();
        assert_eq!(
            arguments(&stream(&events)),
            [call("call_c", "{\"x\":1}")],
            "{events:?}"
        );
    }
    let cut = ended(
        "incomplete",
        &json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
    );
    let outcome = stream(&[created(), start, piece("c", 0, "{\"x\""), cut]);
    assert_eq!(reason(&outcome), FinishReason::MaxTokens);
}

#[test]
fn a_call_may_be_named_late_but_not_never() {
    let nameless =
        json!({"id": "c", "type": "function_call", "call_id": "call_c", "arguments": ""});
    let start = [created(), added(0, &nameless), piece("c", 0, "{}")];
    let named = [
        &start[..],
        &[
            done(0, &function("c", "call_c", "{}")),
            completed(&json!([])),
        ],
    ]
    .concat();
    assert_eq!(arguments(&stream(&named)), [call("call_c", "{}")]);
    let never = [&start[..], &[completed(&json!([]))]].concat();
    assert_eq!(kind(&stream(&never)), ErrorKind::MalformedResponse);
}

#[test]
fn a_refusal_is_shown_and_named() {
    let outcome = stream(&[
        created(),
        json!({"type": "response.refusal.delta", "item_id": "m", "delta": "No."}),
        json!({"type": "response.refusal.done", "item_id": "m", "refusal": "No."}),
        done(
            0,
            &json!({"id": "m", "type": "message", "content": [{"type": "refusal", "refusal": "No."}]}),
        ),
        completed(&json!([])),
    ]);
    assert_eq!(
        (outcome.text(), reason(&outcome)),
        ("No.".into(), FinishReason::Refusal)
    );
}

#[test]
fn a_gateways_charge_and_a_servers_speed_are_kept() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");
    let outcome = |name: &str| {
        let replay = Replay::<OpenAi>::file(format!("{folder}/{name}.raw")).unwrap();
        replay
            .context(responses(&json!({})))
            .whole()
            .terminal
            .unwrap()
    };
    let usage = outcome("litellm.openai-responses.via-aimock")
        .usage
        .unwrap();
    assert_eq!(usage.reported_cost.unwrap().amount, "0.0001425");
    let finish = outcome("llama-server.openai-responses.text");
    assert_eq!(finish.extras[0].name, "timings");
    assert_eq!(finish.usage.unwrap().cache_read, Some(35));
}

#[test]
fn a_whole_answer_that_is_not_finished_or_not_of_this_wire_is_none() {
    for body in [
        json!({"object": "response", "status": "queued", "output": []}),
        json!({"object": "response", "status": "failed", "output": [], "error": {"code": "server_error", "message": "m"}}),
        json!({"object": "chat.completion", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}),
        json!({"object": "response"}),
        json!([]),
    ] {
        assert!(replay(body.to_string()).terminal.is_err(), "{body}");
    }
}

#[test]
fn a_web_page_and_an_error_status_with_a_stream_say_what_they_are() {
    let page = replay("<html><title>Sign in</title></html>");
    assert!(page.terminal.unwrap_err().message.contains("\"Sign in\""));
    let reply = HttpReply {
        status: 500,
        body: b"data: {\"error\": {\"message\": \"m\", \"code\": \"500\"}}\n\ndata: [DONE]\n\n"
            .to_vec(),
        ..HttpReply::default()
    };
    let error = OpenAi::error_from_reply(&reply);
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Internal, "m")
    );
}

fn body(settings: &Value, request: &Request) -> Value {
    let http = OpenAi::completion_request(&responses(settings), request).unwrap();
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        part => panic!("{part:?}"),
    });
    serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap()
}

#[test]
fn one_more_wish_in_the_options_does_not_lose_the_others() {
    let request = Request {
        thinking: ThinkingMode::Effort("low".into()),
        format: OutputFormat::Json,
        options_json: Some(r#"{"text":{"verbosity":"low"},"reasoning":{"summary":"detailed"},"include":["x"],"stream_options":{"include_obfuscation":false}}"#.into()),
        ..Request::new("gpt-5", vec![Message::text(Role::User, "Hello")])
    };
    let sent = body(&json!({}), &request);
    assert_eq!(
        sent["text"],
        json!({"format": {"type": "json_object"}, "verbosity": "low"})
    );
    assert_eq!(
        sent["reasoning"],
        json!({"effort": "low", "summary": "detailed"})
    );
    assert_eq!(sent["include"], json!(["reasoning.encrypted_content", "x"]));
    // `include_usage` is the other wire's, and refused here.
    assert_eq!(
        sent["stream_options"],
        json!({"include_obfuscation": false})
    );
    for name in ["model", "input", "stream", "store"] {
        let request = Request {
            options_json: Some(format!("{{\"{name}\":null}}")),
            ..request.clone()
        };
        let error = OpenAi::completion_request(&responses(&json!({})), &request).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest(Some(name.into())));
    }
}

#[test]
fn reasoning_that_must_not_go_back_does_not() {
    let thinking = Thinking {
        id: Some("rs".into()),
        text: "hm".into(),
        signature: Some("seal".into()),
    };
    let parts = vec![
        Part::Thinking(thinking),
        Part::RedactedThinking("x".into()),
        Part::Text("Hi".into()),
    ];
    let request = Request::new("gpt-5", vec![Message::new(Role::Assistant, parts)]);
    let sent = body(&json!({"send_reasoning": "never"}), &request);
    assert_eq!(sent["input"].as_array().unwrap().len(), 1);
    assert_eq!(sent.get("include"), None);
}
