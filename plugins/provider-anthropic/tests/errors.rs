//! Failures by status, by type and by code, before and in the midst of an answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use serde_json::json;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    AuthKind, ContextLimit, Error, ErrorKind, HttpReply, LimitScope, NetworkFailure, NetworkKind,
    Provider, RateLimit,
};

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    Anthropic::error_from_reply(&HttpReply {
        status,
        headers: headers.collect(),
        body: body.into(),
        ..HttpReply::default()
    })
}

fn told(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
        .to_string()
}

fn coded(kind: &str, code: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": "m", "details": {"error_code": code}}})
        .to_string()
}

fn limited(retry_after_ms: Option<u64>, scope: LimitScope) -> ErrorKind {
    ErrorKind::RateLimited(RateLimit {
        retry_after_ms,
        scope,
    })
}

fn unknown_scope() -> LimitScope {
    LimitScope::Other("unknown".into())
}

fn timeout() -> ErrorKind {
    ErrorKind::Network(NetworkFailure {
        kind: NetworkKind::Timeout,
        request_sent: true,
    })
}

#[test]
fn every_status_of_the_api_has_its_kind() {
    let rows = [
        (
            400,
            "invalid_request_error",
            ErrorKind::InvalidRequest(None),
        ),
        (
            401,
            "authentication_error",
            ErrorKind::Auth(AuthKind::Invalid),
        ),
        (
            402,
            "billing_error",
            ErrorKind::Auth(AuthKind::QuotaExhausted),
        ),
        (
            403,
            "permission_error",
            ErrorKind::Auth(AuthKind::Forbidden),
        ),
        (409, "conflict_error", ErrorKind::Other("conflict".into())),
        (413, "request_too_large", ErrorKind::InvalidRequest(None)),
        (429, "rate_limit_error", limited(None, unknown_scope())),
        (500, "api_error", ErrorKind::Internal),
        (504, "timeout_error", timeout()),
        (529, "overloaded_error", ErrorKind::Overloaded(None)),
    ];
    for (status, kind, expected) in rows {
        let error = reply(status, &[], &told(kind, "m"));
        assert_eq!(error.kind, expected, "{status}");
        assert_eq!(error.message, "m");
        assert_eq!(error.http_status, Some(status));
        assert_eq!(error.provider_code.as_deref(), Some(kind));
        assert_eq!(error.provider_request_id.as_deref(), Some("req_1"));
        // A proxy that answers for it says nothing but the status.
        let bare = reply(status, &[], "").kind;
        assert_eq!(bare, expected, "{status} alone");
    }
    let gone = reply(404, &[], &told("not_found_error", "model: claude-0"));
    assert_eq!(gone.kind, ErrorKind::ModelNotFound);
    let large = reply(413, &[], "<html><title>413 Too Large</title></html>");
    assert_eq!(large.kind, ErrorKind::InvalidRequest(None));
}

#[test]
fn the_type_counts_where_a_gateway_got_the_status_wrong() {
    let wait = [("retry-after", "7")];
    let rows = [
        ("overloaded_error", ErrorKind::Overloaded(Some(7000))),
        ("rate_limit_error", limited(Some(7000), unknown_scope())),
        ("authentication_error", ErrorKind::Auth(AuthKind::Invalid)),
        ("permission_error", ErrorKind::Auth(AuthKind::Forbidden)),
        ("billing_error", ErrorKind::Auth(AuthKind::QuotaExhausted)),
        ("timeout_error", timeout()),
    ];
    for (kind, expected) in rows {
        for status in [400, 500] {
            let error = reply(status, &wait, &told(kind, "m"));
            assert_eq!(error.kind, expected, "{status} {kind}");
        }
    }
}

