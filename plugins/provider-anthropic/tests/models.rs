//! The list of models, page by page, and as other servers give it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use serde_json::{Value, json};
use vale_sdk::{
    AuthKind, Capabilities, Context, Error, ErrorKind, HttpReply, HttpRequest, Listing, Method,
    Model, Provider,
};

fn context(base_url: &str) -> Context {
    let settings = json!({"base_url": base_url, "beta": "one, two"});
    Context::new(settings.to_string(), vec![]).unwrap()
}

fn reply(body: &Value) -> HttpReply {
    HttpReply {
        status: 200,
        body: body.to_string().into(),
        ..HttpReply::default()
    }
}

fn step(replies: &[HttpReply]) -> Result<Listing, Error> {
    Anthropic::list_step(&context("https://a.example"), replies)
}

fn ask(replies: &[HttpReply]) -> HttpRequest {
    match step(replies).unwrap() {
        Listing::Ask(http) => http,
        Listing::Done(models) => panic!("{models:?}"),
    }
}

fn done(replies: &[HttpReply]) -> Vec<Model> {
    match step(replies).unwrap() {
        Listing::Done(models) => models,
        Listing::Ask(http) => panic!("{}", http.url),
    }
}

fn one(entry: &Value) -> Model {
    let mut models = done(&[reply(&json!({ "data": [entry] }))]);
    assert_eq!(models.len(), 1);
    models.remove(0)
}

#[test]
fn pages_are_asked_for_until_there_is_no_more() {
    let first = ask(&[]);
    assert_eq!(first.method, Method::Get);
    assert_eq!(first.url, "https://a.example/v1/models?limit=1000");
    let header = |name: &str| {
        let found = first.headers.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(header("anthropic-beta"), Some("one,two"));

    let one =
        reply(&json!({"data": [{"id": "a"}, {"id": "b"}], "has_more": true, "last_id": "b&x=1"}));
    let two = reply(&json!({"data": [{"id": "b"}, {"id": "c"}], "has_more": true}));
    let three = reply(&json!({"data": [{"id": "d"}], "has_more": false, "last_id": "d"}));
    assert_eq!(
        ask(std::slice::from_ref(&one)).url,
        "https://a.example/v1/models?limit=1000&after_id=b%26x%3D1"
    );
    // Without `last_id` the last entry says it.
    assert_eq!(
        ask(&[one.clone(), two.clone()]).url,
        "https://a.example/v1/models?limit=1000&after_id=c"
    );
    let models = done(&[one, two, three]);
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c", "d"], "in order, each once");
}

#[test]
fn a_server_that_gives_the_same_page_for_ever_is_not_asked_for_ever() {
    let page = reply(&json!({"data": [{"id": "a"}], "has_more": true, "last_id": "a"}));
    assert_eq!(done(&[page.clone(), page]).len(), 1);
    let empty = reply(&json!({"data": [], "has_more": true}));
    assert_eq!(done(&[empty]), []);
}

#[test]
fn a_query_of_the_base_url_is_kept() {
    let listing = Anthropic::list_step(&context("https://a.example/x/v1/?k=v"), &[]);
    let Ok(Listing::Ask(http)) = listing else {
        panic!("{listing:?}");
    };
    assert_eq!(http.url, "https://a.example/x/v1/models?k=v&limit=1000");
}

#[test]
fn what_the_api_says_of_a_model_is_told() {
    let yes = json!({"supported": true});
    let no = json!({"supported": false});
    let mut entry = json!({
        "type": "model", "id": "claude-x", "display_name": "Claude X",
        "created_at": "2026-01-01T00:00:00Z", "lifecycle": "deprecated",
        "max_input_tokens": 1_000_000, "max_tokens": 128_000,
        "retires_at": "2027-05-01T12:00:00Z",
        "capabilities": {"image_input": yes, "pdf_input": yes, "structured_outputs": no,
            "thinking": {"supported": true, "types": {"adaptive": yes}}},
    });
    let model = one(&entry);
    assert_eq!(model.display_name.as_deref(), Some("Claude X"));
    assert_eq!(
        (model.context_window, model.max_output),
        (Some(1_000_000), Some(128_000))
    );
    assert_eq!(model.deprecated_on.as_deref(), Some("2027-05-01"));
    let expected = Capabilities::IMAGES_IN
        | Capabilities::FILES_IN
        | Capabilities::THINKING
        | Capabilities::TOOLS
        | Capabilities::PARALLEL_TOOLS
        | Capabilities::PROMPT_CACHE
        | Capabilities::SYSTEM_ROLE;
    assert_eq!(model.capabilities, Some(expected));
    assert_eq!(
        model.prices,
        [],
        "the API tells none, and unknown is not free"
    );
    let lifecycle = model.extras.iter().find(|extra| extra.name == "lifecycle");
    assert_eq!(lifecycle.unwrap().json, "\"deprecated\"");
    entry["capabilities"]["structured_outputs"] = yes;
    let model = one(&entry);
    assert_eq!(
        model.capabilities,
        Some(expected | Capabilities::JSON_SCHEMA)
    );
}

#[test]
fn what_nobody_says_is_unknown() {
    let nulls = json!({"id": "a", "display_name": "a", "capabilities": null, "max_tokens": null, "max_input_tokens": 0, "retires_at": null});
    // Other servers' ideas of the same words.
    let others = json!({"id": "a", "capabilities": ["tool_use"], "retires_at": "next year"});
    let odd = json!({"id": "a", "capabilities": {"vision": true}});
    for entry in [json!({"id": "a"}), nulls, others, odd] {
        let model = one(&entry);
        let unknown = Model {
            extras: model.extras.clone(),
            ..Model::named("a")
        };
        assert_eq!(model, unknown, "{entry}");
    }
    let list =
        json!({"object": "list", "data": [{"id": "m", "object": "model"}, {"id": ""}, null, 7]});
    assert_eq!(done(&[reply(&list)]).len(), 1, "an odd entry costs itself");
}

#[test]
fn a_refusal_on_any_page_ends_the_listing() {
    let page = reply(&json!({"data": [{"id": "a"}], "has_more": true, "last_id": "a"}));
    let refused = HttpReply {
        status: 401,
        body: json!({"type": "error", "error": {"type": "authentication_error", "message": "no"}})
            .to_string()
            .into(),
        ..HttpReply::default()
    };
    for replies in [vec![refused.clone()], vec![page, refused]] {
        let error = step(&replies).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Auth(AuthKind::Invalid));
    }
    for body in [json!({}), json!({"data": {}}), json!([]), json!(7)] {
        let error = step(&[reply(&body)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{body}");
    }
}
