//! Pages as servers send them, and calls as models make them.

use serde_json::{Value, json};
use tool_fetch::Fetch;
use vale_sdk::tool::testkit::{FakeHost, text_of};
use vale_sdk::{HttpReply, ResultPart, ToolResult};

pub(crate) const URL: &str = "https://docs.example/a/page";

/// The settings of a person who granted two sites.
const GRANTED: &str = r#"{"sites":["https://docs.example","https://other.example/handbook"]}"#;

pub(crate) fn host() -> FakeHost {
    FakeHost::with_settings(GRANTED).unwrap()
}

pub(crate) fn reply(content_type: &str, body: impl Into<Vec<u8>>) -> HttpReply {
    HttpReply {
        status: 200,
        headers: vec![("Content-Type".into(), content_type.into())],
        body: body.into(),
        url: String::new(),
        received_unix_ms: 0,
    }
}

pub(crate) fn fetch(reply: HttpReply, more: &Value) -> ToolResult {
    let mut arguments = json!({"url": URL});
    let more = more.as_object().unwrap().clone();
    arguments.as_object_mut().unwrap().extend(more);
    let host = host().reply(URL, reply);
    host.call::<Fetch>("fetch", &arguments.to_string()).unwrap()
}

/// The head and the page's text of a fetch that worked.
pub(crate) fn good(reply: HttpReply, more: &Value) -> (String, String) {
    let result = fetch(reply, more);
    assert!(!result.is_error, "{}", text_of(&result));
    let names: Vec<_> = result
        .extras
        .iter()
        .map(|extra| (extra.name.as_str(), extra.json.as_str()))
        .collect();
    assert_eq!(names, [("untrusted", "true")]);
    match result.content.as_slice() {
        [ResultPart::Text(head)] => (head.clone(), String::new()),
        [ResultPart::Text(head), ResultPart::Text(text)] => (head.clone(), text.clone()),
        other => panic!("{other:?}"),
    }
}

/// The text of an HTML page.
pub(crate) fn html(body: &str) -> String {
    good(reply("text/html; charset=utf-8", body), &json!({})).1
}
