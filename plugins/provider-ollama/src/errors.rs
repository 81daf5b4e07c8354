//! Failures in Ollama's words: a text, and a status or none.

use vale_sdk::json::Value;
use vale_sdk::{Error, ErrorKind, HttpReply, errors};

/// A failed reply.
pub(crate) fn of_reply(reply: &HttpReply) -> Error {
    refined(errors::from_reply(reply))
}

/// A line `{"error": "…"}` in the midst of an answer; none if it holds no error.
pub(crate) fn of_line(line: &Value<'_>) -> Option<Error> {
    errors::in_stream(line).map(refined)
}

fn refined(mut error: Error) -> Error {
    let words = error.message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    if says(&["not found, try pulling", "model not found"])
        || (words.starts_with("model") && says(&["not found"]))
    {
        error.kind = ErrorKind::ModelNotFound;
        if !says(&["ollama pull"]) {
            error.message.push_str(" (fetch it with `ollama pull`)");
        }
    } else if says(&[
        "exceeds the available context",
        "exceeds the context length",
    ]) {
        if !matches!(error.kind, ErrorKind::ContextLength(_)) {
            error.kind = ErrorKind::ContextLength(vale_sdk::ContextLimit {
                limit: None,
                requested: None,
            });
        }
    } else if says(&[
        "requires more system memory",
        "out of memory",
        "unable to allocate",
    ]) {
        // It will not be there a moment later either.
        error.kind = ErrorKind::Internal;
        error.retryable = Some(false);
    } else if says(&["server busy", "maximum pending requests"]) {
        error.kind = ErrorKind::Overloaded(None);
    } else if says(&["does not support"]) {
        error.kind = ErrorKind::Unsupported(error.message.clone());
    }
    error
}
