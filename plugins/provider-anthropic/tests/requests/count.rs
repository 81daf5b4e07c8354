//! Tokens counted ahead.

use super::*;

#[test]
fn tokens_are_counted_over_what_is_input_and_nothing_else() {
    let request = Request {
        messages: vec![
            Message::text(Role::System, "Be brief."),
            Message::text(Role::User, "Hello"),
        ],
        tools: vec![tool()],
        tool_choice: ToolChoice::None,
        thinking: ThinkingMode::Budget(1024),
        max_output_tokens: Some(5000),
        temperature: Some(1.0),
        top_p: Some(1.0),
        stop: vec!["END".into()],
        format: OutputFormat::Schema(SCHEMA.into()),
        options_json: Some(r#"{"top_k": 5, "speed": "fast", "service_tier": "auto"}"#.into()),
        ..hello()
    };
    let http = Anthropic::count_request(&anthropic(), &request).unwrap();
    assert_eq!(http.method, Method::Post);
    assert_eq!(
        http.url,
        "https://api.anthropic.com/v1/messages/count_tokens"
    );
    assert_eq!(header(&http, "anthropic-version"), Some("2023-06-01"));
    let counted = body_of(&http);
    let mut keys: Vec<&str> = counted
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    let expected = [
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    ];
    assert_eq!(keys, expected);
    let sent = body(&request);
    for key in expected {
        assert_eq!(counted[key], sent[key], "{key} as it is sent");
    }
}

#[test]
fn a_count_is_a_number_and_anything_else_is_told() {
    let count = |body: &str| {
        let reply = HttpReply {
            status: 200,
            body: body.into(),
            ..HttpReply::default()
        };
        Anthropic::parse_count(&anthropic(), &reply)
    };
    assert_eq!(count(r#"{"input_tokens":2095}"#), Ok(2095));
    assert_eq!(
        count(r#"{"input_tokens":0,"context_management":null}"#),
        Ok(0)
    );
    for bad in ["{}", "[]", "", r#"{"input_tokens":"many"}"#] {
        let error = count(bad).unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{bad}");
    }
    let error = count(r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#);
    assert_eq!(error.unwrap_err().kind, ErrorKind::Overloaded(None));
}
