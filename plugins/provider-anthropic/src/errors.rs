//! Failures in this API's words, beyond what the SDK tells from status and shape.
//!
//! The API names a failure in `error.type`, some of them again in `error.details.error_code`, and
//! gateways keep those words when they change the status.

use vale_sdk::json::Value;
use vale_sdk::{
    AuthKind, ContextLimit, Error, ErrorKind, HttpReply, LimitScope, NetworkFailure, NetworkKind,
    RateLimit, errors,
};

/// A failed reply.
pub(crate) fn of_reply(reply: &HttpReply) -> Error {
    let mut error = errors::from_reply(reply);
    if reply.status == 413 {
        // Also where a proxy in front of the API says it in HTML.
        error.kind = ErrorKind::InvalidRequest(None);
    }
    let error = match Value::parse(&reply.body) {
        Some(body) => refined(error, &body, reply),
        None => error,
    };
    with_scope(error, reply)
}

/// An `error` event in the midst of an answer.
pub(crate) fn of_event(data: &[u8]) -> Error {
    let error = errors::of_frame(data);
    match Value::parse(data) {
        Some(body) => refined(error, &body, &HttpReply::default()),
        None => error,
    }
}

fn refined(mut error: Error, body: &Value<'_>, reply: &HttpReply) -> Error {
    let Some(told) = body.get("error").filter(|told| told.is_object()) else {
        return error;
    };
    let kind = told.get("type").and_then(Value::text).unwrap_or_default();
    let words = told
        .get("message")
        .and_then(Value::text)
        .unwrap_or_default();
    let code = told
        .get("details")
        .and_then(|about| about.get("error_code"));
    let code = code.and_then(Value::text);
    if let Some(kind) = by_type(&kind, &error.kind, reply) {
        error.kind = kind;
    }
    if let Some(limit) = context_limit(&words) {
        error.kind = ErrorKind::ContextLength(limit);
    } else if kind == "invalid_request_error" && is_about_money(&words) {
        error.kind = ErrorKind::Auth(AuthKind::QuotaExhausted);
    }
    if let Some(code) = code {
        by_code(&mut error, &code);
        error.provider_code = Some(code);
    }
    error
}

/// The kind that `error.type` names, where the status has told of another.
fn by_type(told: &str, found: &ErrorKind, reply: &HttpReply) -> Option<ErrorKind> {
    let wait = || errors::retry_after_ms(reply);
    match (told, found) {
        ("authentication_error", ErrorKind::Auth(_))
        | ("rate_limit_error", ErrorKind::RateLimited(_))
        | ("overloaded_error", ErrorKind::Overloaded(_)) => None,
        ("authentication_error", _) => Some(ErrorKind::Auth(AuthKind::Invalid)),
        ("permission_error", _) => Some(ErrorKind::Auth(AuthKind::Forbidden)),
        ("billing_error", _) => Some(ErrorKind::Auth(AuthKind::QuotaExhausted)),
        ("overloaded_error", _) => Some(ErrorKind::Overloaded(wait())),
        ("rate_limit_error", _) => Some(ErrorKind::RateLimited(RateLimit {
            retry_after_ms: wait(),
            scope: LimitScope::Other("unknown".into()),
        })),
        ("timeout_error", _) => Some(ErrorKind::Network(NetworkFailure {
            kind: NetworkKind::Timeout,
            request_sent: true,
        })),
        ("conflict_error", _) => Some(ErrorKind::Other("conflict".into())),
        ("request_too_large", _) => Some(ErrorKind::InvalidRequest(None)),
        _ => None,
    }
}

/// What `error.details.error_code` adds. A spent limit is as good as no money: asking again at
/// once is of no use, unless the server itself says otherwise.
fn by_code(error: &mut Error, code: &str) {
    if code == "organization_on_hold" {
        error.kind = ErrorKind::Auth(AuthKind::Forbidden);
    } else if code.ends_with("spend_limit_reached") {
        if let ErrorKind::RateLimited(limit) = &mut error.kind {
            limit.scope = LimitScope::Spend;
        } else {
            error.kind = ErrorKind::Auth(AuthKind::QuotaExhausted);
        }
        error.retryable = error.retryable.or(Some(false));
    }
}

/// A rate limit of which only the headers say what ran out. The SDK knows those for requests and
/// for tokens; this API also counts input and output apart.
fn with_scope(mut error: Error, reply: &HttpReply) -> Error {
    let used_up = |what: &str| {
        let name = format!("anthropic-ratelimit-{what}-remaining");
        reply.header(&name) == Some("0")
    };
    if let ErrorKind::RateLimited(limit) = &mut error.kind
        && matches!(limit.scope, LimitScope::Other(_))
        && ["input-tokens", "output-tokens"].into_iter().any(used_up)
    {
        limit.scope = LimitScope::Tokens;
    }
    error
}

/// `prompt is too long: 250000 tokens > 200000 maximum`, and
/// ``input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, …``.
fn context_limit(words: &str) -> Option<ContextLimit> {
    const PHRASES: [&str; 2] = ["prompt is too long", "exceed context limit"];
    let rest = PHRASES
        .iter()
        .find_map(|phrase| words.split_once(phrase))?
        .1;
    let (requested, limit) = rest.split_once('>').unwrap_or((rest, ""));
    let parts = numbers(requested);
    Some(ContextLimit {
        requested: (!parts.is_empty()).then(|| {
            parts
                .iter()
                .fold(0, |sum: u64, part| sum.saturating_add(*part))
        }),
        limit: numbers(limit).first().copied(),
    })
}

fn numbers(text: &str) -> Vec<u64> {
    let runs = text.split(|c: char| !c.is_ascii_digit());
    runs.filter_map(|digits| digits.parse().ok()).collect()
}

/// A 400 that is about money: an empty account, or a limit that the person has set there. It has
/// no type of its own.
fn is_about_money(words: &str) -> bool {
    words.contains("credit balance is too low") || words.contains("API usage limits")
}
