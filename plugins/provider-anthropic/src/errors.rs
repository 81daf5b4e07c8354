//! Failures in this API's words, beyond what the SDK tells from status and shape.

use vale_sdk::json::Value;
use vale_sdk::{AuthKind, ContextLimit, Error, ErrorKind, HttpReply, errors};

/// A failed reply.
pub(crate) fn of_reply(reply: &HttpReply) -> Error {
    let error = errors::from_reply(reply);
    match Value::parse(&reply.body) {
        Some(body) => refined(error, &body),
        None => error,
    }
}

/// An `error` event in the middle of an answer.
pub(crate) fn of_event(data: &[u8]) -> Error {
    let error = errors::of_frame(data);
    match Value::parse(data) {
        Some(body) => refined(error, &body),
        None => error,
    }
}

fn refined(mut error: Error, body: &Value<'_>) -> Error {
    let told = body.get("error");
    let kind = told.and_then(|told| told.get("type")).and_then(Value::text);
    let words = told
        .and_then(|told| told.get("message"))
        .and_then(Value::text);
    let kind = kind.unwrap_or_default();
    let by_type = match kind.as_str() {
        "authentication_error" => Some(ErrorKind::Auth(AuthKind::Invalid)),
        "permission_error" => Some(ErrorKind::Auth(AuthKind::Forbidden)),
        "billing_error" => Some(ErrorKind::Auth(AuthKind::QuotaExhausted)),
        "request_too_large" => Some(ErrorKind::InvalidRequest(None)),
        // Where the status or the headers have said more, they stay.
        "overloaded_error" if !matches!(error.kind, ErrorKind::Overloaded(_)) => {
            Some(ErrorKind::Overloaded(None))
        }
        "api_error" => Some(ErrorKind::Internal),
        _ => None,
    };
    if let Some(kind) = by_type {
        error.kind = kind;
    }
    if let Some(limit) = words.as_deref().and_then(too_long) {
        error.kind = ErrorKind::ContextLength(limit);
    } else if words.as_deref().is_some_and(is_out_of_credit) {
        error.kind = ErrorKind::Auth(AuthKind::QuotaExhausted);
    }
    if error.provider_code.is_none() && !kind.is_empty() {
        error.provider_code = Some(kind);
    }
    if error.provider_request_id.is_none() {
        error.provider_request_id = body.get("request_id").and_then(Value::text);
    }
    error
}

/// "prompt is too long: 250000 tokens > 200000 maximum".
fn too_long(words: &str) -> Option<ContextLimit> {
    let rest = words.split_once("prompt is too long")?.1;
    let mut numbers = rest
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok());
    Some(ContextLimit {
        requested: numbers.next(),
        limit: numbers.next(),
    })
}

/// A 400 that is about money: an empty account, or a limit that the person set themselves.
fn is_out_of_credit(words: &str) -> bool {
    words.contains("credit balance is too low") || words.contains("usage limits")
}
