//! Every recorded answer of this wire through the mapper, cut at every byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{ErrorKind, FinishReason, NetworkFailure, NetworkKind};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");

fn replay(name: &str) -> Replay<Ollama> {
    Replay::file(format!("{FOLDER}/{name}.raw")).unwrap()
}

fn outcome(name: &str) -> Outcome {
    replay(name).every_split().unwrap()
}

#[test]
fn every_whole_answer_is_mapped() {
    use FinishReason::{Stop, ToolCalls};
    let rows = [
        (
            "aimock.ollama.hello",
            "Hello from aimock. How can I help?",
            "",
            Stop,
        ),
        (
            "aimock.ollama.slow",
            "Once upon a time there was a mock.",
            "",
            Stop,
        ),
        (
            "aimock.ollama.reason",
            "The answer is 42.",
            "Let me think about it step by step.",
            Stop,
        ),
        ("aimock.ollama.unicode", "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok", "", Stop),
        ("aimock.ollama.weather", "Checking.", "", ToolCalls),
    ];
    for (name, text, thinking, reason) in rows {
        let outcome = outcome(name);
        assert_eq!(outcome.text(), text, "{name}");
        assert_eq!(outcome.thinking(), thinking, "{name}");
        let finish = outcome.terminal.unwrap();
        assert_eq!(finish.reason, reason, "{name}");
        assert_eq!(
            finish.usage, None,
            "{name}: zeros are counts that nobody made"
        );
    }
    let calls = outcome("aimock.ollama.weather").tool_calls();
    assert_eq!(
        calls,
        [
            (
                "call_1_0".into(),
                "get_weather".into(),
                "{\"city\":\"Paris\"}".into()
            ),
            (
                "call_1_1".into(),
                "get_time".into(),
                "{\"tz\":\"CET\"}".into()
            ),
        ]
    );
    let proxy = outcome("ollama-proxy-plus.ollama.text").terminal.unwrap();
    let usage = proxy.usage.unwrap();
    assert_eq!((usage.input, usage.output), (Some(2), Some(16)));
    assert_eq!(proxy.model.as_deref(), Some("llama/smollm2"));
}

#[test]
fn an_answer_that_was_cut_is_a_failure_and_keeps_its_text() {
    for name in ["aimock.ollama.trunc", "aimock.ollama.hangup"] {
        // Whether the host saw the cut or took the end for a clean one.
        for outcome in [outcome(name), replay(name).cut().every_split().unwrap()] {
            let truncated = ErrorKind::Network(NetworkFailure {
                kind: NetworkKind::Truncated,
                request_sent: true,
            });
            assert!(
                "This will be cut short in the middle".starts_with(&outcome.text()),
                "{name}"
            );
            assert_eq!(outcome.terminal.unwrap_err().kind, truncated, "{name}");
        }
    }
}

#[test]
fn every_refused_request_has_its_kind() {
    let kind = |name: &str| replay(name).whole().terminal.unwrap_err().kind;
    assert!(matches!(
        kind("aimock.ollama.rate"),
        ErrorKind::RateLimited(_)
    ));
    assert_eq!(kind("aimock.ollama.overload"), ErrorKind::Overloaded(None));
}

#[test]
fn recordings_of_other_wires_are_no_answers() {
    let mut others = 0;
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".raw") else {
            continue;
        };
        if name.contains(".ollama") {
            continue;
        }
        others += 1;
        let outcome = replay(name).whole();
        assert!(outcome.terminal.is_err(), "{name}: {:?}", outcome.terminal);
        assert_eq!(outcome.text(), "", "{name}");
    }
    assert!(others > 40, "{others}");
}
