//! Request bodies, as JSON, and what is refused before anything is sent.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use serde_json::{Value, json};
use vale_sdk::{
    Blob, BodyPart, Context, Error, ErrorKind, Extra, HttpRequest, Media, Message, Method,
    OutputFormat, Part, Provider, Request, ResultPart, Role, Thinking, ThinkingMode, ToolCall,
    ToolChoice, ToolDef, ToolResult,
};

fn context(settings: Value) -> Context {
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn at(base_url: &str) -> Context {
    context(json!({ "base_url": base_url, "api": "chat" }))
}

const OPENAI: &str = "https://api.openai.com/v1";
const LOCAL: &str = "http://127.0.0.1:8080/v1";
const OPENROUTER: &str = "https://openrouter.ai/api/v1";

fn request(messages: Vec<Message>) -> Request {
    Request::new("m", messages)
}

fn hello() -> Request {
    request(vec![Message::text(Role::User, "Hello")])
}

/// The body as the server gets it; each attachment reads `<id>` instead of its base64.
fn body_of(http: &HttpRequest) -> Value {
    let bytes: Vec<u8> = http
        .body
        .iter()
        .flat_map(|part| match part {
            BodyPart::Bytes(bytes) => bytes.clone(),
            BodyPart::BlobBase64(id) => format!("<{id}>").into_bytes(),
            part => panic!("{part:?}"),
        })
        .collect();
    serde_json::from_slice(&bytes).unwrap()
}

fn body(context: &Context, request: &Request) -> Value {
    body_of(&OpenAi::completion_request(context, request).unwrap())
}

fn refusal(context: &Context, request: &Request) -> Error {
    OpenAi::completion_request(context, request).unwrap_err()
}

#[test]
fn the_least_request_says_no_more_than_it_must() {
    let http = OpenAi::completion_request(&at(LOCAL), &hello()).unwrap();
    assert_eq!(http.method, Method::Post);
    assert_eq!(http.url, "http://127.0.0.1:8080/v1/chat/completions");
    let expected = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(body_of(&http), expected);
    let names: Vec<&str> = http.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["content-type", "accept"],
        "no header that is the host's"
    );
}

#[test]
fn parameters_are_named_as_the_server_knows_them() {
    let request = Request {
        max_output_tokens: Some(100),
        temperature: Some(0.7),
        top_p: Some(1.0),
        seed: Some(u64::MAX),
        stop: vec!["a".into(), "b".into()],
        cache_key: Some("k".into()),
        thinking: ThinkingMode::Effort("low".into()),
        ..hello()
    };
    let openai = body(&at(OPENAI), &request);
    assert_eq!(openai["max_completion_tokens"], 100);
    assert_eq!(openai["temperature"], 0.7);
    assert_eq!(openai["top_p"], 1);
    assert_eq!(openai["seed"], u64::MAX);
    assert_eq!(openai["stop"], json!(["a", "b"]));
    assert_eq!(openai["prompt_cache_key"], "k");
    assert_eq!(openai["reasoning_effort"], "low");
    assert_eq!(openai.get("max_tokens"), None);
    let local = body(&at(LOCAL), &request);
    assert_eq!(local["max_tokens"], 100);
    assert_eq!(local.get("max_completion_tokens"), None);
    assert_eq!(
        local.get("prompt_cache_key"),
        None,
        "strict servers refuse it"
    );
    // A host that only looks like OpenAI's is not it.
    for other in [
        "https://api.openai.com.evil.example/v1",
        "https://x/api.openai.com",
        "https://notapi.openai.com",
    ] {
        assert_eq!(body(&at(other), &request)["max_tokens"], 100, "{other}");
    }
    let forced = context(
        json!({"base_url": LOCAL, "max_tokens_field": "max_completion_tokens", "include_usage": false}),
    );
    let forced = body(&forced, &request);
    assert_eq!(forced["max_completion_tokens"], 100);
    assert_eq!(forced.get("stream_options"), None);
}

#[test]
fn thinking_is_asked_for_in_the_servers_words() {
    let ask = |base, thinking| {
        body(
            &at(base),
            &Request {
                thinking,
                ..hello()
            },
        )
    };
    assert_eq!(
        ask(OPENROUTER, ThinkingMode::Effort("high".into()))["reasoning"],
        json!({"effort": "high"})
    );
    assert_eq!(
        ask(OPENROUTER, ThinkingMode::Budget(500))["reasoning"],
        json!({"max_tokens": 500})
    );
    assert_eq!(
        ask(OPENROUTER, ThinkingMode::Off)["reasoning"],
        json!({"enabled": false})
    );
    assert_eq!(ask(OPENAI, ThinkingMode::Off)["reasoning_effort"], "none");
    let budget = Request {
        thinking: ThinkingMode::Budget(1),
        ..hello()
    };
    assert!(matches!(
        refusal(&at(OPENAI), &budget).kind,
        ErrorKind::Unsupported(_)
    ));
}

