//! Failures in LM Studio's words, with the next step.

use vale_sdk::{ContextLimit, Error, ErrorKind};

/// What it says when the model is not in memory, before an answer or in the midst of one.
const NOT_LOADED: &[&str] = &[
    "no models loaded",
    "no model loaded",
    "model is not loaded",
    "model not loaded",
    "model unloaded",
    "model is unloaded",
    "model has been unloaded",
];

/// The same failure with a kind where the words tell more than the code, and with what helps.
pub(crate) fn explained(mut error: Error) -> Error {
    let words = error.message.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let next = if says(NOT_LOADED) {
        error.kind = ErrorKind::ModelNotFound;
        // Some of its messages say so themselves.
        (!says(&["lms load"])).then_some("load it in LM Studio, or with `lms load`")
    } else if says(&["failed to load", "insufficient system resources"]) {
        // It will fail a moment later too.
        error.kind = ErrorKind::Internal;
        error.retryable = Some(false);
        Some("try to load it in LM Studio, which says why it cannot")
    } else {
        match &mut error.kind {
            ErrorKind::ModelNotFound => Some("`lms ls` lists the models that are there"),
            ErrorKind::Auth(_) => Some(
                "make a token in LM Studio's server settings and set it as this provider's key",
            ),
            ErrorKind::ContextLength(limit) => {
                tell_limit(limit, &words);
                None
            }
            _ => None,
        }
    };
    if let Some(next) = next {
        error.message.push_str(&format!(" ({next})"));
    }
    error
}

/// Its numbers stand in the words: "keep the first 111490 tokens … context length of only 32768
/// tokens", and newer "(n_keep: 13055>= n_ctx: 4096)".
fn tell_limit(limit: &mut ContextLimit, words: &str) {
    let after = |phrases: &[&str]| phrases.iter().find_map(|phrase| number(words, phrase));
    limit.limit = limit
        .limit
        .or_else(|| after(&["context length of only ", "n_ctx: "]));
    limit.requested = limit
        .requested
        .or_else(|| after(&["keep the first ", "n_keep: "]));
}

fn number(words: &str, phrase: &str) -> Option<u64> {
    let (_, rest) = words.split_once(phrase)?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest.get(..end.unwrap_or(rest.len()))?.parse().ok()
}
