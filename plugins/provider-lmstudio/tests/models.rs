//! The list of models, by three ways.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_lmstudio::LmStudio;
use serde_json::{Value, json};
use vale_sdk::{
    AuthKind, Capabilities, Context, Error, ErrorKind, HttpReply, Listing, Method, Model, Provider,
};

const ROOT: &str = "http://127.0.0.1:1234";

fn step(base_url: &str, replies: &[HttpReply]) -> Result<Listing, Error> {
    let context = Context::new(json!({ "base_url": base_url }).to_string(), vec![]).unwrap();
    LmStudio::list_step(&context, replies)
}

fn asked(base_url: &str, replies: &[HttpReply]) -> String {
    match step(base_url, replies).unwrap() {
        Listing::Ask(http) => {
            assert_eq!(http.method, Method::Get);
            http.url
        }
        Listing::Done(models) => panic!("{models:?}"),
    }
}

fn listed(replies: &[HttpReply]) -> Vec<Model> {
    match step(ROOT, replies).unwrap() {
        Listing::Done(models) => models,
        Listing::Ask(http) => panic!("{}", http.url),
    }
}

fn reply(status: u16, body: impl Into<Vec<u8>>) -> HttpReply {
    HttpReply {
        status,
        body: body.into(),
        ..HttpReply::default()
    }
}

fn fixture(name: &str) -> HttpReply {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/lmstudio");
    reply(200, std::fs::read(format!("{folder}/{name}")).unwrap())
}

/// How servers answer an address that they do not know: as others do, and as LM Studio does.
fn unknown() -> [HttpReply; 3] {
    [
        reply(404, "Not Found"),
        reply(
            200,
            r#"{"error":"Unexpected endpoint or method. (GET /api/v1/models)"}"#,
        ),
        reply(502, "<html>bad gateway</html>"),
    ]
}

/// The one model of a list of the current API.
fn one(entry: &Value) -> Option<Model> {
    let body = json!({ "models": [entry] }).to_string();
    let models = listed(&[reply(200, body)]);
    assert!(models.len() < 2);
    models.into_iter().next()
}

/// Id, context, loaded, capabilities.
type Row<'m> = (&'m str, Option<u64>, Option<bool>, Option<Capabilities>);

fn row(model: &Model) -> Row<'_> {
    let (context, loaded) = (model.context_window, model.loaded);
    (&model.id, context, loaded, model.capabilities)
}

#[test]
fn the_current_api_is_asked_first_and_tells_most() {
    assert_eq!(asked(ROOT, &[]), format!("{ROOT}/api/v1/models"));
    assert_eq!(asked("http://nas/lm/", &[]), "http://nas/lm/api/v1/models");
    let models = listed(&[fixture("models-v1.json")]);
    let rows: Vec<_> = models.iter().map(row).collect();
    let tools = Capabilities::SYSTEM_ROLE | Capabilities::TOOLS;
    let sees = Capabilities::SYSTEM_ROLE | Capabilities::IMAGES_IN | Capabilities::THINKING;
    assert_eq!(
        rows,
        [
            // What it runs with, not the 131072 that it was made for.
            ("acme/small-7b", Some(8192), Some(true), Some(tools)),
            ("acme/see-3b", Some(32_768), Some(false), Some(sees)),
        ]
    );
    assert_eq!(models[0].display_name.as_deref(), Some("Small 7B"));
    let made_for = models[0]
        .extras
        .iter()
        .find(|extra| extra.name == "max_context_length");
    assert_eq!(made_for.unwrap().json, "131072");
}

#[test]
fn older_versions_are_asked_by_older_ways() {
    for no in unknown() {
        let replies = [no.clone(), no.clone()];
        assert_eq!(asked(ROOT, &replies[..1]), format!("{ROOT}/api/v0/models"));
        assert_eq!(asked(ROOT, &replies), format!("{ROOT}/v1/models"));
        let models = listed(&[no.clone(), fixture("models-v0.json")]);
        let rows: Vec<_> = models.iter().map(row).collect();
        let tools = Capabilities::SYSTEM_ROLE | Capabilities::TOOLS;
        let sees = Capabilities::SYSTEM_ROLE | Capabilities::IMAGES_IN;
        assert_eq!(
            rows,
            [
                ("see-3b", Some(32_768), Some(false), Some(sees)),
                ("small-7b", Some(4096), Some(true), Some(tools)),
            ]
        );
        let models = listed(&[no.clone(), no, fixture("models-openai.json")]);
        let rows: Vec<_> = models.iter().map(row).collect();
        assert_eq!(rows, [("acme/small-7b", None, None, None)]);
    }
}

#[test]
fn an_address_with_v1_is_asked_below_it_only() {
    // The host lets nothing out beside the path of the address.
    for base in ["http://127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1/"] {
        assert_eq!(asked(base, &[]), format!("{ROOT}/v1/models"));
        let Listing::Done(models) = step(base, &[fixture("models-openai.json")]).unwrap() else {
            panic!("asks on");
        };
        assert_eq!(models.len(), 1);
        let error = step(base, &[reply(500, "")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
    }
}

#[test]
fn a_refused_key_and_a_server_without_any_list_say_why() {
    for status in [401, 403] {
        let refused = reply(status, r#"{"error":{"message":"Invalid token"}}"#);
        for replies in [vec![refused.clone()], vec![reply(404, ""), refused]] {
            let error = step(ROOT, &replies).unwrap_err();
            assert!(matches!(
                error.kind,
                ErrorKind::Auth(AuthKind::Invalid | AuthKind::Forbidden)
            ));
            assert!(error.message.contains("token"), "{}", error.message);
            assert!(error.message.contains("server settings"), "{error:?}");
        }
    }
    let no = || reply(404, "");
    let busy = reply(503, r#"{"error":"busy"}"#);
    let error = step(ROOT, &[no(), no(), busy]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded(None));
    let error = step(ROOT, &[no(), no(), reply(200, "{}")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::MalformedResponse);
    // No model is there: that is an answer.
    assert_eq!(listed(&[reply(200, r#"{"models":[]}"#)]), []);
}

#[test]
fn only_language_models_are_listed() {
    let kind = |kind: Value| one(&json!({"key": "m", "type": kind})).is_some();
    assert!(kind(json!("llm")) && kind(json!("vlm")) && kind(Value::Null));
    assert!(!kind(json!("embedding")) && !kind(json!("embeddings")) && !kind(json!("tts")));
    assert_eq!(one(&json!({"type": "llm"})), None, "it has no name");
}

#[test]
fn what_a_model_runs_with_counts_before_what_it_was_made_for() {
    let instance = |context: Value| json!({"id": "i", "config": {"context_length": context}});
    let window = |instances: Value, made_for: Value| {
        let entry = json!({"key": "m", "type": "llm", "loaded_instances": instances, "max_context_length": made_for});
        let model = one(&entry).unwrap();
        (model.context_window, model.loaded)
    };
    let two = json!([instance(json!(8192)), instance(json!(4096))]);
    // Any instance may answer.
    assert_eq!(window(two, json!(32_768)), (Some(4096), Some(true)));
    assert_eq!(
        window(json!([]), json!(32_768)),
        (Some(32_768), Some(false))
    );
    let odd = json!([{"id": "i"}, instance(json!("many"))]);
    assert_eq!(window(odd, json!(32_768)), (Some(32_768), Some(true)));
    assert_eq!(window(Value::Null, json!(0)), (None, None));
}