#[test]
fn account_settings_become_headers_when_they_are_set() {
    let settings = json!({"base_url": OPENAI, "organization": "org", "project": " "});
    for http in [
        OpenAi::completion_request(&context(settings.clone()), &hello()).unwrap(),
        OpenAi::models_request(&context(settings)).unwrap(),
    ] {
        assert!(
            http.headers
                .contains(&("openai-organization".into(), "org".into()))
        );
        assert!(
            !http
                .headers
                .iter()
                .any(|(name, _)| name == "openai-project")
        );
    }
}

#[test]
fn a_tool_round_is_said_as_the_wire_has_it() {
    let call = |id: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments_json: arguments.into(),
            signature: None,
        })
    };
    let result = |id: &str, content, is_error| {
        Part::ToolResult(ToolResult {
            call_id: id.into(),
            name: Some("f".into()),
            content,
            is_error,
            extras: vec![],
        })
    };
    let picture = ResultPart::Image(Media::Url("https://x/y.png".into()));
    let messages = vec![
        Message::text(Role::System, "Be brief."),
        Message::text(Role::Developer, "Be kind."),
        Message::text(Role::User, "Go"),
        Message::new(Role::Assistant, vec![call("a", "{\"x\":1}"), call("b", "")]),
        Message::new(
            Role::Tool,
            vec![result(
                "a",
                vec![ResultPart::Text("1".into()), picture],
                false,
            )],
        ),
        Message::new(
            Role::User,
            vec![
                Part::Text("And?".into()),
                result(
                    "b",
                    vec![
                        ResultPart::Json("{}".into()),
                        ResultPart::Text("bad".into()),
                    ],
                    true,
                ),
            ],
        ),
        Message::new(
            Role::Assistant,
            vec![Part::Text("So".into()), Part::Text(" be it".into())],
        ),
    ];
    let wire = |name: &str, arguments: &str| json!({"id": name, "type": "function", "function": {"name": "f", "arguments": arguments}});
    let expected = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": null, "tool_calls": [wire("a", "{\"x\":1}"), wire("b", "{}")]},
        {"role": "tool", "tool_call_id": "a", "content": "1\n(The image follows.)"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: {}\nbad"},
        {"role": "user", "content": [
            {"type": "text", "text": "These are the attachments of the tool results above."},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        ]},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "So be it"},
    ]);
    assert_eq!(
        body(&at(LOCAL), &request(messages.clone()))["messages"],
        expected
    );
    let developer = &body(&at(OPENAI), &request(messages))["messages"][1]["role"];
    assert_eq!(developer, "developer");
}

#[test]
fn attachments_are_spliced_by_the_host_and_never_held_here() {
    let blob = |id: &str, media_type: &str| {
        Media::Blob(Blob {
            id: id.into(),
            media_type: media_type.into(),
            size: 9,
            name: Some(format!("{id}.x")),
        })
    };
    let parts = vec![
        Part::Text("See".into()),
        Part::Image(blob("b1", "image/png")),
        Part::Image(Media::Url("https://x/y.png".into())),
        Part::File(blob("b2", "text/plain")),
        Part::Audio(blob("b3", "audio/mpeg")),
    ];
    let sent = request(vec![Message::new(Role::User, parts)]);
    let content = &body(&at(OPENAI), &sent)["messages"][0]["content"];
    let expected = json!([
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,<b1>"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "file", "file": {"filename": "b2.x", "file_data": "data:text/plain;base64,<b2>"}},
        {"type": "input_audio", "input_audio": {"data": "<b3>", "format": "mp3"}},
    ]);
    assert_eq!(*content, expected);
}

#[test]
fn what_the_wire_cannot_carry_is_refused_and_not_left_out() {
    let other = || Extra::new("video", "{}");
    let parts = [
        Part::Other(other()),
        Part::Image(Media::Other(other())),
        Part::File(Media::Url("https://x".into())),
        Part::Audio(Media::Blob(Blob {
            id: "b".into(),
            media_type: "audio/flac".into(),
            size: 1,
            name: None,
        })),
    ];
    for part in parts {
        let sent = request(vec![Message::new(Role::User, vec![part.clone()])]);
        assert!(
            matches!(refusal(&at(OPENAI), &sent).kind, ErrorKind::Unsupported(_)),
            "{part:?}"
        );
    }
    let image = Part::Image(Media::Url("https://x".into()));
    let sent = request(vec![Message::new(Role::Assistant, vec![image])]);
    assert!(matches!(
        refusal(&at(OPENAI), &sent).kind,
        ErrorKind::Unsupported(_)
    ));
}

