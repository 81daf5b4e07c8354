//! Request bodies, as JSON, and what is refused before anything is sent.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use serde_json::{Value, json};
use vale_sdk::{
    Blob, BodyPart, Context, Error, ErrorKind, Extra, HttpRequest, Media, Message, Method,
    OutputFormat, Part, Provider, Request, ResultPart, Role, Thinking, ThinkingMode, ToolCall,
    ToolChoice, ToolDef, ToolResult,
};

fn context(more: Value) -> Context {
    let mut settings = json!({ "base_url": "http://127.0.0.1:11434" });
    let more = more.as_object().unwrap().clone();
    settings.as_object_mut().unwrap().extend(more);
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn plain() -> Context {
    context(json!({}))
}

fn request(messages: Vec<Message>) -> Request {
    Request::new("m", messages)
}

fn hello() -> Request {
    request(vec![Message::text(Role::User, "Hello")])
}

/// The body as the server gets it; each attachment reads `<id>` instead of its base64.
fn body_of(http: &HttpRequest) -> Value {
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::BlobBase64(id) => format!("<{id}>").into_bytes(),
        part => panic!("{part:?}"),
    });
    serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap()
}

fn body(request: &Request) -> Value {
    body_of(&Ollama::completion_request(&plain(), request).unwrap())
}

fn refusal(request: &Request) -> Error {
    Ollama::completion_request(&plain(), request).unwrap_err()
}

fn messages(list: Vec<Message>) -> Value {
    body(&request(list)).get("messages").unwrap().clone()
}

fn picture() -> Media {
    Media::Blob(Blob {
        id: "b".into(),
        media_type: "image/png".into(),
        size: 1,
        name: None,
    })
}

fn call(arguments: &str) -> Part {
    Part::ToolCall(ToolCall {
        id: "c1".into(),
        name: "f".into(),
        arguments_json: arguments.into(),
        signature: None,
    })
}

fn result(name: Option<&str>, content: Vec<ResultPart>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult {
        call_id: "c1".into(),
        name: name.map(str::to_string),
        content,
        is_error,
        extras: vec![],
    })
}

fn tool() -> ToolDef {
    ToolDef {
        name: "f".into(),
        description: "d".into(),
        input_schema_json: r#"{"type":"object"}"#.into(),
        extras: vec![],
    }
}

#[test]
fn the_least_request_says_no_more_than_it_must() {
    let http = Ollama::completion_request(&plain(), &hello()).unwrap();
    assert_eq!(http.method, Method::Post);
    assert_eq!(http.url, "http://127.0.0.1:11434/api/chat");
    let expected = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": true,
        "truncate": false,
        "shift": false,
        "options": {"num_ctx": 8192},
    });
    assert_eq!(body_of(&http), expected);
}

#[test]
fn the_address_is_taken_as_people_write_it() {
    let url = |base: &str| {
        let context = context(json!({ "base_url": base }));
        Ollama::completion_request(&context, &hello()).map(|http| http.url)
    };
    for base in [
        "http://h:1",
        "http://h:1/",
        "http://h:1/api",
        "http://h:1/api/",
    ] {
        assert_eq!(url(base).unwrap(), "http://h:1/api/chat", "{base}");
    }
    assert_eq!(url("https://h/x/").unwrap(), "https://h/x/api/chat");
    // The host lets nothing out beside the path of the address.
    let beside = url("http://h:1/v1/").unwrap_err();
    assert_eq!(
        beside.kind,
        ErrorKind::InvalidRequest(Some("base_url".into()))
    );
    assert!(beside.message.contains("/v1"), "{}", beside.message);
    assert!(url("").is_err());
}

