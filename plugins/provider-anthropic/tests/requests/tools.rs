//! Tools, formats and the person's options.

use super::*;

#[test]
fn tools_and_formats_keep_their_schemas_as_written() {
    let request = Request {
        tools: vec![tool()],
        format: OutputFormat::Schema(SCHEMA.into()),
        thinking: ThinkingMode::Effort("low".into()),
        ..hello()
    };
    let http = Anthropic::completion_request(&anthropic(), &request).unwrap();
    let [BodyPart::Bytes(bytes)] = http.body.as_slice() else {
        panic!("one part");
    };
    let text = std::str::from_utf8(bytes).unwrap();
    assert_eq!(text.matches(SCHEMA).count(), 2, "{text}");
    let body = body_of(&http);
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(
        body["tools"],
        json!([{"name": "f", "description": "Does f.", "input_schema": schema, "strict": true}])
    );
    assert_eq!(
        body["output_config"],
        json!({"effort": "low", "format": {"type": "json_schema", "schema": schema}})
    );
}

#[test]
fn a_tool_choice_is_said_where_it_differs_from_the_wires_own() {
    let choice = |tool_choice, parallel_tools| {
        let body = body(&Request {
            tools: vec![tool()],
            tool_choice,
            parallel_tools,
            ..hello()
        });
        body["tool_choice"].clone()
    };
    assert_eq!(choice(ToolChoice::Auto, None), Value::Null);
    assert_eq!(choice(ToolChoice::Any, None), json!({"type": "any"}));
    assert_eq!(
        choice(ToolChoice::None, Some(false)),
        json!({"type": "none"}),
        "where nothing is called, nothing is parallel"
    );
    assert_eq!(
        choice(ToolChoice::Named("f".into()), Some(false)),
        json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        choice(ToolChoice::Auto, Some(true)),
        json!({"type": "auto", "disable_parallel_tool_use": false})
    );
    // Without tools the wire refuses it.
    let none = body(&Request {
        tool_choice: ToolChoice::Any,
        parallel_tools: Some(true),
        ..hello()
    });
    assert_eq!(none.get("tool_choice"), None);
}

#[test]
fn options_are_merged_but_cannot_change_the_request_itself() {
    let with = |options: &str| Request {
        options_json: Some(options.into()),
        temperature: Some(0.1),
        tools: vec![tool()],
        thinking: ThinkingMode::Effort("low".into()),
        ..hello()
    };
    let body = body(&with(
        r#"{"temperature": 0.5, "top_k": 5, "service_tier": "standard_only",
            "thinking": {"display": "summarized"}, "output_config": {"effort": "max"},
            "tools": [{"type": "web_search_20250305", "name": "web_search"}]}"#,
    ));
    assert_eq!(body["temperature"], 0.5);
    assert_eq!(body["top_k"], 5);
    assert_eq!(body["service_tier"], "standard_only");
    assert_eq!(
        body["thinking"],
        json!({"type": "adaptive", "display": "summarized"})
    );
    assert_eq!(body["output_config"], json!({"effort": "max"}));
    let names = body["tools"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["f", "web_search"], "added, not replaced");
    for name in ["model", "system", "messages", "stream"] {
        let error = refusal(&with(&format!(r#"{{"{name}": null}}"#)));
        assert_eq!(error.kind, ErrorKind::InvalidRequest(Some(name.into())));
    }
    for bad in ["", "[]", "{", "{} {}"] {
        let kind = refusal(&with(bad)).kind;
        assert_eq!(kind, ErrorKind::InvalidRequest(Some("options".into())));
    }
}