#[test]
fn reasoning_goes_back_only_where_it_is_wanted() {
    let thinking = Thinking {
        id: Some("r".into()),
        text: "hm".into(),
        signature: Some("s".into()),
    };
    let parts = vec![
        Part::Thinking(thinking),
        Part::RedactedThinking("xyz".into()),
        Part::Text("Hi".into()),
    ];
    let sent = request(vec![Message::new(Role::Assistant, parts)]);
    let message = |context: &Context| body(context, &sent)["messages"][0].clone();
    assert_eq!(
        message(&at(OPENAI)),
        json!({"role": "assistant", "content": "Hi"})
    );
    let details = json!([
        {"type": "reasoning.text", "text": "hm", "signature": "s", "id": "r"},
        {"type": "reasoning.encrypted", "data": "xyz"},
    ]);
    assert_eq!(message(&at(OPENROUTER))["reasoning_details"], details);
    let settings = json!({"base_url": LOCAL, "send_reasoning": "reasoning_content"});
    assert_eq!(message(&context(settings))["reasoning_content"], "hm");
    let settings = json!({"base_url": OPENROUTER, "send_reasoning": "never"});
    assert_eq!(
        message(&context(settings)),
        json!({"role": "assistant", "content": "Hi"})
    );
}

#[test]
fn tools_and_formats_keep_their_schemas_as_written() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"number","maximum":1.10},"a":{}}}"#;
    let tool = ToolDef {
        name: "f".into(),
        description: "Does f.".into(),
        input_schema_json: schema.into(),
        extras: vec![Extra::new("strict", "true")],
    };
    let with = |tool_choice| Request {
        tools: vec![tool.clone()],
        tool_choice,
        parallel_tools: Some(false),
        format: OutputFormat::Schema(schema.into()),
        ..hello()
    };
    let http = OpenAi::completion_request(&at(OPENAI), &with(ToolChoice::Auto)).unwrap();
    let [BodyPart::Bytes(bytes)] = http.body.as_slice() else {
        panic!("one part");
    };
    let text = std::str::from_utf8(bytes).unwrap();
    assert_eq!(
        text.matches(schema).count(),
        2,
        "both schemas as written: {text}"
    );
    let sent = body_of(&http);
    let function = json!({"name": "f", "description": "Does f.", "parameters": serde_json::from_str::<Value>(schema).unwrap(), "strict": true});
    assert_eq!(
        sent["tools"],
        json!([{"type": "function", "function": function}])
    );
    assert_eq!(sent["parallel_tool_calls"], false);
    assert_eq!(sent["response_format"]["type"], "json_schema");
    assert_eq!(sent["response_format"]["json_schema"]["name"], "answer");
    assert_eq!(sent.get("tool_choice"), None);
    let choice = |choice| body(&at(OPENAI), &with(choice))["tool_choice"].clone();
    assert_eq!(choice(ToolChoice::Any), "required");
    assert_eq!(choice(ToolChoice::None), "none");
    assert_eq!(
        choice(ToolChoice::Named("f".into())),
        json!({"type": "function", "function": {"name": "f"}})
    );
    // Without tools the wire refuses both.
    let none = Request {
        tool_choice: ToolChoice::Any,
        parallel_tools: Some(true),
        ..hello()
    };
    let none = body(&at(OPENAI), &none);
    assert_eq!(
        (none.get("tool_choice"), none.get("parallel_tool_calls")),
        (None, None)
    );
    let json_format = body(
        &at(OPENAI),
        &Request {
            format: OutputFormat::Json,
            ..hello()
        },
    );
    assert_eq!(
        json_format["response_format"],
        json!({"type": "json_object"})
    );
}

#[test]
fn options_are_merged_but_cannot_change_the_request_itself() {
    let with = |options: &str| Request {
        options_json: Some(options.into()),
        temperature: Some(0.1),
        ..hello()
    };
    let sent = body(
        &at(OPENAI),
        &with(
            r#"{"temperature": 1.5, "logit_bias": {"5": -1}, "stream_options": {"include_obfuscation": false}}"#,
        ),
    );
    assert_eq!(sent["temperature"], 1.5);
    assert_eq!(sent["logit_bias"], json!({"5": -1}));
    assert_eq!(
        sent["stream_options"],
        json!({"include_usage": true, "include_obfuscation": false})
    );
    for name in ["model", "messages", "stream"] {
        let error = refusal(&at(OPENAI), &with(&format!(r#"{{"{name}": null}}"#)));
        assert_eq!(error.kind, ErrorKind::InvalidRequest(Some(name.into())));
    }
    for bad in ["", "[]", "{", "{} {}"] {
        assert!(
            matches!(
                refusal(&at(OPENAI), &with(bad)).kind,
                ErrorKind::InvalidRequest(_)
            ),
            "{bad}"
        );
    }
}

#[test]
fn numbers_and_schemas_that_are_none_are_refused_by_name() {
    let hot = Request {
        temperature: Some(f64::NAN),
        ..hello()
    };
    assert_eq!(
        refusal(&at(OPENAI), &hot).kind,
        ErrorKind::InvalidRequest(Some("temperature".into()))
    );
    let bad = Request {
        format: OutputFormat::Schema("{".into()),
        ..hello()
    };
    assert!(matches!(
        refusal(&at(OPENAI), &bad).kind,
        ErrorKind::InvalidRequest(_)
    ));
    let empty = refusal(&at(" "), &hello());
    assert_eq!(
        empty.kind,
        ErrorKind::InvalidRequest(Some("base_url".into()))
    );
}