#[test]
fn roles_text_and_thinking_are_said_in_this_wires_words() {
    let thought = Part::Thinking(Thinking {
        id: None,
        text: "hm".into(),
        signature: Some("s".into()),
    });
    let texts = |role| Message::new(role, vec![Part::Text("a".into()), Part::Text("b".into())]);
    let list = messages(vec![
        Message::text(Role::System, "s"),
        Message::text(Role::Developer, "d"),
        texts(Role::User),
        Message::new(
            Role::Assistant,
            vec![
                thought,
                Part::RedactedThinking("sealed".into()),
                Part::Text("a".into()),
                Part::Text("b".into()),
            ],
        ),
        Message::new(Role::User, vec![]),
        Message::text(Role::Other("critic".into()), "no"),
    ]);
    let expected = json!([
        {"role": "system", "content": "s"},
        {"role": "system", "content": "d"},
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "ab", "thinking": "hm"},
        {"role": "user", "content": ""},
        {"role": "critic", "content": "no"},
    ]);
    assert_eq!(list, expected);
}

#[test]
fn images_go_as_bare_base64_and_only_as_attachments() {
    let say = |media| Message::new(Role::User, vec![Part::Text("?".into()), Part::Image(media)]);
    assert_eq!(
        messages(vec![say(picture())]),
        json!([{"role": "user", "content": "?", "images": ["<b>"]}])
    );
    let link = Media::Url("https://a.example/b.png".into());
    for media in [link, Media::Other(Extra::new("cloud", "1"))] {
        let refused = refusal(&request(vec![say(media)]));
        assert!(matches!(refused.kind, ErrorKind::Unsupported(_)));
    }
    for part in [
        Part::File(picture()),
        Part::Audio(picture()),
        Part::Other(Extra::new("video", "1")),
    ] {
        let refused = refusal(&request(vec![Message::new(Role::User, vec![part])]));
        assert!(matches!(refused.kind, ErrorKind::Unsupported(_)));
        assert!(refused.message.starts_with("Ollama "), "{refused:?}");
    }
}

#[test]
fn calls_carry_objects_and_results_carry_the_tools_name() {
    let round = |arguments: &str, result: Part| {
        vec![
            Message::new(Role::Assistant, vec![call(arguments)]),
            Message::new(Role::Tool, vec![result]),
        ]
    };
    let text = |text: &str| ResultPart::Text(text.into());
    // The name is found by the call's id where the result does not say it.
    let told = messages(round("{\"a\":1}", result(None, vec![text("42")], true)));
    assert_eq!(
        told,
        json!([
            {"role": "assistant", "content": "", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
            ]},
            {"role": "tool", "content": "Error: 42", "tool_call_id": "c1", "tool_name": "f"},
        ])
    );
    let parts = vec![
        text("see"),
        ResultPart::Json("{}".into()),
        ResultPart::Image(picture()),
    ];
    let told = messages(round(" ", result(Some("g"), parts, false)));
    assert_eq!(told[0]["tool_calls"][0]["function"]["arguments"], json!({}));
    assert_eq!(
        told[1],
        json!({"role": "tool", "content": "see\n{}", "tool_call_id": "c1", "tool_name": "g", "images": ["<b>"]})
    );
    let stranger = messages(vec![Message::new(
        Role::Tool,
        vec![result(None, vec![], false)],
    )]);
    assert_eq!(stranger[0].get("tool_name"), None);
    for arguments in ["[1]", "7", "{"] {
        let refused = refusal(&request(round(arguments, result(None, vec![], false))));
        assert_eq!(
            refused.kind,
            ErrorKind::InvalidRequest(Some("The arguments of f".into())),
            "{arguments}"
        );
    }
    let file = vec![ResultPart::File(picture())];
    let refused = refusal(&request(round("{}", result(None, file, false))));
    assert!(matches!(refused.kind, ErrorKind::Unsupported(_)));
}

