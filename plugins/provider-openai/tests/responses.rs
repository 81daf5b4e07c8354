//! The Responses wire: every recording cut at every byte, its traps by name, and its requests.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use serde_json::{Value, json};
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    Blob, BodyPart, Context, ErrorKind, Event, FinishReason, HttpRequest, Media, Message,
    NetworkFailure, NetworkKind, OutputFormat, Part, Provider, Request, ResultPart, Role, Thinking,
    ThinkingMode, ToolCall, ToolChoice, ToolDef, ToolResult,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");

fn context(settings: &Value) -> Context {
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn responses() -> Context {
    context(&json!({"base_url": "http://127.0.0.1:1/v1", "api": "responses"}))
}

fn replay(name: &str) -> Replay<OpenAi> {
    let replay = Replay::file(format!("{FOLDER}/{name}.raw")).unwrap();
    replay.context(responses())
}

fn outcome(name: &str) -> Outcome {
    replay(name).every_split().unwrap()
}

fn stream(events: &[Value]) -> Outcome {
    let frames: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    let replay = Replay::<OpenAi>::body(frames).context(responses());
    replay.every_split().unwrap()
}

#[test]
fn every_whole_answer_is_mapped() {
    use FinishReason::{Stop, ToolCalls};
    const HELLO: &str = "Hello from aimock. How can I help?";
    // Recording, text, thinking, calls, reason, input, output.
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        FinishReason,
        [Option<u64>; 2],
    );
    let plain = [Some(21), Some(9)];
    let paris = "{\n\n\"city\": \"Paris\",\n\"unit\": \"c\"\n}";
    let rows: &[Row<'_>] = &[
        ("aimock.openai-responses.hello", HELLO, "", &[], Stop, plain),
        (
            "aimock.openai-responses.reason",
            "The answer is 42.",
            "Let me think about it step by step.",
            &[],
            Stop,
            plain,
        ),
        (
            "aimock.openai-responses.unicode",
            "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok",
            "",
            &[],
            Stop,
            plain,
        ),
        (
            "aimock.openai-responses.weather",
            "Checking.",
            "",
            &[
                ("get_weather", "{\"city\":\"Paris\"}"),
                ("get_time", "{\"tz\":\"CET\"}"),
            ],
            ToolCalls,
            plain,
        ),
        (
            "litellm.openai-responses.via-aimock",
            HELLO,
            "",
            &[],
            Stop,
            plain,
        ),
        (
            "litellm.openai-responses.claude-via-aimock",
            HELLO,
            "",
            &[],
            Stop,
            plain,
        ),
        (
            "llama-server.openai-responses.toolcall",
            "",
            "",
            &[("get_weather", paris)],
            ToolCalls,
            [Some(1), Some(23)],
        ),
        (
            "llm-mock-api.openai-responses",
            "Hello from llm-mock-api",
            "",
            &[],
            Stop,
            [Some(10), Some(5)],
        ),
    ];
    for (name, text, thinking, calls, reason, counts) in rows {
        let outcome = outcome(name);
        assert_eq!(outcome.text(), *text, "{name}");
        assert_eq!(outcome.thinking(), *thinking, "{name}");
        let found = outcome.tool_calls();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(_, name, arguments)| (name.as_str(), arguments.as_str()))
            .collect();
        assert_eq!(found, *calls, "{name}");
        let finish = outcome.terminal.unwrap();
        assert_eq!(finish.reason, *reason, "{name}");
        let usage = finish.usage.unwrap();
        assert_eq!([usage.input, usage.output], *counts, "{name}");
    }
    let text = outcome("llama-server.openai-responses.text");
    assert!(text.text().starts_with("I'm") && text.text().ends_with('.'));
    let reasoning = outcome("llama-server.openai-responses.reasoning");
    assert!(reasoning.thinking().starts_with("message role=\"system\""));
    assert!(reasoning.terminal.is_ok());
}

