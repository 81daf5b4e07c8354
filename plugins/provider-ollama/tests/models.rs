//! The list of models, step by step.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use serde_json::{Value, json};
use vale_sdk::{
    BodyPart, Capabilities, Context, Error, ErrorKind, HttpReply, HttpRequest, Listing, Method,
    Model, Provider,
};

fn step(replies: &[HttpReply]) -> Result<Listing, Error> {
    let settings = json!({ "base_url": "http://127.0.0.1:11434" });
    let context = Context::new(settings.to_string(), vec![]).unwrap();
    Ollama::list_step(&context, replies)
}

fn asked(replies: &[HttpReply]) -> HttpRequest {
    match step(replies).unwrap() {
        Listing::Ask(http) => http,
        Listing::Done(models) => panic!("{models:?}"),
    }
}

fn listed(replies: &[HttpReply]) -> Vec<Model> {
    match step(replies).unwrap() {
        Listing::Done(models) => models,
        Listing::Ask(http) => panic!("{http:?}"),
    }
}

fn reply(status: u16, body: &Value) -> HttpReply {
    HttpReply {
        status,
        body: body.to_string().into(),
        ..HttpReply::default()
    }
}

fn tags(models: Value) -> HttpReply {
    reply(200, &json!({ "models": models }))
}

/// The one model of a list of one, with this card.
fn one(entry: Value, card: &HttpReply) -> Option<Model> {
    let models = listed(&[tags(json!([entry])), tags(json!([])), card.clone()]);
    assert!(models.len() < 2);
    models.into_iter().next()
}

#[test]
fn the_list_then_what_is_loaded_then_a_card_each() {
    let replies = [
        tags(json!([
            {"name": "qwen3:4b", "details": {"parameter_size": "4B", "quantization_level": "Q4_K_M"}},
            {"name": "nomic-embed-text:latest"},
            {"name": "old:7b"},
        ])),
        tags(json!([{"name": "qwen3:4b"}])),
        reply(
            200,
            &json!({
                "capabilities": ["completion", "tools", "thinking"],
                "model_info": {"general.architecture": "qwen3", "qwen3.context_length": 40960},
            }),
        ),
        reply(
            200,
            &json!({"capabilities": ["embedding"], "model_info": {}}),
        ),
        reply(404, &json!({"error": "not found"})),
    ];
    let wanted = [
        ("tags", None),
        ("ps", None),
        ("show", Some("qwen3:4b")),
        ("show", Some("nomic-embed-text:latest")),
        ("show", Some("old:7b")),
    ];
    for (at, (endpoint, model)) in wanted.into_iter().enumerate() {
        let http = asked(&replies[..at]);
        assert_eq!(http.url, format!("http://127.0.0.1:11434/api/{endpoint}"));
        let Some(model) = model else {
            assert_eq!((http.method, http.body.len()), (Method::Get, 0));
            continue;
        };
        assert_eq!(http.method, Method::Post);
        let [BodyPart::Bytes(body)] = http.body.as_slice() else {
            panic!("{http:?}");
        };
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body, json!({ "model": model }));
    }
    let models = listed(&replies);
    let rows: Vec<_> = models
        .iter()
        .map(|model| (model.id.as_str(), model.context_window, model.loaded))
        .collect();
    // What only embeds is left out; a card that fails hides nothing.
    assert_eq!(
        rows,
        [
            ("qwen3:4b", Some(40_960), Some(true)),
            ("old:7b", None, Some(false)),
        ]
    );
    let can = Capabilities::SYSTEM_ROLE
        | Capabilities::JSON_SCHEMA
        | Capabilities::TOOLS
        | Capabilities::PARALLEL_TOOLS
        | Capabilities::THINKING;
    assert_eq!(models[0].capabilities, Some(can));
    assert_eq!(models[1].capabilities, None, "unknown is not none");
    let extras: Vec<_> = models[0]
        .extras
        .iter()
        .map(|extra| (extra.name.as_str(), extra.json.as_str()))
        .collect();
    assert_eq!(
        extras,
        [
            ("parameter_size", "\"4B\""),
            ("quantization_level", "\"Q4_K_M\"")
        ]
    );
}