#[test]
fn tools_are_offered_or_kept_back_and_never_forced() {
    let offer = |tool_choice, parallel_tools| Request {
        tools: vec![tool()],
        tool_choice,
        parallel_tools,
        ..hello()
    };
    let told = body(&offer(ToolChoice::Auto, Some(true)));
    assert_eq!(
        told["tools"],
        json!([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}])
    );
    assert_eq!(body(&offer(ToolChoice::None, None)).get("tools"), None);
    for choice in [
        offer(ToolChoice::Any, None),
        offer(ToolChoice::Named("f".into()), None),
        offer(ToolChoice::Other("x".into()), None),
        offer(ToolChoice::Auto, Some(false)),
    ] {
        let refused = refusal(&choice);
        assert!(matches!(refused.kind, ErrorKind::Unsupported(_)));
        assert!(refused.message.len() > 30, "{}", refused.message);
    }
    let broken = Request {
        tools: vec![ToolDef {
            input_schema_json: "{".into(),
            ..tool()
        }],
        ..hello()
    };
    assert!(matches!(
        refusal(&broken).kind,
        ErrorKind::InvalidRequest(_)
    ));
}

#[test]
fn parameters_are_runtime_options() {
    let told = body(&Request {
        max_output_tokens: Some(7),
        temperature: Some(0.25),
        top_p: Some(0.9),
        seed: Some(3),
        stop: vec!["END".into()],
        ..hello()
    });
    assert_eq!(
        told["options"],
        json!({"num_ctx": 8192, "num_predict": 7, "temperature": 0.25, "top_p": 0.9, "seed": 3, "stop": ["END"]})
    );
    let refused = refusal(&Request {
        temperature: Some(f64::NAN),
        ..hello()
    });
    assert_eq!(
        refused.kind,
        ErrorKind::InvalidRequest(Some("temperature".into()))
    );
}

#[test]
fn thinking_is_yes_no_or_an_effort() {
    let think = |thinking| {
        let request = Request {
            thinking,
            ..hello()
        };
        Ollama::completion_request(&plain(), &request)
            .map(|http| body_of(&http).get("think").cloned())
    };
    let effort = |word: &str| ThinkingMode::Effort(word.into());
    for (mode, told) in [
        (ThinkingMode::Default, None),
        (ThinkingMode::Off, Some(json!(false))),
        (effort("none"), Some(json!(false))),
        (effort("on"), Some(json!(true))),
        (effort("low"), Some(json!("low"))),
        (effort("high"), Some(json!("high"))),
    ] {
        assert_eq!(think(mode.clone()).unwrap(), told, "{mode:?}");
    }
    for mode in [ThinkingMode::Budget(9), ThinkingMode::Other("x".into())] {
        assert!(matches!(
            think(mode).unwrap_err().kind,
            ErrorKind::Unsupported(_)
        ));
    }
}

#[test]
fn the_format_is_json_or_a_schema() {
    let format = |format| body(&Request { format, ..hello() }).get("format").cloned();
    assert_eq!(format(OutputFormat::Text), None);
    assert_eq!(format(OutputFormat::Json), Some(json!("json")));
    let schema = OutputFormat::Schema(r#"{"type":"object"}"#.into());
    assert_eq!(format(schema), Some(json!({"type": "object"})));
    let other = Request {
        format: OutputFormat::Other("xml".into()),
        ..hello()
    };
    assert!(matches!(refusal(&other).kind, ErrorKind::Unsupported(_)));
}

#[test]
fn keep_alive_is_a_duration_or_a_number_of_seconds() {
    // As text, `-1` would be refused: "missing unit in duration".
    for (set, told) in [
        ("10m", Some(json!("10m"))),
        ("-1", Some(json!(-1))),
        ("0", Some(json!(0))),
        ("+300", Some(json!(300))),
        ("-1m", Some(json!("-1m"))),
        (" ", None),
    ] {
        let context = context(json!({ "keep_alive": set }));
        let http = Ollama::completion_request(&context, &hello()).unwrap();
        assert_eq!(body_of(&http).get("keep_alive").cloned(), told, "{set}");
    }
}