#[test]
fn an_error_status_with_a_stream_and_a_done_after_it_says_why() {
    // LiteLLM: HTTP 500, an error as a frame, then [DONE].
    for name in ["gpt-mock", "claude-mock", "err-429"] {
        let failed = replay(&format!("litellm.openai-responses.{name}")).whole();
        let error = failed.terminal.unwrap_err();
        assert_eq!(error.http_status, Some(500), "{name}");
        assert_eq!(error.message, "Error processing stream start", "{name}");
    }
    let invalid = replay("llama-server.openai-responses.err-400")
        .whole()
        .terminal
        .unwrap_err();
    assert!(
        matches!(invalid.kind, ErrorKind::InvalidRequest(_)),
        "{invalid:?}"
    );
    let limited = replay("aimock.openai-responses.rate")
        .whole()
        .terminal
        .unwrap_err();
    assert!(matches!(limited.kind, ErrorKind::RateLimited(_)));
    let busy = replay("aimock.openai-responses.overload")
        .whole()
        .terminal
        .unwrap_err();
    assert_eq!(busy.kind, ErrorKind::Overloaded(None));
}

#[test]
fn recordings_of_other_wires_are_no_answers() {
    let mut others = 0;
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".raw") else {
            continue;
        };
        if name.contains("responses") {
            continue;
        }
        others += 1;
        let outcome = replay(name).whole();
        assert!(outcome.terminal.is_err(), "{name}: {:?}", outcome.terminal);
        assert_eq!(outcome.text(), "", "{name}");
    }
    assert!(others > 40, "{others}");
}

fn created() -> Value {
    json!({"type": "response.created", "sequence_number": 0, "response": {"id": "resp_1", "object": "response", "model": "gpt-5", "status": "in_progress"}})
}

fn delta(text: &str) -> Value {
    json!({"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": text})
}

fn ended(kind: &str, more: &Value) -> Value {
    let mut response =
        json!({"id": "resp_1", "object": "response", "model": "gpt-5-2026", "status": kind});
    response
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"type": format!("response.{kind}"), "response": response})
}

#[test]
fn an_answer_without_its_terminal_event_is_cut_and_keeps_its_text() {
    let outcome = stream(&[created(), delta("Hi")]);
    assert_eq!(outcome.text(), "Hi");
    let truncated = NetworkFailure {
        kind: NetworkKind::Truncated,
        request_sent: true,
    };
    assert_eq!(
        outcome.terminal.unwrap_err().kind,
        ErrorKind::Network(truncated)
    );
}

#[test]
fn every_end_is_told_and_buckets_are_disjoint() {
    let usage = json!({"usage": {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10}, "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 30}}, "service_tier": "priority"});
    let finish = stream(&[created(), delta("Hi"), ended("completed", &usage)])
        .terminal
        .unwrap();
    let counted = finish.usage.unwrap();
    assert_eq!(
        (counted.input, counted.cache_read, counted.cache_write_5m),
        (Some(30), Some(60), Some(10))
    );
    assert_eq!(
        (counted.output, counted.reasoning, counted.total()),
        (Some(20), Some(30), 150)
    );
    assert_eq!(counted.service_tier.as_deref(), Some("priority"));
    assert_eq!(finish.model.as_deref(), Some("gpt-5-2026"));
    for (why, reason) in [
        ("max_output_tokens", FinishReason::MaxTokens),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        let details = json!({"incomplete_details": {"reason": why}});
        let outcome = stream(&[created(), delta("Hi"), ended("incomplete", &details)]);
        assert_eq!(outcome.terminal.unwrap().reason, reason);
    }
    let failed = json!({"error": {"code": "rate_limit_exceeded", "message": "slow down"}});
    let error = stream(&[created(), ended("failed", &failed)])
        .terminal
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::RateLimited(_)), "{error:?}");
    assert_eq!(error.message, "slow down");
    let event = json!({"type": "error", "code": "server_error", "message": "oh", "param": null});
    let error = stream(&[created(), delta("Hi"), event])
        .terminal
        .unwrap_err();
    assert_eq!(error.message, "oh");
}

