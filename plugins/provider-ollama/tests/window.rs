//! How much context is asked for: always a number, never less than the conversation.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use serde_json::{Value, json};
use vale_sdk::{
    Blob, BodyPart, Context, ContextLimit, Error, ErrorKind, Media, Message, Part, Provider,
    Request, Role, ToolDef,
};

fn of_text(bytes: usize) -> Request {
    Request::new("m", vec![Message::text(Role::User, "x".repeat(bytes))])
}

fn options(more: &Value, request: &Request) -> Result<Value, Error> {
    let mut settings = json!({ "base_url": "http://127.0.0.1:11434" });
    let more = more.as_object().unwrap().clone();
    settings.as_object_mut().unwrap().extend(more);
    let context = Context::new(settings.to_string(), vec![]).unwrap();
    let http = Ollama::completion_request(&context, request)?;
    let bytes = http.body.iter().flat_map(|part| match part {
        BodyPart::Bytes(bytes) => bytes.clone(),
        BodyPart::BlobBase64(_) => b"AA==".to_vec(),
        part => panic!("{part:?}"),
    });
    let body: Value = serde_json::from_slice(&bytes.collect::<Vec<u8>>()).unwrap();
    Ok(body.get("options").unwrap().clone())
}

fn size(more: &Value, request: &Request) -> u64 {
    options(more, request)
        .unwrap()
        .get("num_ctx")
        .and_then(Value::as_u64)
        .unwrap()
}

fn limit(limit: u64, requested: u64) -> ErrorKind {
    ErrorKind::ContextLength(ContextLimit {
        limit: Some(limit),
        requested: Some(requested),
    })
}

#[test]
fn it_grows_in_steps_and_stops_at_the_largest() {
    let none = json!({});
    for (bytes, tokens) in [
        (5, 8192),
        // 4088 of text, 8 of message, 4096 of answer.
        (12_264, 8192),
        (12_265, 16_384),
        (36_840, 16_384),
        (36_841, 32_768),
        // No room for a whole answer any more, and all of the prompt.
        (98_280, 32_768),
    ] {
        assert_eq!(size(&none, &of_text(bytes)), tokens, "{bytes}");
    }
    let refused = options(&none, &of_text(98_281)).unwrap_err();
    assert_eq!(refused.kind, limit(32_768, 32_769));
    assert!(refused.message.contains("max_num_ctx"), "{refused:?}");
}

#[test]
fn a_long_answer_makes_room_for_itself() {
    let wants = |tokens| Request {
        max_output_tokens: Some(tokens),
        ..of_text(3000)
    };
    assert_eq!(size(&json!({}), &wants(100)), 8192);
    assert_eq!(size(&json!({}), &wants(8000)), 16_384);
    // It ends at the limit, and says so; the prompt is whole all the same.
    assert_eq!(size(&json!({}), &wants(u32::MAX)), 32_768);
}

#[test]
fn settings_and_options_come_before_the_estimate_and_are_held_to() {
    assert_eq!(size(&json!({"num_ctx": 4096}), &of_text(5)), 4096);
    assert_eq!(size(&json!({"num_ctx": 0}), &of_text(5)), 8192);
    assert_eq!(size(&json!({"max_num_ctx": 4096}), &of_text(5)), 4096);
    assert_eq!(
        size(&json!({"max_num_ctx": 131_072}), &of_text(120_000)),
        65_536
    );
    let refused = options(&json!({"num_ctx": 4096}), &of_text(15_000)).unwrap_err();
    assert_eq!(refused.kind, limit(4096, 5008));
    let named = |json: &str, bytes| Request {
        options_json: Some(json.into()),
        ..of_text(bytes)
    };
    let own = r#"{"options":{"num_ctx":2048,"top_k":4}}"#;
    assert_eq!(
        options(&json!({"num_ctx": 4096}), &named(own, 5)).unwrap(),
        json!({"num_ctx": 2048, "top_k": 4})
    );
    let refused = options(&json!({}), &named(own, 9000)).unwrap_err();
    assert_eq!(refused.kind, limit(2048, 3008));
    // A null says nothing, and must not take the number away.
    let null = r#"{"options":{"num_ctx":null}}"#;
    assert_eq!(size(&json!({}), &named(null, 5)), 8192);
    for bad in ["0", "\"8k\"", "-1", "1.5"] {
        let own = format!(r#"{{"options":{{"num_ctx":{bad}}}}}"#);
        let refused = options(&json!({}), &named(&own, 5)).unwrap_err();
        assert_eq!(
            refused.kind,
            ErrorKind::InvalidRequest(Some("num_ctx".into())),
            "{bad}"
        );
    }
}

#[test]
fn options_may_not_cut_the_conversation_or_change_it() {
    for own in [
        r#"{"truncate":true}"#,
        r#"{"shift":true}"#,
        r#"{"model":"n"}"#,
        r#"{"messages":[]}"#,
        r#"{"stream":false}"#,
        r#"{"options":7}"#,
        "[]",
        "{",
    ] {
        let request = Request {
            options_json: Some(own.into()),
            ..of_text(5)
        };
        let refused = options(&json!({}), &request).unwrap_err();
        assert!(
            matches!(refused.kind, ErrorKind::InvalidRequest(_)),
            "{own}: {refused:?}"
        );
    }
}

#[test]
fn images_and_tools_count() {
    let picture = || {
        Part::Image(Media::Blob(Blob {
            id: "b".into(),
            media_type: "image/png".into(),
            size: 1,
            name: None,
        }))
    };
    let pictures = |count| {
        let parts = (0..count).map(|_| picture()).collect();
        Request::new("m", vec![Message::new(Role::User, parts)])
    };
    assert_eq!(size(&json!({}), &pictures(1)), 8192);
    assert_eq!(size(&json!({}), &pictures(2)), 16_384);
    let tools = Request {
        tools: vec![ToolDef {
            name: "f".into(),
            description: "d".repeat(30_000),
            input_schema_json: "{}".into(),
            extras: vec![],
        }],
        ..of_text(5)
    };
    assert_eq!(size(&json!({}), &tools), 16_384);
}

#[test]
fn the_cloud_has_its_own_context_and_is_not_held_to_this_machines() {
    let long = |model: &str| Request {
        model: model.into(),
        ..of_text(300_000)
    };
    let there = json!({"base_url": "https://ollama.com"});
    assert_eq!(size(&there, &long("gpt-oss:120b")), 131_072);
    assert_eq!(size(&json!({}), &long("gpt-oss:120b-cloud")), 131_072);
    assert_eq!(size(&json!({}), &long("glm-4.7:cloud")), 131_072);
    for elsewhere in ["https://ollama.com.example", "http://notollama.com"] {
        let refused = options(&json!({ "base_url": elsewhere }), &long("m")).unwrap_err();
        assert_eq!(refused.kind, limit(32_768, 100_008), "{elsewhere}");
    }
}
