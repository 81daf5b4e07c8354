//! Failures in Ollama's words, as replies and in the midst of an answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use serde_json::{Value, json};
use vale_sdk::testkit::Replay;
use vale_sdk::{AuthKind, ContextLimit, Error, ErrorKind, HttpReply};

const TALK: &str = r#"{"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}"#;

/// The failure of an error line with HTTP 200, after some text.
fn in_stream(error: &Value) -> Error {
    let body = format!("{TALK}\n{}\n", json!({ "error": error }));
    let outcome = Replay::<Ollama>::body(body).every_split().unwrap();
    assert_eq!(outcome.text(), "Hi", "the text is kept");
    outcome.terminal.unwrap_err()
}

fn reply(status: u16, error: &Value) -> Error {
    let reply = HttpReply {
        status,
        body: json!({ "error": error }).to_string().into(),
        ..HttpReply::default()
    };
    Replay::<Ollama>::of(reply).whole().terminal.unwrap_err()
}

/// The same words as a reply of this status and in mid-stream.
fn both(status: u16, words: &str) -> [Error; 2] {
    [reply(status, &json!(words)), in_stream(&json!(words))]
}

fn unsupported(what: &str) -> ErrorKind {
    ErrorKind::Unsupported(what.into())
}

#[test]
fn each_failure_has_its_kind_wherever_it_is_told() {
    let nothing = ContextLimit {
        limit: None,
        requested: None,
    };
    let too_long = || ErrorKind::ContextLength(nothing);
    for (status, words, kind) in [
        (
            500,
            "llama runner process has terminated: exit status 2",
            ErrorKind::Internal,
        ),
        (
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            ErrorKind::Overloaded(None),
        ),
        (
            400,
            "\"llama3:8b\" does not support tools",
            unsupported("tools"),
        ),
        (
            400,
            "\"llama3:8b\" does not support thinking.",
            unsupported("thinking"),
        ),
        (
            400,
            "\"nomic-embed-text\" does not support chat",
            unsupported("chat"),
        ),
        (
            400,
            "the input length exceeds the context length",
            too_long(),
        ),
        (
            400,
            "prompt too long; exceeded max context length by 12 tokens",
            too_long(),
        ),
        (
            400,
            "the request exceeds the available context size. try increasing the context size",
            too_long(),
        ),
    ] {
        for error in both(status, words) {
            assert_eq!(error.kind, kind, "{words}");
            assert!(error.message.starts_with(words), "{}", error.message);
        }
    }
}

#[test]
fn a_missing_model_is_named_with_the_command_that_fetches_it() {
    for (words, command) in [
        (
            "model \"qwen3:4b\" not found, try pulling it first",
            "`ollama pull qwen3:4b`",
        ),
        (
            "model 'hf.co/a/b:Q4' not found",
            "`ollama pull hf.co/a/b:Q4`",
        ),
        ("model not found", "`ollama pull`"),
        // What would not be a name is put into no command.
        (
            "model \"x; rm -rf ~\" not found, try pulling it first",
            "`ollama pull`",
        ),
        ("model \"--insecure\" not found", "`ollama pull`"),
    ] {
        for error in both(404, words) {
            assert_eq!(error.kind, ErrorKind::ModelNotFound, "{words}");
            assert_eq!(error.message, format!("{words} ({command})"));
        }
    }
    // Other things that are not found are no models.
    let page = HttpReply {
        status: 404,
        body: b"404 page not found".to_vec(),
        ..HttpReply::default()
    };
    let error = Replay::<Ollama>::of(page).whole().terminal.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidRequest(None));
}

#[test]
fn too_little_memory_is_not_tried_again_and_says_what_helps() {
    for words in [
        "model requires more system memory (9.0 GiB) than is available (5.0 GiB)",
        "CUDA error: out of memory",
        "llama runner process has terminated: error: unable to allocate CUDA0 buffer",
    ] {
        for error in both(500, words) {
            assert_eq!(
                (&error.kind, error.retryable),
                (&ErrorKind::Internal, Some(false))
            );
            assert!(error.message.contains("smaller model"), "{}", error.message);
        }
    }
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept() {
    let reply = HttpReply {
        status: 503,
        headers: vec![("Retry-After".into(), "2".into())],
        body: br#"{"error":"server busy, please try again"}"#.to_vec(),
        ..HttpReply::default()
    };
    let error = Replay::<Ollama>::of(reply).whole().terminal.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded(Some(2000)));
}

#[test]
fn who_is_not_signed_in_is_told_how() {
    let error = reply(401, &json!("unauthorized"));
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::Invalid));
    assert!(
        error.message.contains("`ollama signin`"),
        "{}",
        error.message
    );
}

#[test]
fn errors_in_openais_shape_are_errors_too() {
    // Proxies over other servers.
    let error = in_stream(&json!({"message": "model \"x\" not found", "code": 404}));
    assert_eq!(error.kind, ErrorKind::ModelNotFound);
    assert_eq!(error.http_status, Some(404));
    let error = in_stream(&json!({"message": "slow down", "type": "rate_limit_error"}));
    assert!(matches!(error.kind, ErrorKind::RateLimited(_)));
}
