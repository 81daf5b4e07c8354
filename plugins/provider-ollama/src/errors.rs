//! Failures in Ollama's words: a text, and a status or none.

use vale_sdk::json::Value;
use vale_sdk::{Error, ErrorKind, HttpReply, errors};

/// What Ollama and its runners say when a model does not fit into memory.
const NO_MEMORY: &[&str] = &[
    "requires more system memory",
    "out of memory",
    "insufficient memory",
    "unable to allocate",
];

/// A failed reply.
pub(crate) fn of_reply(reply: &HttpReply) -> Error {
    refined(errors::from_reply(reply))
}

/// A line `{"error": "…"}` in the midst of an answer; none if it holds no error.
pub(crate) fn of_line(line: &Value<'_>) -> Option<Error> {
    errors::in_stream(line).map(refined)
}

/// Ollama gives no codes: its words tell more than its status, and in mid-stream there is none.
fn refined(mut error: Error) -> Error {
    let words = error.message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let is_missing = says(&["try pulling"]) || words.starts_with("model ") && says(&["not found"]);
    if is_missing || error.kind == ErrorKind::ModelNotFound {
        error.kind = ErrorKind::ModelNotFound;
        let name = quoted_name(&error.message).unwrap_or_default();
        let next = format!(" (`{}`)", format!("ollama pull {name}").trim_end());
        error.message.push_str(&next);
    } else if says(NO_MEMORY) {
        // It will not be there a moment later either.
        error.kind = ErrorKind::Internal;
        error.retryable = Some(false);
        error
            .message
            .push_str(" (lower max_num_ctx of this provider, or take a smaller model)");
    } else if says(&["server busy", "maximum pending requests"]) {
        if !matches!(error.kind, ErrorKind::Overloaded(_)) {
            error.kind = ErrorKind::Overloaded(None);
        }
    } else if let Some((_, what)) = words.split_once("does not support ") {
        let what = what.trim_end_matches('.').to_string();
        error.kind = ErrorKind::Unsupported(what);
    } else if matches!(error.kind, ErrorKind::Auth(_)) {
        error
            .message
            .push_str(" (set this provider's key, or `ollama signin` where Ollama runs)");
    }
    error
}

/// The first name in quotes, if it may stand in a command that people copy.
fn quoted_name(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(['"', '\''])?;
    let (name, _) = rest.split_once(['"', '\''])?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
    let is_name = !name.is_empty() && !name.starts_with('-') && name.chars().all(is_plain);
    is_name.then_some(name)
}
