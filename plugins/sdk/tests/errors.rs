//! The error table: what upstreams say, and what it is.

use vale_sdk::{
    AuthKind, Context, ContextLimit, CredentialInfo, Error, ErrorKind, HttpError, HttpErrorKind,
    HttpReply, LimitScope, NetworkFailure, NetworkKind, RateLimit, errors,
};

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Error {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    errors::from_reply(&HttpReply {
        status,
        headers: headers.collect(),
        body: body.into(),
        url: String::new(),
        received_unix_ms: 0,
    })
}

fn context(limit: Option<u64>, requested: Option<u64>) -> ErrorKind {
    ErrorKind::ContextLength(ContextLimit { limit, requested })
}

fn rate(retry_after_ms: Option<u64>, scope: LimitScope) -> ErrorKind {
    ErrorKind::RateLimited(RateLimit {
        retry_after_ms,
        scope,
    })
}

fn timeout() -> ErrorKind {
    ErrorKind::Network(NetworkFailure {
        kind: NetworkKind::Timeout,
        request_sent: true,
    })
}

#[test]
fn every_upstreams_words_have_their_kind() {
    use ErrorKind::{Auth, InvalidRequest, Overloaded};
    let rows: Vec<(u16, &str, ErrorKind)> = vec![
        // OpenAI.
        (
            401,
            r#"{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            Auth(AuthKind::Invalid),
        ),
        (
            401,
            r#"{"error":{"message":"Your token has expired","code":"token_expired"}}"#,
            Auth(AuthKind::Expired),
        ),
        (
            403,
            r#"{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}"#,
            Auth(AuthKind::Forbidden),
        ),
        (
            404,
            r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#,
            ErrorKind::ModelNotFound,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            Auth(AuthKind::QuotaExhausted),
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#,
            rate(None, LimitScope::Tokens),
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#,
            rate(None, LimitScope::Requests),
        ),
        (
            503,
            r#"{"error":{"message":"slow","code":"server_is_overloaded"}}"#,
            Overloaded(None),
        ),
        (
            500,
            r#"{"error":{"message":"x","type":"server_error","code":null}}"#,
            ErrorKind::Internal,
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.","code":"context_length_exceeded"}}"#,
            context(Some(8192), Some(9001)),
        ),
        (
            400,
            r#"{"error":{"message":"m","code":"content_policy_violation"}}"#,
            ErrorKind::ContentFilter(Some("content_policy_violation".into())),
        ),
        (
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error","param":"temperature","code":null}}"#,
            InvalidRequest(Some("temperature".into())),
        ),
        // Anthropic.
        (
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"m"}}"#,
            Auth(AuthKind::Invalid),
        ),
        (
            402,
            r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#,
            Auth(AuthKind::QuotaExhausted),
        ),
        (
            403,
            r#"{"type":"error","error":{"type":"permission_error","message":"m"}}"#,
            Auth(AuthKind::Forbidden),
        ),
        (
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#,
            ErrorKind::ModelNotFound,
        ),
        (
            413,
            r#"{"type":"error","error":{"type":"request_too_large","message":"m"}}"#,
            InvalidRequest(None),
        ),
        (
            429,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"This organization's spend limit"}}"#,
            rate(None, LimitScope::Spend),
        ),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            Overloaded(None),
        ),
        (
            500,
            r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#,
            ErrorKind::Internal,
        ),
        (
            504,
            r#"{"type":"error","error":{"type":"timeout_error","message":"m"}}"#,
            timeout(),
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
            context(Some(200_000), Some(210_000)),
        ),
        // llama-server.
        (
            400,
            r#"{"error":{"code":400,"message":"m","type":"exceed_context_size_error","n_prompt_tokens":6031,"n_ctx":4096}}"#,
            context(Some(4096), Some(6031)),
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            Overloaded(None),
        ),
        (
            404,
            r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#,
            InvalidRequest(None),
        ),
        // Ollama.
        (
            404,
            r#"{"error":"model 'x' not found"}"#,
            ErrorKind::ModelNotFound,
        ),
        (400, r#"{"error":"invalid option"}"#, InvalidRequest(None)),
        (
            503,
            r#"{"error":"server busy, please try again"}"#,
            Overloaded(None),
        ),
        // OpenRouter.
        (
            402,
            r#"{"error":{"code":402,"message":"Insufficient credits"}}"#,
            Auth(AuthKind::QuotaExhausted),
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"m","metadata":{"reasons":["violence","hate"]}}}"#,
            ErrorKind::ContentFilter(Some("violence, hate".into())),
        ),
        (
            404,
            r#"{"error":{"code":404,"message":"No endpoints found for x"}}"#,
            ErrorKind::ModelNotFound,
        ),
        (408, r#"{"error":{"code":408,"message":"m"}}"#, timeout()),
        // Gemini.
        (
            429,
            r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"@type":"RetryInfo","retryDelay":"34.5s"}]}}]"#,
            rate(Some(34_500), LimitScope::Other("unknown".into())),
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"API key not valid","status":"UNAUTHENTICATED"}}"#,
            Auth(AuthKind::Invalid),
        ),
        // vLLM, FastAPI, nothing at all.
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 2,048 tokens","type":"BadRequestError","code":400}"#,
            context(Some(2048), None),
        ),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
            InvalidRequest(None),
        ),
        (409, "", ErrorKind::Other("conflict".into())),
        (502, "", ErrorKind::Internal),
        (302, "", ErrorKind::MalformedResponse),
        (418, "I'm a teapot", InvalidRequest(None)),
    ];
    for (status, body, kind) in rows {
        let error = reply(status, &[], body);
        assert_eq!(error.kind, kind, "{status} {body}");
        assert_eq!(error.http_status, Some(status));
        assert!(!error.message.is_empty(), "{status} {body}");
    }
}

