//! The table from code, type, words and status to a kind.

use super::told::Told;
use crate::http::HttpReply;
use crate::types::{
    AuthKind, ContextLimit, ErrorKind, LimitScope, NetworkFailure, NetworkKind, RateLimit,
};

/// Codes and types, lower case, of an input that is too long for the model.
const CONTEXT: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "contextwindowexceedederror",
    "string_above_max_length",
];
/// The same without a code: how servers word it.
const CONTEXT_PHRASES: &[&str] = &[
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "exceeds the maximum number of tokens",
];
const QUOTA: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "quota_exceeded",
    "insufficient_credits",
    "insufficient_balance",
];
const INVALID_KEY: &[&str] = &[
    "invalid_api_key",
    "authentication_error",
    "authentication",
    "unauthorized",
    "unauthenticated",
    "invalid_authentication",
];
const FORBIDDEN: &[&str] = &["permission_error", "permission_denied", "forbidden"];
const FILTER: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "content_policy",
    "moderation_blocked",
    "responsible_ai_policy_violation",
];
const NO_MODEL: &[&str] = &["model_not_found", "invalid_model"];
const RATE: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limit",
    "throttling_error",
    "too_many_requests",
    "slow_down",
    "resource_exhausted",
];
const OVERLOADED: &[&str] = &[
    "overloaded_error",
    "overloaded",
    "server_is_overloaded",
    "engine_overloaded",
    "unavailable_error",
    "service_unavailable",
    "unavailable",
];

/// The kind. `headers` is the reply, or an empty one in mid-stream; `is_web_page` says that the
/// body is HTML, so that a 404 means a wrong address and not a missing model.
pub(super) fn kind(
    told: &Told,
    status: Option<u16>,
    headers: &HttpReply,
    retry_after: Option<u64>,
    is_web_page: bool,
) -> ErrorKind {
    let words = told.words();
    let speaks_of = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let rejected = matches!(status, None | Some(400 | 413 | 422 | 500));
    if told.is(CONTEXT) || rejected && speaks_of(CONTEXT_PHRASES) {
        return ErrorKind::ContextLength(context_limit(told, &words));
    }
    if told.is(QUOTA) || status == Some(402) {
        return ErrorKind::Auth(AuthKind::QuotaExhausted);
    }
    if told.is(FILTER) || told.reasons.is_some() {
        let named = told.reasons.clone().or_else(|| told.code.clone());
        return ErrorKind::ContentFilter(named);
    }
    if told.is(NO_MODEL) {
        return ErrorKind::ModelNotFound;
    }
    let invalid_key = || match speaks_of(&["expired"]) {
        true => ErrorKind::Auth(AuthKind::Expired),
        false => ErrorKind::Auth(AuthKind::Invalid),
    };
    let rate_limited = || {
        ErrorKind::RateLimited(RateLimit {
            retry_after_ms: retry_after,
            scope: scope(told, headers, &words),
        })
    };
    match status {
        Some(401) => invalid_key(),
        Some(403) => ErrorKind::Auth(AuthKind::Forbidden),
        Some(404 | 405) if is_web_page => ErrorKind::MalformedResponse,
        // Anthropic names the model without the word; an address of ours it always knows.
        Some(404) if speaks_of(&["model", "endpoints found"]) => ErrorKind::ModelNotFound,
        Some(408 | 504 | 524) => network(NetworkKind::Timeout),
        Some(409) => ErrorKind::Other("conflict".into()),
        Some(429) => rate_limited(),
        Some(503 | 529) => ErrorKind::Overloaded(retry_after),
        Some(400..=499) if is_web_page => ErrorKind::MalformedResponse,
        Some(400) if told.is(INVALID_KEY) => invalid_key(),
        Some(400..=499) => ErrorKind::InvalidRequest(told.param.clone()),
        Some(300..=399) => ErrorKind::MalformedResponse,
        _ if told.is(INVALID_KEY) => invalid_key(),
        _ if told.is(FORBIDDEN) => ErrorKind::Auth(AuthKind::Forbidden),
        _ if told.is(RATE) => rate_limited(),
        _ if told.is(OVERLOADED) => ErrorKind::Overloaded(retry_after),
        None if told.is(&["timeout_error", "timeout"]) => network(NetworkKind::Timeout),
        None if told.is(&["not_found_error"]) => ErrorKind::ModelNotFound,
        None if told.is(&["invalid_request_error", "request_too_large"]) => {
            ErrorKind::InvalidRequest(told.param.clone())
        }
        // 500, 502 and everything that explains itself in no known word.
        _ => ErrorKind::Internal,
    }
}

fn network(kind: NetworkKind) -> ErrorKind {
    ErrorKind::Network(NetworkFailure {
        kind,
        request_sent: true,
    })
}

fn context_limit(told: &Told, words: &str) -> ContextLimit {
    let after = |phrases: &[&str]| {
        phrases
            .iter()
            .find_map(|phrase| number_after(words, phrase))
    };
    ContextLimit {
        limit: told.n_ctx.or_else(|| {
            after(&[
                "maximum context length is ",
                "tokens > ",
                "context window of ",
            ])
        }),
        requested: told.n_prompt_tokens.or_else(|| {
            after(&[
                "resulted in ",
                "requested about ",
                "requested ",
                "too long: ",
            ])
        }),
    }
}

/// The number that follows a phrase; thousands may be set apart by commas.
fn number_after(words: &str, phrase: &str) -> Option<u64> {
    let (_, rest) = words.split_once(phrase)?;
    let digits: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// What the limit counts: OpenAI names it in `type`, everyone else in words or in headers.
fn scope(told: &Told, headers: &HttpReply, words: &str) -> LimitScope {
    let used_up = |name: &str| headers.header(name) == Some("0");
    if told.is(&["tokens"]) {
        LimitScope::Tokens
    } else if told.is(&["requests"]) {
        LimitScope::Requests
    } else if words.contains("spend") || words.contains("budget") {
        LimitScope::Spend
    } else if words.contains("concurren") {
        LimitScope::Concurrent
    } else if used_up("x-ratelimit-remaining-requests")
        || used_up("anthropic-ratelimit-requests-remaining")
        || words.contains("requests per")
    {
        LimitScope::Requests
    } else if used_up("x-ratelimit-remaining-tokens")
        || used_up("anthropic-ratelimit-tokens-remaining")
        || words.contains("tokens per")
    {
        LimitScope::Tokens
    } else {
        LimitScope::Other("unknown".into())
    }
}
