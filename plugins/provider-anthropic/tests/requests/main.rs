//! Everything of a request but the conversation: as JSON, and what is refused before it is sent.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod count;
mod tools;

use provider_anthropic::Anthropic;
use serde_json::{Value, json};
use vale_sdk::{
    BodyPart, Context, Error, ErrorKind, Extra, HttpReply, HttpRequest, Message, Method,
    OutputFormat, Provider, Request, Role, ThinkingMode, ToolChoice, ToolDef,
};

fn context(settings: &Value) -> Context {
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn anthropic() -> Context {
    context(&json!({"base_url": "https://api.anthropic.com"}))
}

fn hello() -> Request {
    Request::new("claude", vec![Message::text(Role::User, "Hello")])
}

fn body_of(http: &HttpRequest) -> Value {
    let [BodyPart::Bytes(bytes)] = http.body.as_slice() else {
        panic!("one part: {:?}", http.body);
    };
    serde_json::from_slice(bytes).unwrap()
}

fn body(request: &Request) -> Value {
    body_of(&Anthropic::completion_request(&anthropic(), request).unwrap())
}

fn refusal(request: &Request) -> Error {
    Anthropic::completion_request(&anthropic(), request).unwrap_err()
}

fn header<'a>(http: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let found = http.headers.iter().find(|(have, _)| have == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn the_least_request_says_no_more_than_it_must() {
    let http = Anthropic::completion_request(&anthropic(), &hello()).unwrap();
    assert_eq!(http.method, Method::Post);
    assert_eq!(http.url, "https://api.anthropic.com/v1/messages");
    let expected = json!({
        "model": "claude",
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "stream": true,
    });
    assert_eq!(body_of(&http), expected);
    let names: Vec<&str> = http.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["content-type", "accept", "anthropic-version"],
        "no header that is the host's"
    );
    assert_eq!(header(&http, "anthropic-version"), Some("2023-06-01"));
}

#[test]
fn the_base_url_is_taken_with_and_without_its_version() {
    let rows = [
        ("http://h:1", "http://h:1/v1/messages"),
        ("http://h:1/", "http://h:1/v1/messages"),
        ("http://h:1/v1", "http://h:1/v1/messages"),
        ("http://h:1/v1/", "http://h:1/v1/messages"),
        ("https://h/anthropic", "https://h/anthropic/v1/messages"),
        ("https://h/v1?k=v", "https://h/v1/messages?k=v"),
        ("https://h?k=/v1", "https://h/v1/messages?k=/v1"),
    ];
    for (base_url, url) in rows {
        let context = context(&json!({ "base_url": base_url }));
        let http = Anthropic::completion_request(&context, &hello()).unwrap();
        assert_eq!(http.url, url, "{base_url}");
    }
    let empty = context(&json!({"base_url": " "}));
    let error = Anthropic::completion_request(&empty, &hello()).unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::InvalidRequest(Some("base_url".into()))
    );
}

#[test]
fn beta_features_are_named_in_one_header() {
    let beta = |names: &str| {
        let context = context(&json!({"base_url": "http://h", "beta": names}));
        let http = Anthropic::completion_request(&context, &hello()).unwrap();
        header(&http, "anthropic-beta").map(str::to_string)
    };
    assert_eq!(
        beta(" one , two,, three\nfour "),
        Some("one,two,three,four".into())
    );
    assert_eq!(beta(" , "), None);
    assert_eq!(beta(""), None);
}

#[test]
fn the_output_limit_is_the_requests_or_the_settings() {
    let limit = |settings: Value, request: Request| {
        let http = Anthropic::completion_request(&context(&settings), &request).unwrap();
        body_of(&http)["max_tokens"].clone()
    };
    let base = || json!({"base_url": "http://h"});
    let set = || json!({"base_url": "http://h", "max_tokens": 500});
    let named = || Request {
        max_output_tokens: Some(100),
        ..hello()
    };
    assert_eq!(limit(base(), hello()), 8192);
    assert_eq!(limit(set(), hello()), 500);
    assert_eq!(limit(set(), named()), 100);
    let odd = json!({"base_url": "http://h", "max_tokens": 0});
    assert_eq!(limit(odd, hello()), 8192);
    let budget = |max_output_tokens| Request {
        thinking: ThinkingMode::Budget(2000),
        max_output_tokens,
        ..hello()
    };
    // The settings' limit is for the answer; thinking comes on top.
    assert_eq!(limit(set(), budget(None)), 2500);
    // The request's is never exceeded: money may be set aside for just that.
    assert_eq!(limit(set(), budget(Some(2001))), 2001);
    let error = refusal(&budget(Some(2000)));
    assert_eq!(
        error.kind,
        ErrorKind::InvalidRequest(Some("thinking".into()))
    );
    assert!(error.message.contains("2000"), "{}", error.message);
}