#[test]
fn headers_tell_the_wait_the_scope_the_id_and_whether_to_repeat() {
    let headers = [
        ("Retry-After", "2"),
        ("x-should-retry", "false"),
        ("X-Request-Id", "req_1"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-remaining-requests", "59"),
    ];
    let error = reply(
        429,
        &headers,
        r#"{"error":{"message":"m","code":"rate_limit_exceeded"}}"#,
    );
    assert_eq!(error.kind, rate(Some(2000), LimitScope::Tokens));
    assert_eq!(error.retryable, Some(false));
    assert_eq!(error.provider_request_id.as_deref(), Some("req_1"));
    assert_eq!(error.provider_code.as_deref(), Some("rate_limit_exceeded"));
    let error = reply(
        529,
        &[("retry-after-ms", "1500"), ("request-id", "req_2")],
        "{}",
    );
    assert_eq!(error.kind, ErrorKind::Overloaded(Some(1500)));
    assert_eq!(error.provider_request_id.as_deref(), Some("req_2"));
    assert_eq!(error.retryable, None);
    // A kind that has no place for the wait carries it beside.
    let error = reply(500, &[("retry-after", "3"), ("x-should-retry", "true")], "");
    assert_eq!(error.retryable, Some(true));
    assert_eq!(
        (error.extras[0].name.as_str(), error.extras[0].json.as_str()),
        ("retry-after-ms", "3000")
    );
    let error = reply(
        401,
        &[],
        r#"{"error":{"message":"m"},"request_id":"req_3"}"#,
    );
    assert_eq!(error.provider_request_id.as_deref(), Some("req_3"));
}

#[test]
fn a_code_is_a_string_a_number_or_null() {
    let code = |code: &str| {
        reply(
            400,
            &[],
            &format!(r#"{{"error":{{"message":"m","type":"t","code":{code}}}}}"#),
        )
        .provider_code
    };
    assert_eq!(code("\"c\"").as_deref(), Some("c"));
    assert_eq!(code("400").as_deref(), Some("400"));
    assert_eq!(code("null").as_deref(), Some("t"));
}

#[test]
fn a_message_is_the_upstreams_and_has_an_end() {
    let openrouter = r#"{"error":{"code":502,"message":"Provider returned error","metadata":{"raw":"upstream says no"}}}"#;
    assert_eq!(
        reply(502, &[], openrouter).message,
        "Provider returned error: upstream says no"
    );
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(5000));
    let message = reply(400, &[], &long).message;
    assert!(message.len() < 2100 && message.ends_with('…'));
    let redirect = reply(308, &[("location", "https://example.com/v1?token=abc")], "");
    assert!(
        redirect.message.contains("https://example.com/v1;") && !redirect.message.contains("abc")
    );
}

#[test]
fn every_network_failure_keeps_its_kind_and_whether_it_was_sent() {
    let rows = [
        (HttpErrorKind::Denied, NetworkKind::DeniedByPolicy),
        (HttpErrorKind::Dns, NetworkKind::Dns),
        (HttpErrorKind::Connect, NetworkKind::Connect),
        (HttpErrorKind::Tls, NetworkKind::Tls),
        (HttpErrorKind::Timeout, NetworkKind::Timeout),
        (HttpErrorKind::Reset, NetworkKind::Reset),
        (HttpErrorKind::Truncated, NetworkKind::Truncated),
        (HttpErrorKind::TooLarge, NetworkKind::TooLarge),
        (HttpErrorKind::Protocol, NetworkKind::Protocol),
        (
            HttpErrorKind::Other("x".into()),
            NetworkKind::Other("x".into()),
        ),
    ];
    for (from, kind) in rows {
        for request_sent in [false, true] {
            let error = Error::from(HttpError {
                kind: from.clone(),
                message: "m".into(),
                request_sent,
                extras: Vec::new(),
            });
            let failure = NetworkFailure {
                kind: kind.clone(),
                request_sent,
            };
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::Network(failure), "m")
            );
        }
    }
}

#[test]
fn a_required_credential_that_is_absent_stops_the_call_and_another_does_not() {
    let credential = |present, required| CredentialInfo {
        name: "api-key".into(),
        present,
        required,
        extras: Vec::new(),
    };
    let check = |credentials| {
        Context::new("{}", credentials)
            .unwrap()
            .require_credentials()
    };
    let error = check(vec![credential(false, false), credential(false, true)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::Missing));
    assert!(error.message.contains("api-key"));
    assert_eq!(
        check(vec![credential(true, true), credential(false, false)]),
        Ok(())
    );
    assert_eq!(check(vec![]), Ok(()));
}

#[test]
fn settings_are_read_and_urls_are_joined() {
    let context = |settings: &str| Context::new(settings, vec![]);
    let url = |base: &str| {
        let settings = format!(r#"{{"base_url":"{base}"}}"#);
        context(&settings)
            .unwrap()
            .url("base_url", "models")
            .unwrap()
    };
    assert_eq!(url("https://x/v1"), "https://x/v1/models");
    assert_eq!(url(" https://x/v1// "), "https://x/v1/models");
    assert_eq!(
        url("https://x/v1?api-version=1"),
        "https://x/v1/models?api-version=1"
    );
    let empty = context(r#"{"base_url":" "}"#)
        .unwrap()
        .url("base_url", "models")
        .unwrap_err();
    assert_eq!(
        empty.kind,
        ErrorKind::InvalidRequest(Some("base_url".into()))
    );
    for bad in ["", "[]", "{", "7"] {
        assert_eq!(context(bad).unwrap_err().kind, ErrorKind::Internal);
    }
}
