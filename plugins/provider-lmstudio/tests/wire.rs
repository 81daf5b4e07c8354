//! Discovery by three ways, and chat by the OpenAI wire.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_lmstudio::LmStudio;
use serde_json::json;
use vale_sdk::testkit::Replay;
use vale_sdk::{
    Capabilities, Context, ErrorKind, HttpReply, Listing, Message, Model, Provider, Request, Role,
};

fn context(base_url: &str) -> Context {
    Context::new(json!({"base_url": base_url}).to_string(), vec![]).unwrap()
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> HttpReply {
    HttpReply {
        status,
        body: body.into(),
        ..HttpReply::default()
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/lmstudio");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

fn asked(replies: &[HttpReply]) -> String {
    match LmStudio::list_step(&context("http://127.0.0.1:1234/v1/"), replies).unwrap() {
        Listing::Ask(http) => http.url,
        Listing::Done(models) => panic!("{models:?}"),
    }
}

fn listed(replies: &[HttpReply]) -> Vec<Model> {
    match LmStudio::list_step(&context("http://127.0.0.1:1234"), replies).unwrap() {
        Listing::Done(models) => models,
        Listing::Ask(http) => panic!("{}", http.url),
    }
}

/// Id, context, loaded, images, tools.
fn row(model: &Model) -> (&str, Option<u64>, Option<bool>, Option<bool>, Option<bool>) {
    let can = |capability| model.capabilities.map(|can| can.contains(capability));
    let (images, tools) = (can(Capabilities::IMAGES_IN), can(Capabilities::TOOLS));
    (&model.id, model.context_window, model.loaded, images, tools)
}

#[test]
fn the_current_api_is_asked_first_and_tells_most() {
    assert_eq!(asked(&[]), "http://127.0.0.1:1234/api/v1/models");
    let models = listed(&[reply(200, fixture("models-v1.json"))]);
    let rows: Vec<_> = models.iter().map(row).collect();
    let (yes, no) = (Some(true), Some(false));
    assert_eq!(
        rows,
        [
            ("acme/small-7b", Some(8192), yes, no, yes),
            ("acme/see-3b", Some(32768), no, yes, no),
        ]
    );
    assert_eq!(models[0].display_name.as_deref(), Some("Small 7B"));
}

#[test]
fn older_versions_are_asked_by_older_ways() {
    // As versions before 0.4 answer an address that they do not know.
    for unknown in [
        reply(404, "Not Found"),
        reply(
            200,
            r#"{"error":"Unexpected endpoint or method. (GET /api/v1/models)"}"#,
        ),
    ] {
        assert_eq!(
            asked(std::slice::from_ref(&unknown)),
            "http://127.0.0.1:1234/api/v0/models"
        );
        let models = listed(&[unknown.clone(), reply(200, fixture("models-v0.json"))]);
        let rows: Vec<_> = models.iter().map(row).collect();
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(
            rows,
            [
                ("see-3b", Some(32768), no, yes, no),
                ("small-7b", Some(4096), yes, no, yes),
            ]
        );
        let two = [unknown.clone(), unknown];
        assert_eq!(asked(&two), "http://127.0.0.1:1234/v1/models");
        let [first, second] = two;
        let plain = reply(200, r#"{"object":"list","data":[{"id":"m"}]}"#);
        assert_eq!(listed(&[first, second, plain])[0].id, "m");
    }
    let refused = [reply(401, r#"{"error":{"message":"Invalid token"}}"#)];
    let error = LmStudio::list_step(&context("http://h:1"), &refused).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Auth(_)));
}

#[test]
fn chat_goes_by_the_openai_wire_and_comes_back_whole() {
    let request = Request {
        max_output_tokens: Some(5),
        ..Request::new("acme/small-7b", vec![Message::text(Role::User, "Hello")])
    };
    for base in ["http://127.0.0.1:1234", "http://127.0.0.1:1234/v1"] {
        let http = LmStudio::completion_request(&context(base), &request).unwrap();
        assert_eq!(http.url, "http://127.0.0.1:1234/v1/chat/completions");
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");
    let replay =
        Replay::<LmStudio>::file(format!("{folder}/llama-server.openai-chat.toolcall.raw"));
    let outcome = replay.unwrap().every_split().unwrap();
    assert_eq!(outcome.tool_calls().len(), 1);
    let failed = Replay::<LmStudio>::body(
        "event: error\ndata: {\"error\":{\"message\":\"Model unloaded\"}}\n\n",
    );
    assert_eq!(
        failed.whole().terminal.unwrap_err().message,
        "Model unloaded"
    );
}

#[test]
fn without_a_loaded_model_the_next_step_is_said() {
    let error = LmStudio::error_from_reply(&reply(
        400,
        r#"{"error":{"message":"No models loaded. Please load a model in the developer page.","type":"invalid_request_error"}}"#,
    ));
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert!(error.message.contains("`lms load`"), "{}", error.message);
}