#[test]
fn a_server_that_knows_only_the_list_still_has_models() {
    let none = reply(404, &json!({}));
    let models = listed(&[
        tags(json!([{"model": "llama3.2"}])),
        none.clone(),
        none.clone(),
    ]);
    assert_eq!(
        (models[0].id.as_str(), models[0].loaded),
        ("llama3.2", None)
    );
    assert_eq!(listed(&[tags(json!([])), none]), []);
}

#[test]
fn cards_are_read_leniently() {
    let card = |card: Value| reply(200, &card);
    let entry = || json!({"name": "m"});
    let sees = card(json!({"capabilities": ["completion", "vision"]}));
    let model = one(entry(), &sees).unwrap();
    assert!(
        model
            .capabilities
            .unwrap()
            .contains(Capabilities::IMAGES_IN)
    );
    assert_eq!(model.context_window, None);
    for nothing in [
        card(json!({})),
        card(json!([])),
        card(json!({"model_info": {"a.context_length": 9}})),
        card(json!({"model_info": {"general.architecture": "a", "a.context_length": "many"}})),
        card(json!({"model_info": {"general.architecture": "a", "a.context_length": 0}})),
        reply(500, &json!({"capabilities": ["embedding"]})),
        HttpReply {
            status: 200,
            body: b"<html>".to_vec(),
            ..HttpReply::default()
        },
    ] {
        let model = one(entry(), &nothing).unwrap();
        let known = (model.context_window, model.capabilities);
        assert_eq!(known, (None, None), "{nothing:?}");
    }
    // The list of newer versions says what a model can; a card's word counts before it.
    let told = json!({"name": "m", "capabilities": ["completion", "tools"]});
    let model = one(told, &reply(404, &json!({}))).unwrap();
    assert!(model.capabilities.unwrap().contains(Capabilities::TOOLS));
    let embeds = json!({"name": "m", "capabilities": ["embedding"]});
    assert_eq!(one(embeds, &reply(404, &json!({}))), None);
}

#[test]
fn an_embedding_model_of_an_older_version_is_known_by_its_pooling() {
    let info = |info: Value| reply(200, &json!({ "model_info": info }));
    let bert = info(
        json!({"general.architecture": "nomic-bert", "nomic-bert.pooling_type": 1, "nomic-bert.context_length": 2048}),
    );
    assert_eq!(one(json!({"name": "m"}), &bert), None);
    let llama = info(json!({"general.architecture": "llama", "llama.context_length": 8192}));
    let model = one(json!({"name": "m"}), &llama).unwrap();
    assert_eq!(model.context_window, Some(8192));
}

#[test]
fn entries_without_a_name_do_not_shift_the_cards() {
    let models = listed(&[
        tags(json!([{"size": 1}, {"name": ""}, 7, {"name": "b"}])),
        tags(json!([])),
        reply(
            200,
            &json!({"model_info": {"general.architecture": "a", "a.context_length": 5}}),
        ),
    ]);
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].context_window, Some(5));
}

#[test]
fn beyond_two_hundred_models_only_the_list_is_told() {
    let names: Vec<Value> = (0..203).map(|n| json!({ "name": n.to_string() })).collect();
    let mut replies = vec![tags(json!(names)), tags(json!([]))];
    while let Listing::Ask(_) = step(&replies).unwrap() {
        replies.push(reply(404, &json!({})));
        assert!(replies.len() < 250);
    }
    assert_eq!(replies.len(), 202);
    assert_eq!(listed(&replies).len(), 203);
}

#[test]
fn a_server_without_the_list_says_why() {
    let refused = reply(401, &json!({"error": "unauthorized"}));
    let error = step(&[refused]).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Auth(_)));
    assert!(error.message.contains("`ollama signin`"), "{error:?}");
    let busy = reply(503, &json!({"error": "server busy"}));
    assert_eq!(step(&[busy]).unwrap_err().kind, ErrorKind::Overloaded(None));
    for body in [json!({}), json!([]), json!({"models": {}})] {
        let error = step(&[reply(200, &body)]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{body}");
    }
}
