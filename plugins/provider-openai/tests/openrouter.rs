//! OpenRouter, as its documentation has it: Chat Completions with comments, charges, errors in
//! mid-stream, and a list of models with prices.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    AuthKind, Context, ErrorKind, Event, HttpReply, Message, NetworkKind, Provider, Request, Role,
};

fn context() -> Context {
    Context::new(r#"{"base_url":"https://openrouter.ai/api/v1"}"#, vec![]).unwrap()
}

fn stream(chunks: &[&str]) -> Outcome {
    let body: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    let body = format!(": OPENROUTER PROCESSING\n\n{body}");
    let replay = Replay::<OpenAi>::body(body).context(context());
    replay.every_split().unwrap()
}

#[test]
fn it_is_asked_by_chat_completions() {
    let request = Request::new("a/b", vec![Message::text(Role::User, "Hello")]);
    let http = OpenAi::completion_request(&context(), &request).unwrap();
    assert_eq!(http.url, "https://openrouter.ai/api/v1/chat/completions");
    let models = OpenAi::models_request(&context()).unwrap();
    assert_eq!(models.url, "https://openrouter.ai/api/v1/models");
}

#[test]
fn it_is_told_which_program_asks_and_no_other_server_is() {
    let named = |base_url: &str| {
        let settings = format!("{{\"base_url\":\"{base_url}\"}}");
        let context = Context::new(settings, vec![]).unwrap();
        let request = Request::new("m", vec![Message::text(Role::User, "Hello")]);
        let http = OpenAi::completion_request(&context, &request).unwrap();
        http.headers
            .contains(&("x-title".into(), "ValeChat".into()))
    };
    assert!(named("https://openrouter.ai/api/v1"));
    assert!(!named("https://api.openai.com/v1"));
    assert!(!named("http://127.0.0.1:8080/v1"));
}

#[test]
fn a_comment_is_a_sign_of_life_and_who_answers_is_kept() {
    let outcome = stream(&[
        r#"{"id":"gen-1","provider":"Anthropic","model":"a/b","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop","native_finish_reason":"end_turn"}]}"#,
        "[DONE]",
    ]);
    let [Event::Ping, Event::Started(started), Event::Text(text)] = outcome.events.as_slice()
    else {
        panic!("{:?}", outcome.events);
    };
    assert_eq!(text, "Hi");
    assert_eq!(started.response_id.as_deref(), Some("gen-1"));
    assert_eq!(started.extras[0].json, "\"Anthropic\"");
}

#[test]
fn the_charge_is_the_one_that_it_reports_to_the_last_digit() {
    for (told, amount) in [
        ("0.00014", "0.00014"),
        ("1.4e-07", "0.00000014"),
        ("0", "0"),
        ("\"0.10000000000000000555\"", "0.10000000000000000555"),
    ] {
        let usage = format!(
            r#"{{"choices":[],"usage":{{"prompt_tokens":194,"completion_tokens":2,"total_tokens":196,"cost":{told},"prompt_tokens_details":{{"cached_tokens":100,"cache_write_tokens":50}},"completion_tokens_details":{{"reasoning_tokens":1}}}}}}"#
        );
        let outcome = stream(&[
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            &usage,
            "[DONE]",
        ]);
        let usage = outcome.terminal.unwrap().usage.unwrap();
        let cost = usage.reported_cost.as_ref().unwrap();
        assert_eq!(
            (cost.currency.as_str(), cost.amount.as_str()),
            ("USD", amount)
        );
        let buckets = [
            usage.input,
            usage.cache_read,
            usage.cache_write_5m,
            usage.output,
            usage.reasoning,
        ];
        assert_eq!(buckets, [Some(44), Some(100), Some(50), Some(1), Some(1)]);
    }
}

#[test]
fn an_error_in_mid_stream_has_the_kind_of_its_numeric_code() {
    let kind = |code: &str| {
        let chunk = format!(
            r#"{{"id":"gen-1","object":"chat.completion.chunk","provider":"x","error":{{"code":{code},"message":"m"}},"choices":[{{"index":0,"delta":{{"content":""}},"finish_reason":"error","native_finish_reason":"error"}}]}}"#
        );
        let hello = r#"{"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}"#;
        let outcome = stream(&[hello, &chunk]);
        assert_eq!(outcome.text(), "Hel");
        let error = outcome.terminal.unwrap_err();
        assert_eq!(error.message, "m");
        assert_eq!(error.provider_code.as_deref(), Some(code.trim_matches('"')));
        error.kind
    };
    assert_eq!(kind("400"), ErrorKind::InvalidRequest(None));
    assert_eq!(kind("401"), ErrorKind::Auth(AuthKind::Invalid));
    assert_eq!(kind("402"), ErrorKind::Auth(AuthKind::QuotaExhausted));
    assert_eq!(kind("403"), ErrorKind::Auth(AuthKind::Forbidden));
    assert!(
        matches!(kind("408"), ErrorKind::Network(failure) if failure.kind == NetworkKind::Timeout)
    );
    assert!(matches!(kind("429"), ErrorKind::RateLimited(_)));
    assert_eq!(kind("502"), ErrorKind::Internal);
    assert_eq!(kind("503"), ErrorKind::Overloaded(None));
    assert_eq!(kind("\"server_error\""), ErrorKind::Internal);
}

#[test]
fn prices_keep_every_digit_and_no_price_is_not_free() {
    let body = r#"{"data":[
        {"id":"a/b","context_length":1048576,"pricing":{"prompt":"0.000000123456789","completion":"0.00000000001","input_cache_read":"0.0000000025"}},
        {"id":"c/d","context_length":8192,"pricing":{"prompt":"-1","completion":"-1"}},
        {"id":"e/f","pricing":{"completion":"0.1"}}]}"#;
    let reply = HttpReply {
        status: 200,
        body: body.into(),
        ..HttpReply::default()
    };
    let models = OpenAi::parse_models(&context(), &reply).unwrap();
    let price = &models[0].prices[0];
    assert_eq!(price.input.as_deref(), Some("0.123456789"));
    assert_eq!(price.output.as_deref(), Some("0.00001"));
    assert_eq!(price.cache_read.as_deref(), Some("0.0025"));
    assert_eq!(price.cache_write_5m, None);
    assert_eq!(models[0].context_window, Some(1_048_576));
    assert_eq!(models[1].prices, []);
    let partial = &models[2].prices[0];
    assert_eq!(
        (partial.input.as_deref(), partial.output.as_deref()),
        (None, Some("100000"))
    );
}
