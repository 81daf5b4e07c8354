//! Request bodies, as JSON, and what is refused before anything is sent.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use serde_json::{Value, json};
use vale_sdk::{
    Blob, BodyPart, CacheMark, Context, ErrorKind, HttpReply, HttpRequest, Listing, Media, Message,
    OutputFormat, Part, Provider, Request, ResultPart, Role, Thinking, ThinkingMode, ToolCall,
    ToolChoice, ToolDef, ToolResult,
};

fn context() -> Context {
    let settings = json!({"base_url": "https://api.anthropic.com/v1", "max_tokens": 8192});
    Context::new(settings.to_string(), vec![]).unwrap()
}

/// The body as the server gets it; each attachment reads `<id>` instead of its base64.
fn json_of(http: &HttpRequest) -> Value {
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::BlobBase64(id) => format!("<{id}>").into_bytes(),
        part => panic!("{part:?}"),
    });
    serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap()
}

fn body(request: &Request) -> Value {
    json_of(&Anthropic::completion_request(&context(), request).unwrap())
}

fn kind(request: &Request) -> ErrorKind {
    Anthropic::completion_request(&context(), request)
        .unwrap_err()
        .kind
}

fn hello() -> Request {
    Request::new("claude", vec![Message::text(Role::User, "Hello")])
}

fn blob(media_type: &str) -> Media {
    Media::Blob(Blob {
        id: "b1".into(),
        media_type: media_type.into(),
        size: 3,
        name: Some("a.pdf".into()),
    })
}

#[test]
fn the_least_request_says_no_more_than_it_must() {
    let http = Anthropic::completion_request(&context(), &hello()).unwrap();
    assert_eq!(http.url, "https://api.anthropic.com/v1/messages");
    assert!(
        http.headers
            .contains(&("anthropic-version".into(), "2023-06-01".into()))
    );
    let expected = json!({
        "model": "claude",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "max_tokens": 8192,
        "stream": true,
    });
    assert_eq!(json_of(&http), expected);
    let settings = json!({"base_url": "http://h/v1", "beta": "a,b"}).to_string();
    let beta = Context::new(settings, vec![]).unwrap();
    let http = Anthropic::completion_request(&beta, &hello()).unwrap();
    assert!(
        http.headers
            .contains(&("anthropic-beta".into(), "a,b".into()))
    );
}

#[test]
fn turns_alternate_results_come_first_and_instructions_go_to_the_top() {
    let call = Part::ToolCall(ToolCall {
        id: "call:1".into(),
        name: "f".into(),
        arguments_json: " ".into(),
        signature: None,
    });
    let result = |id: &str, content| {
        Message::new(
            Role::Tool,
            vec![Part::ToolResult(ToolResult {
                call_id: id.into(),
                name: None,
                content,
                is_error: id == "call2",
                extras: vec![],
            })],
        )
    };
    let sealed = Part::Thinking(Thinking {
        id: None,
        text: "hm".into(),
        signature: Some("sig".into()),
    });
    let unsealed = Part::Thinking(Thinking {
        id: None,
        text: "lost".into(),
        signature: None,
    });
    let request = Request::new(
        "m",
        vec![
            Message::text(Role::System, "Be kind."),
            Message::text(Role::User, "one"),
            Message::text(Role::User, "two"),
            Message::new(
                Role::Assistant,
                vec![
                    sealed,
                    unsealed,
                    Part::RedactedThinking("data".into()),
                    Part::Text(" ".into()),
                    call,
                ],
            ),
            Message::text(Role::User, "and this"),
            result(
                "call:1",
                vec![
                    ResultPart::Text("21".into()),
                    ResultPart::Image(blob("image/png")),
                ],
            ),
            result("call2", vec![]),
            Message::text(Role::Developer, "Be brief."),
        ],
    );
    let body = body(&request);
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}])
    );
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "data"},
            {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "call_1", "content": [
                {"type": "text", "text": "21"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "<b1>"}},
            ]},
            {"type": "tool_result", "tool_use_id": "call2", "content": [], "is_error": true},
            {"type": "text", "text": "and this"},
        ]},
    ]);
    assert_eq!(body["messages"], expected);
}

#[test]
fn at_most_four_breakpoints_and_a_long_one_never_after_a_short_one() {
    let message = |text: &str, cache| Message {
        cache,
        ..Message::text(Role::User, text)
    };
    let marks = [
        CacheMark::Short,
        CacheMark::Short,
        CacheMark::Long,
        CacheMark::None,
        CacheMark::Short,
        CacheMark::Short,
    ];
    let messages = marks.map(|mark| message("x", mark)).to_vec();
    let body = body(&Request::new("m", messages));
    let content = body["messages"][0]["content"].as_array().unwrap();
    let found: Vec<&Value> = content
        .iter()
        .map(|block| &block["cache_control"])
        .collect();
    let (long, short) = (
        json!({"type": "ephemeral", "ttl": "1h"}),
        json!({"type": "ephemeral"}),
    );
    assert_eq!(
        found,
        [&Value::Null, &long, &long, &Value::Null, &short, &short]
    );
}

