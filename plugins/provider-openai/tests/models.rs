//! Lists of models, as the servers give them.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use vale_sdk::{Capabilities, Context, Error, ErrorKind, HttpReply, Model, Provider};

fn parse(body: &str) -> Result<Vec<Model>, Error> {
    let reply = HttpReply {
        status: 200,
        body: body.into(),
        ..HttpReply::default()
    };
    OpenAi::parse_models(&Context::default(), &reply)
}

fn one(body: &str) -> Model {
    let mut models = parse(body).unwrap();
    assert_eq!(models.len(), 1);
    models.remove(0)
}

#[test]
fn openais_list_says_little_and_the_rest_is_unknown() {
    let models = parse(
        r#"{"object":"list","data":[
            {"id":"gpt-5","object":"model","created":1686935002,"owned_by":"openai"},
            {"id":"old","created":1,"owned_by":"openai","shutdown_date":"2026-12-31T00:00:00Z"},
            {"id":""},{"created":1},null,7]}"#,
    )
    .unwrap();
    let ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["gpt-5", "old"]);
    let first = &models[0];
    let extras: Vec<_> = first
        .extras
        .iter()
        .map(|extra| (extra.name.as_str(), extra.json.as_str()))
        .collect();
    assert_eq!(
        extras,
        [("created", "1686935002"), ("owned_by", "\"openai\"")]
    );
    let unknown = Model {
        extras: first.extras.clone(),
        ..Model::named("gpt-5")
    };
    assert_eq!(*first, unknown);
    assert_eq!(models[1].deprecated_on.as_deref(), Some("2026-12-31"));
}

#[test]
fn openrouters_prices_are_per_million_exactly_and_unknown_is_not_free() {
    let list = |pricing: &str| {
        one(&format!(
            r#"{{"data":[{{"id":"a/b","name":"A: B","context_length":200000,
                "architecture":{{"input_modalities":["text","image"]}},
                "supported_parameters":["tools","reasoning"],
                "top_provider":{{"max_completion_tokens":64000}},"pricing":{pricing}}}]}}"#
        ))
    };
    let model = list(
        r#"{"prompt":"0.000003","completion":"0.0000155","input_cache_read":"0.0000003","input_cache_write":"0.00000375","internal_reasoning":"0","request":"0","image":"0.0048"}"#,
    );
    assert_eq!(model.display_name.as_deref(), Some("A: B"));
    assert_eq!(
        (model.context_window, model.max_output),
        (Some(200_000), Some(64_000))
    );
    let capabilities = Capabilities::IMAGES_IN
        | Capabilities::TOOLS
        | Capabilities::THINKING
        | Capabilities::SYSTEM_ROLE;
    assert_eq!(model.capabilities, Some(capabilities));
    let price = &model.prices[0];
    assert_eq!(price.currency, "USD");
    assert_eq!(price.input.as_deref(), Some("3"));
    assert_eq!(price.output.as_deref(), Some("15.5"));
    assert_eq!(price.cache_read.as_deref(), Some("0.3"));
    assert_eq!(price.cache_write_5m.as_deref(), Some("3.75"));
    assert_eq!(price.reasoning.as_deref(), Some("15.5"), "billed as output");
    assert_eq!(price.extras[1].name, "image");
    // Free is a price; "it depends" is none.
    let free = list(r#"{"prompt":"0","completion":"0"}"#);
    assert_eq!(free.prices[0].input.as_deref(), Some("0"));
    assert_eq!(list(r#"{"prompt":"-1","completion":"-1"}"#).prices, []);
    assert_eq!(list("null").prices, []);
    // No cache price beside a real one is unknown.
    let plain = list(r#"{"prompt":"0.000001","completion":"0.000002","input_cache_read":"0"}"#);
    assert_eq!(plain.prices[0].cache_read, None);
}

#[test]
fn local_servers_tell_their_context_and_what_is_loaded() {
    let cases = [
        (
            r#"{"id":"a","context_length":8192,"loaded":true}"#,
            Some(8192),
            Some(true),
        ),
        (
            r#"{"id":"a","max_context_length":4096,"state":"not-loaded"}"#,
            Some(4096),
            Some(false),
        ),
        (r#"{"id":"a","state":"loaded"}"#, None, Some(true)),
        (r#"{"id":"a","max_model_len":2048}"#, Some(2048), None),
        (
            r#"{"id":"a","meta":{"n_ctx_train":8192,"n_params":1}}"#,
            Some(8192),
            None,
        ),
        (
            r#"{"id":"a","meta":null,"context_length":"many","context_window":0}"#,
            None,
            None,
        ),
    ];
    for (entry, context, loaded) in cases {
        let model = one(&format!(r#"{{"object":"list","data":[{entry}]}}"#));
        assert_eq!(
            (model.context_window, model.loaded),
            (context, loaded),
            "{entry}"
        );
    }
}

#[test]
fn a_bare_list_is_a_list_and_anything_else_is_told() {
    assert_eq!(one(r#"[{"id":"a"}]"#).id, "a");
    assert_eq!(parse(r#"{"data":[]}"#), Ok(vec![]));
    for body in ["{}", "7", "", "nonsense", r#"{"data":{}}"#] {
        assert_eq!(
            parse(body).unwrap_err().kind,
            ErrorKind::MalformedResponse,
            "{body}"
        );
    }
    let page = parse("<html><title>Hello</title></html>").unwrap_err();
    assert!(page.message.contains("\"Hello\""));
    let error = parse(r#"{"error":{"message":"no","code":"invalid_api_key"}}"#).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Auth(_)));
}