#[test]
fn reasoning_is_sealed_by_its_item_and_comes_back_with_its_id() {
    let outcome = stream(&[
        created(),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "rs", "type": "reasoning", "summary": []}}),
        json!({"type": "response.reasoning_summary_part.added", "item_id": "rs", "summary_index": 0}),
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs", "delta": "one"}),
        json!({"type": "response.reasoning_summary_part.added", "item_id": "rs", "summary_index": 1}),
        json!({"type": "response.reasoning_summary_text.delta", "item_id": "rs", "delta": "two"}),
        json!({"type": "response.output_item.done", "item": {"id": "rs", "type": "reasoning", "encrypted_content": "seal"}}),
        json!({"type": "response.output_item.done", "item": {"id": "rs2", "type": "reasoning", "summary": [], "encrypted_content": "only-seal"}}),
        delta("Hi"),
        ended("completed", &json!({})),
    ]);
    assert_eq!(outcome.thinking(), "one\n\ntwo");
    let end = outcome.events.iter().find_map(|event| match event {
        Event::ThinkingEnd(end) => Some((end.id.clone(), end.signature.clone())),
        _ => None,
    });
    assert_eq!(end.unwrap(), (Some("rs".into()), Some("seal".into())));
    assert!(
        outcome
            .events
            .contains(&Event::RedactedThinking("only-seal".into()))
    );
}

#[test]
fn calls_are_known_by_their_item_and_answered_by_their_call_id() {
    let added = |id: &str, call: &str| json!({"type": "response.output_item.added", "item": {"id": id, "type": "function_call", "call_id": call, "name": "f", "arguments": ""}});
    let piece = |id: &str, text: &str| json!({"type": "response.function_call_arguments.delta", "item_id": id, "delta": text});
    let done = |id: &str, call: &str, arguments: &str| json!({"type": "response.output_item.done", "item": {"id": id, "type": "function_call", "call_id": call, "name": "f", "arguments": arguments}});
    let outcome = stream(&[
        created(),
        added("a", "call_a"),
        added("b", "call_b"),
        piece("b", "{\"x\":"),
        piece("a", "{\"y\":"),
        piece("b", "1}"),
        piece("a", "2}"),
        done("a", "call_a", "{\"y\":2}"),
        done("b", "call_b", "{\"x\":1}"),
        // Never announced, and whole only at the end.
        done("c", "call_c", "{\"z\":3}"),
        done("d", "call_d", ""),
        json!({"type": "response.something_new", "x": 1}),
        ended("completed", &json!({})),
    ]);
    let calls = outcome.tool_calls();
    let told: Vec<_> = calls
        .iter()
        .map(|(id, _, json)| (id.as_str(), json.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("call_a", "{\"y\":2}"),
            ("call_b", "{\"x\":1}"),
            ("call_c", "{\"z\":3}"),
            ("call_d", "{}")
        ]
    );
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::ToolCalls);
}

#[test]
fn a_whole_json_answer_instead_of_a_stream_is_taken() {
    let body = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "s"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ], "usage": {"input_tokens": 3, "output_tokens": 2}});
    let replay = Replay::<OpenAi>::body(body.to_string()).context(responses());
    let outcome = replay.every_split().unwrap();
    assert_eq!(
        (outcome.text().as_str(), outcome.thinking().as_str()),
        ("Hi", "hm")
    );
    assert_eq!(outcome.tool_calls().len(), 1);
    assert_eq!(outcome.terminal.unwrap().usage.unwrap().total(), 5);
}

fn json_of(http: &HttpRequest) -> Value {
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::BlobBase64(id) => format!("<{id}>").into_bytes(),
        part => panic!("{part:?}"),
    });
    serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap()
}

fn hello(model: &str) -> Request {
    Request::new(model, vec![Message::text(Role::User, "Hello")])
}