#[test]
fn sampling_is_said_as_people_write_it() {
    let request = Request {
        temperature: Some(0.7),
        top_p: Some(0.9),
        stop: vec!["END".into(), "\n\nHuman:".into()],
        cache_key: Some("k".into()),
        ..hello()
    };
    let body = body(&request);
    assert_eq!(body["temperature"], 0.7);
    assert_eq!(body["top_p"], 0.9);
    assert_eq!(body["stop_sequences"], json!(["END", "\n\nHuman:"]));
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 7, "nothing for the cache key: {keys:?}");
}

#[test]
fn thinking_is_asked_for_in_this_wires_words() {
    let ask = |thinking| {
        let body = body(&Request {
            thinking,
            ..hello()
        });
        (body["thinking"].clone(), body["output_config"].clone())
    };
    assert_eq!(ask(ThinkingMode::Default), (Value::Null, Value::Null));
    assert_eq!(
        ask(ThinkingMode::Off),
        (json!({"type": "disabled"}), Value::Null)
    );
    assert_eq!(
        ask(ThinkingMode::Budget(1024)),
        (
            json!({"type": "enabled", "budget_tokens": 1024}),
            Value::Null
        )
    );
    assert_eq!(
        ask(ThinkingMode::Effort("high".into())),
        (json!({"type": "adaptive"}), json!({"effort": "high"}))
    );
    for mode in ["adaptive", "between_tools"] {
        assert_eq!(
            ask(ThinkingMode::Other(mode.into())),
            (json!({ "type": mode }), Value::Null)
        );
    }
}

#[test]
fn what_does_not_go_together_with_a_thinking_budget_is_refused() {
    let with = || Request {
        thinking: ThinkingMode::Budget(1024),
        tools: vec![tool()],
        ..hello()
    };
    let refused = [
        (
            "temperature",
            Request {
                temperature: Some(0.7),
                ..with()
            },
        ),
        (
            "top_p",
            Request {
                top_p: Some(0.5),
                ..with()
            },
        ),
        (
            "tool-choice",
            Request {
                tool_choice: ToolChoice::Any,
                ..with()
            },
        ),
        (
            "tool-choice",
            Request {
                tool_choice: ToolChoice::Named("f".into()),
                ..with()
            },
        ),
        (
            "thinking",
            Request {
                thinking: ThinkingMode::Budget(1023),
                ..with()
            },
        ),
    ];
    for (what, request) in refused {
        let error = refusal(&request);
        assert_eq!(error.kind, ErrorKind::InvalidRequest(Some(what.into())));
        assert!(error.message.ends_with("; nothing was sent."));
    }
    let fine = body(&Request {
        temperature: Some(1.0),
        top_p: Some(0.95),
        tool_choice: ToolChoice::None,
        ..with()
    });
    assert_eq!(
        (&fine["temperature"], &fine["top_p"]),
        (&json!(1), &json!(0.95))
    );
}

const SCHEMA: &str =
    r#"{"type":"object","properties":{"z":{"type":"number","maximum":1.10},"a":{}}}"#;

fn tool() -> ToolDef {
    ToolDef {
        name: "f".into(),
        description: "Does f.".into(),
        input_schema_json: SCHEMA.into(),
        extras: vec![Extra::new("strict", "true")],
    }
}

#[test]
fn what_the_wire_cannot_say_is_unsupported() {
    let requests = [
        Request {
            seed: Some(1),
            ..hello()
        },
        Request {
            format: OutputFormat::Json,
            ..hello()
        },
        Request {
            format: OutputFormat::Other("xml".into()),
            ..hello()
        },
        Request {
            thinking: ThinkingMode::Other("odd".into()),
            ..hello()
        },
        Request {
            tools: vec![tool()],
            tool_choice: ToolChoice::Other("odd".into()),
            ..hello()
        },
    ];
    for request in requests {
        let error = refusal(&request);
        assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error:?}");
        assert!(error.message.ends_with('.'), "{}", error.message);
    }
}

#[test]
fn numbers_schemas_and_stops_that_are_none_are_refused_by_name() {
    let named = |request: Request| match refusal(&request).kind {
        ErrorKind::InvalidRequest(Some(name)) => name,
        kind => panic!("{kind:?}"),
    };
    let temperature = Some(f64::NAN);
    assert_eq!(
        named(Request {
            temperature,
            ..hello()
        }),
        "temperature"
    );
    let stop = vec![" \n".into()];
    assert_eq!(named(Request { stop, ..hello() }), "stop");
    for bad in ["", "{", "[]", "true"] {
        let format = OutputFormat::Schema(bad.into());
        assert_eq!(named(Request { format, ..hello() }), "The output schema");
        let input_schema_json = bad.into();
        let tools = vec![ToolDef {
            input_schema_json,
            ..tool()
        }];
        assert_eq!(named(Request { tools, ..hello() }), "The schema of f");
    }
}
