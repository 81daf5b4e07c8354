//! Chat by the OpenAI wire, in words that LM Studio takes.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_lmstudio::LmStudio;
use serde_json::{Value, json};
use vale_sdk::{
    BodyPart, Context, Error, ErrorKind, HttpRequest, Message, OutputFormat, Provider, Request,
    Role, ToolChoice, ToolDef,
};

fn send(base_url: &str, request: &Request) -> Result<HttpRequest, Error> {
    let context = Context::new(json!({ "base_url": base_url }).to_string(), vec![]).unwrap();
    LmStudio::completion_request(&context, request)
}

fn body(request: &Request) -> Value {
    let http = send("http://127.0.0.1:1234", request).unwrap();
    match http.body.as_slice() {
        [BodyPart::Bytes(body)] => serde_json::from_slice(body).unwrap(),
        body => panic!("{body:?}"),
    }
}

fn hello() -> Request {
    Request::new("acme/small-7b", vec![Message::text(Role::User, "Hello")])
}

fn tool(name: &str) -> ToolDef {
    ToolDef {
        name: name.into(),
        description: String::new(),
        input_schema_json: "{}".into(),
        extras: vec![],
    }
}

#[test]
fn the_least_request_goes_to_the_chat_wire_with_or_without_v1() {
    for base in [
        "http://127.0.0.1:1234",
        "http://127.0.0.1:1234/",
        "http://127.0.0.1:1234/v1",
        "http://127.0.0.1:1234/v1/",
    ] {
        let http = send(base, &hello()).unwrap();
        assert_eq!(http.url, "http://127.0.0.1:1234/v1/chat/completions");
    }
    let error = send(" ", &hello()).unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::InvalidRequest(Some("base_url".into()))
    );
    let expected = json!({
        "model": "acme/small-7b",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": true,
        "stream_options": {"include_usage": true},
    });
    assert_eq!(body(&hello()), expected);
}

#[test]
fn the_output_limit_has_the_name_that_lm_studio_knows() {
    let limited = Request {
        max_output_tokens: Some(5),
        ..hello()
    };
    assert_eq!(body(&limited)["max_tokens"], 5);
}

#[test]
fn json_without_a_schema_is_asked_for_by_the_widest_schema() {
    let format = |format| body(&Request { format, ..hello() })["response_format"].clone();
    let any = format(OutputFormat::Json);
    assert_eq!(any["type"], "json_schema");
    assert_eq!(any["json_schema"]["schema"], json!({"type": "object"}));
    let own = format(OutputFormat::Schema(r#"{"type":"array"}"#.into()));
    assert_eq!(own["json_schema"]["schema"], json!({"type": "array"}));
    assert_eq!(format(OutputFormat::Text), Value::Null);
}

#[test]
fn a_named_tool_is_the_only_one_offered_and_required() {
    let choose = |tool_choice| Request {
        tools: vec![tool("f"), tool("g")],
        tool_choice,
        ..hello()
    };
    let names = |body: &Value| -> Vec<String> {
        let tools = body["tools"].as_array().unwrap().iter();
        let name = |tool: &Value| tool["function"]["name"].as_str().unwrap().to_string();
        tools.map(name).collect()
    };
    for (choice, word, offered) in [
        (ToolChoice::Auto, Value::Null, vec!["f", "g"]),
        (ToolChoice::None, json!("none"), vec!["f", "g"]),
        (ToolChoice::Any, json!("required"), vec!["f", "g"]),
        (ToolChoice::Named("g".into()), json!("required"), vec!["g"]),
    ] {
        let body = body(&choose(choice));
        assert_eq!(body["tool_choice"], word);
        assert_eq!(names(&body), offered);
    }
    let error = send("http://h:1", &choose(ToolChoice::Named("nobody".into())));
    assert_eq!(
        error.unwrap_err().kind,
        ErrorKind::InvalidRequest(Some("tool-choice".into()))
    );
}
