//! Failures in LM Studio's words, as replies and in the midst of an answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_lmstudio::LmStudio;
use serde_json::{Value, json};
use vale_sdk::testkit::Replay;
use vale_sdk::{AuthKind, ContextLimit, Error, ErrorKind, HttpReply};

const TALK: &str = r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;

fn reply(status: u16, body: &Value) -> Error {
    let reply = HttpReply {
        status,
        body: body.to_string().into(),
        ..HttpReply::default()
    };
    Replay::<LmStudio>::of(reply).whole().terminal.unwrap_err()
}

/// The failure wherever it may stand: as a reply, its error an object or a text; in a stream, as
/// an event of its own or a piece like any other; as one JSON value with status 200.
fn everywhere(status: u16, words: &str) -> Vec<Error> {
    let object = json!({"error": {"message": words}});
    let text = json!({ "error": words });
    let mut errors = vec![reply(status, &object), reply(status, &text)];
    for head in ["event: error\ndata:", "data:"] {
        for body in [&object, &text] {
            let body = format!("data: {TALK}\n\n{head} {body}\n\n");
            let outcome = Replay::<LmStudio>::body(body).every_split().unwrap();
            assert_eq!(outcome.text(), "Hi", "the text is kept");
            errors.push(outcome.terminal.unwrap_err());
        }
    }
    let whole = Replay::<LmStudio>::body(object.to_string());
    errors.push(whole.every_split().unwrap().terminal.unwrap_err());
    errors
}

#[test]
fn a_model_that_is_not_loaded_is_told_with_the_next_step() {
    for words in [
        "No models loaded. Please load a model in the developer page or use the `lms load` command",
        "No models loaded.",
        "Model is unloaded.",
        "Model unloaded",
        "The model is not loaded",
    ] {
        for error in everywhere(404, words) {
            assert_eq!(error.kind, ErrorKind::ModelNotFound, "{words}");
            assert!(error.message.starts_with(words), "{}", error.message);
            let said = error.message.matches("`lms load`").count();
            assert_eq!(said, 1, "{}", error.message);
        }
    }
}

#[test]
fn a_model_that_cannot_be_loaded_is_not_tried_again() {
    let words = "Failed to load model \"acme/big-70b\". Error: Model loading was stopped due to insufficient system resources.";
    for error in everywhere(400, words) {
        assert_eq!(error.kind, ErrorKind::Internal);
        assert_eq!(error.retryable, Some(false));
        assert!(error.message.contains("LM Studio"), "{}", error.message);
    }
}

#[test]
fn a_model_that_is_not_there_is_told_with_the_command_that_lists_them() {
    let error = reply(
        400,
        &json!({"error": {"message": "Invalid model identifier \"x\".", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}),
    );
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert_eq!(error.provider_code.as_deref(), Some("model_not_found"));
    assert!(error.message.contains("`lms ls`"), "{}", error.message);
}

#[test]
fn too_long_a_conversation_is_told_with_its_numbers() {
    let limit = |limit, requested| ErrorKind::ContextLength(ContextLimit { limit, requested });
    for (words, kind) in [
        (
            "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context length of only 32768 tokens, which is not enough. Try to load the model with a larger context length, or provide a shorter input",
            limit(Some(32_768), Some(111_490)),
        ),
        (
            "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: 4096). Try to load the model with a larger context length, or provide a shorter input.",
            limit(Some(4096), Some(13_055)),
        ),
        (
            "The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length, or provide a shorter input",
            limit(None, None),
        ),
    ] {
        for error in everywhere(400, words) {
            assert_eq!(error.kind, kind);
            assert_eq!(error.message, words, "it says itself what helps");
        }
    }
}

#[test]
fn a_refused_token_is_told_with_where_to_make_one() {
    let error = reply(401, &json!({"error": {"message": "Invalid API token"}}));
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::Invalid));
    assert!(
        error.message.contains("server settings"),
        "{}",
        error.message
    );
}

#[test]
fn what_has_no_next_step_keeps_its_own_words() {
    for error in everywhere(500, "Something broke") {
        assert_eq!(error.kind, ErrorKind::Internal);
        assert_eq!(error.message, "Something broke");
    }
    let page = Replay::<LmStudio>::body("<html><title>Hello</title></html>");
    let error = page.whole().terminal.unwrap_err();
    assert_eq!(error.kind, ErrorKind::MalformedResponse);
}