#[test]
fn the_headers_say_how_long_to_wait_what_ran_out_and_whether_to_ask_again() {
    let limit = told("rate_limit_error", "m");
    let error = reply(
        429,
        &[
            ("retry-after", "12"),
            ("request-id", "req_h"),
            ("x-should-retry", "true"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ],
        &limit,
    );
    assert_eq!(error.kind, limited(Some(12_000), LimitScope::Tokens));
    assert_eq!(error.provider_request_id.as_deref(), Some("req_h"));
    assert_eq!(error.retryable, Some(true));
    let rows = [
        (
            "anthropic-ratelimit-requests-remaining",
            LimitScope::Requests,
        ),
        ("anthropic-ratelimit-tokens-remaining", LimitScope::Tokens),
        (
            "anthropic-ratelimit-output-tokens-remaining",
            LimitScope::Tokens,
        ),
        ("anthropic-organization-id", unknown_scope()),
    ];
    for (header, scope) in rows {
        let error = reply(429, &[(header, "0")], &limit);
        assert_eq!(error.kind, limited(None, scope), "{header}");
        assert_eq!(error.retryable, None);
    }
    let no = reply(
        529,
        &[("x-should-retry", "false"), ("retry-after", "3")],
        "",
    );
    assert_eq!(no.kind, ErrorKind::Overloaded(Some(3000)));
    assert_eq!(no.retryable, Some(false));
    let words = told(
        "rate_limit_error",
        "would exceed 40,000 input tokens per minute",
    );
    let error = reply(429, &[], &words);
    assert_eq!(error.kind, limited(None, LimitScope::Tokens));
}

#[test]
fn a_prompt_that_is_too_long_says_by_how_much() {
    let rows = [
        (
            "prompt is too long: 250000 tokens > 200000 maximum",
            Some(200_000),
            Some(250_000),
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
            Some(200_000),
            Some(210_000),
        ),
        ("prompt is too long", None, None),
    ];
    for (words, limit, requested) in rows {
        let error = reply(400, &[], &told("invalid_request_error", words));
        let expected = ErrorKind::ContextLength(ContextLimit { limit, requested });
        assert_eq!(error.kind, expected, "{words}");
        assert_eq!(error.message, words);
    }
}

#[test]
fn an_empty_account_and_a_spent_limit_are_no_bad_requests() {
    for words in [
        "Your credit balance is too low to access the Anthropic API.",
        "You have reached your specified API usage limits.",
    ] {
        let error = reply(400, &[], &told("invalid_request_error", words));
        assert_eq!(error.kind, ErrorKind::Auth(AuthKind::QuotaExhausted));
    }
    // A month's limit: asking again in a second is of no use.
    let month = coded("rate_limit_error", "enforced_spend_limit_reached");
    let error = reply(429, &[], &month);
    assert_eq!(error.kind, limited(None, LimitScope::Spend));
    assert_eq!(error.retryable, Some(false));
    assert_eq!(
        error.provider_code.as_deref(),
        Some("enforced_spend_limit_reached")
    );
    let error = reply(429, &[("x-should-retry", "true")], &month);
    assert_eq!(error.retryable, Some(true), "the server knows better");
    // One that caps growth passes by itself.
    let ramp = coded("rate_limit_error", "ramp_limit_exceeded");
    let error = reply(429, &[("retry-after", "30")], &ramp);
    assert_eq!(error.kind, limited(Some(30_000), unknown_scope()));
    assert_eq!(error.retryable, None);
    let linked = coded("billing_error", "linked_organization_spend_limit_reached");
    let error = reply(402, &[], &linked);
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::QuotaExhausted));
    let hold = coded("invalid_request_error", "organization_on_hold");
    let error = reply(400, &[], &hold);
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::Forbidden));
}

/// An answer that says "Hi" and then this event.
fn broken_off(event: &str) -> Outcome {
    let text = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\"}}}}\n\nevent: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"text\",\"text\":\"Hi\"}}}}\n\n{event}"
    );
    Replay::<Anthropic>::body(text).every_split().unwrap()
}

#[test]
fn an_error_event_in_mid_stream_is_a_failure_of_its_kind_and_keeps_the_text() {
    let rows = [
        ("overloaded_error", ErrorKind::Overloaded(None)),
        ("rate_limit_error", limited(None, unknown_scope())),
        ("api_error", ErrorKind::Internal),
        ("authentication_error", ErrorKind::Auth(AuthKind::Invalid)),
        ("permission_error", ErrorKind::Auth(AuthKind::Forbidden)),
        ("billing_error", ErrorKind::Auth(AuthKind::QuotaExhausted)),
        ("timeout_error", timeout()),
        ("invalid_request_error", ErrorKind::InvalidRequest(None)),
        ("request_too_large", ErrorKind::InvalidRequest(None)),
        ("something_new", ErrorKind::Internal),
    ];
    for (kind, expected) in rows {
        let data = told(kind, "sorry");
        // With and without the event's name, the blank line, and something behind it.
        for event in [
            format!("event: error\ndata: {data}\n\n"),
            format!("data: {data}\n\n"),
            format!("event: error\ndata: {data}"),
            format!("event: error\ndata: {data}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"),
        ] {
            let outcome = broken_off(&event);
            assert_eq!(outcome.text(), "Hi");
            let error = outcome.terminal.unwrap_err();
            assert_eq!(error.kind, expected, "{kind}");
            assert_eq!(error.message, "sorry");
            assert_eq!(error.http_status, None);
            assert_eq!(error.provider_code.as_deref(), Some(kind));
            assert_eq!(error.provider_request_id.as_deref(), Some("req_1"));
        }
    }
}

#[test]
fn an_event_named_error_is_one_whatever_it_holds() {
    for data in ["boom", "", "{}", "{\"type\":\"message_stop\"}"] {
        let outcome = broken_off(&format!("event: error\ndata: {data}\n\n"));
        assert!(outcome.terminal.is_err(), "{data}");
        assert_eq!(outcome.text(), "Hi");
    }
    // LiteLLM's and other gateways' form.
    let bare =
        broken_off("data: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n");
    assert_eq!(bare.terminal.unwrap_err().kind, ErrorKind::Overloaded(None));
}

#[test]
fn an_error_with_status_200_instead_of_a_message_is_that_error() {
    let body = told("overloaded_error", "Overloaded");
    let outcome = Replay::<Anthropic>::body(body).every_split().unwrap();
    let error = outcome.terminal.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded(None));
}