#[test]
fn attachments_are_spliced_and_what_cannot_be_carried_is_refused() {
    let with = |part| Request::new("m", vec![Message::new(Role::User, vec![part])]);
    let pdf = body(&with(Part::File(blob("application/pdf"))));
    assert_eq!(
        pdf["messages"][0]["content"][0],
        json!({"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "<b1>"}})
    );
    let link = body(&with(Part::Image(Media::Url(
        "https://a.example/x.png".into(),
    ))));
    assert_eq!(
        link["messages"][0]["content"][0]["source"],
        json!({"type": "url", "url": "https://a.example/x.png"})
    );
    for part in [
        Part::Audio(blob("audio/wav")),
        Part::Image(blob("image/tiff")),
        Part::File(blob("text/plain")),
    ] {
        assert!(matches!(kind(&with(part)), ErrorKind::Unsupported(_)));
    }
}

#[test]
fn tools_thinking_format_and_options_are_said_in_this_wires_words() {
    let tool = ToolDef {
        name: "f".into(),
        description: "does f".into(),
        input_schema_json: "{\"type\":\"object\"}".into(),
        extras: vec![],
    };
    let request = Request {
        tools: vec![tool],
        tool_choice: ToolChoice::Named("f".into()),
        parallel_tools: Some(false),
        max_output_tokens: Some(100),
        temperature: Some(0.5),
        stop: vec!["END".into()],
        thinking: ThinkingMode::Budget(200),
        format: OutputFormat::Schema("{\"type\":\"object\"}".into()),
        options_json: Some("{\"top_k\":5}".into()),
        ..hello()
    };
    let body = body(&request);
    assert_eq!(
        body["tools"],
        json!([{"name": "f", "description": "does f", "input_schema": {"type": "object"}}])
    );
    assert_eq!(
        body["tool_choice"],
        json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        body["thinking"],
        json!({"type": "enabled", "budget_tokens": 1024})
    );
    assert_eq!(
        body["max_tokens"], 300,
        "the budget leaves room for an answer"
    );
    assert_eq!(body["stop_sequences"], json!(["END"]));
    assert_eq!(
        body["output_config"],
        json!({"format": {"type": "json_schema", "schema": {"type": "object"}}})
    );
    assert_eq!(
        (&body["top_k"], &body["temperature"]),
        (&json!(5), &json!(0.5))
    );

    let effort = Request {
        thinking: ThinkingMode::Effort("high".into()),
        ..hello()
    };
    let effort = self::body(&effort);
    assert_eq!(effort["thinking"], json!({"type": "adaptive"}));
    assert_eq!(effort["output_config"], json!({"effort": "high"}));

    for request in [
        Request {
            seed: Some(1),
            ..hello()
        },
        Request {
            format: OutputFormat::Json,
            ..hello()
        },
        Request {
            thinking: ThinkingMode::Other("odd".into()),
            ..hello()
        },
    ] {
        assert!(matches!(kind(&request), ErrorKind::Unsupported(_)));
    }
    let reserved = Request {
        options_json: Some("{\"system\":1}".into()),
        ..hello()
    };
    assert!(matches!(kind(&reserved), ErrorKind::InvalidRequest(_)));
}

#[test]
fn tokens_are_counted_over_what_is_input_and_nothing_else() {
    let request = Request {
        max_output_tokens: Some(5),
        temperature: Some(1.0),
        ..hello()
    };
    let http = Anthropic::count_request(&context(), &request).unwrap();
    assert_eq!(
        http.url,
        "https://api.anthropic.com/v1/messages/count_tokens"
    );
    let body = json_of(&http);
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["messages", "model"]);
    let reply = |body: &str| HttpReply {
        status: 200,
        body: body.into(),
        ..HttpReply::default()
    };
    assert_eq!(
        Anthropic::parse_count(&context(), &reply("{\"input_tokens\":2095}")),
        Ok(2095)
    );
    assert!(Anthropic::parse_count(&context(), &reply("{}")).is_err());
}

#[test]
fn models_come_page_by_page() {
    let ask = |replies: &[HttpReply]| match Anthropic::list_step(&context(), replies).unwrap() {
        Listing::Ask(http) => http.url,
        Listing::Done(models) => panic!("{models:?}"),
    };
    assert_eq!(ask(&[]), "https://api.anthropic.com/v1/models?limit=1000");
    let reply = |body: Value| HttpReply {
        status: 200,
        body: body.to_string().into(),
        ..HttpReply::default()
    };
    let first = reply(
        json!({"data": [{"type": "model", "id": "claude-a", "display_name": "Claude A", "max_input_tokens": 200_000, "max_tokens": 64_000,
        "capabilities": {"image_input": {"supported": true}, "thinking": {"supported": false}}, "retires_at": "2027-05-01T00:00:00Z"}], "has_more": true, "last_id": "claude-a&x"}),
    );
    assert_eq!(
        ask(std::slice::from_ref(&first)),
        "https://api.anthropic.com/v1/models?limit=1000&after_id=claude-a%26x"
    );
    let last =
        reply(json!({"data": [{"id": "claude-b"}], "has_more": false, "last_id": "claude-b"}));
    let Listing::Done(models) = Anthropic::list_step(&context(), &[first, last]).unwrap() else {
        panic!("not done");
    };
    assert_eq!(models.len(), 2);
    assert_eq!(models[0].display_name.as_deref(), Some("Claude A"));
    assert_eq!(
        (models[0].context_window, models[0].max_output),
        (Some(200_000), Some(64_000))
    );
    assert_eq!(models[0].deprecated_on.as_deref(), Some("2027-05-01"));
    let can = models[0].capabilities.unwrap();
    assert!(
        can.contains(vale_sdk::Capabilities::IMAGES_IN)
            && !can.contains(vale_sdk::Capabilities::THINKING)
    );
    assert_eq!(models[1].capabilities, None, "nobody said");
    let refused = HttpReply {
        status: 401,
        body:
            b"{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"no\"}}"
                .to_vec(),
        ..HttpReply::default()
    };
    let error = Anthropic::list_step(&context(), &[refused]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Auth(_)));
}