#[test]
fn openai_itself_is_asked_by_responses_unless_only_chat_can_say_it() {
    let openai = context(&json!({"base_url": "https://api.openai.com/v1"}));
    let url = |context: &Context, request: &Request| {
        OpenAi::completion_request(context, request).unwrap().url
    };
    assert!(url(&openai, &hello("gpt-5")).ends_with("/v1/responses"));
    let stop = Request {
        stop: vec!["END".into()],
        ..hello("gpt-5")
    };
    assert!(url(&openai, &stop).ends_with("/v1/chat/completions"));
    let other = context(&json!({"base_url": "http://127.0.0.1:8080/v1"}));
    assert!(url(&other, &hello("m")).ends_with("/v1/chat/completions"));
    let refused = OpenAi::completion_request(&responses(), &stop).unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::Unsupported(_)));
}

#[test]
fn a_conversation_is_a_list_of_items_in_its_own_order() {
    let blob = Media::Blob(Blob {
        id: "b".into(),
        media_type: "image/png".into(),
        size: 1,
        name: Some("a.png".into()),
    });
    let sealed = |id: Option<&str>, text: &str| {
        Part::Thinking(Thinking {
            id: id.map(Into::into),
            text: text.into(),
            signature: Some("seal".into()),
        })
    };
    let unsealed = Part::Thinking(Thinking {
        id: None,
        text: "lost".into(),
        signature: None,
    });
    let call = ToolCall {
        id: "c".into(),
        name: "f".into(),
        arguments_json: String::new(),
        signature: None,
    };
    let result = |content| {
        Part::ToolResult(ToolResult {
            call_id: "c".into(),
            name: None,
            content,
            is_error: false,
            extras: vec![],
        })
    };
    let request = Request {
        tools: vec![ToolDef {
            name: "f".into(),
            description: String::new(),
            input_schema_json: "{}".into(),
            extras: vec![],
        }],
        tool_choice: ToolChoice::Named("f".into()),
        thinking: ThinkingMode::Effort("low".into()),
        format: OutputFormat::Schema("{}".into()),
        max_output_tokens: Some(9),
        options_json: Some("{\"truncation\":\"disabled\"}".into()),
        ..Request::new(
            "gpt-5.6",
            vec![
                Message::text(Role::Developer, "Be kind."),
                Message::new(
                    Role::User,
                    vec![
                        Part::Text("look".into()),
                        Part::Image(blob.clone()),
                        Part::File(blob),
                    ],
                ),
                Message::new(
                    Role::Assistant,
                    vec![
                        sealed(Some("rs"), "hm"),
                        unsealed,
                        Part::RedactedThinking("data".into()),
                        Part::Text("ok".into()),
                        Part::ToolCall(call),
                    ],
                ),
                Message::new(
                    Role::Tool,
                    vec![result(vec![ResultPart::Text("42".into())])],
                ),
            ],
        )
    };
    let body = json_of(&OpenAi::completion_request(&responses(), &request).unwrap());
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be kind."}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "data:image/png;base64,<b>"},
                {"type": "input_file", "filename": "a.png", "file_data": "data:image/png;base64,<b>"},
            ]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "seal"},
            {"type": "reasoning", "summary": [], "encrypted_content": "data"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "42"},
        ])
    );
    assert_eq!(
        (&body["store"], &body["stream"], &body["truncation"]),
        (&json!(false), &json!(true), &json!("disabled"))
    );
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "name": "f", "parameters": {}, "strict": false}])
    );
    assert_eq!(
        body["tool_choice"],
        json!({"type": "function", "name": "f"})
    );
    assert_eq!(
        body["reasoning"],
        json!({"effort": "low", "summary": "auto"})
    );
    assert_eq!(
        body["text"],
        json!({"format": {"type": "json_schema", "name": "answer", "schema": {}}})
    );
    assert_eq!(body["max_output_tokens"], 9);
    for (model, reasons) in [
        ("gpt-4o", false),
        ("o3-mini", true),
        ("openai/gpt-5", true),
        ("omni", false),
    ] {
        let body = json_of(&OpenAi::completion_request(&responses(), &hello(model)).unwrap());
        assert_eq!(body.get("include").is_some(), reasons, "{model}");
    }
}
