//! Every recorded Messages answer through the mapper, cut at every byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    Error, ErrorKind, FinishReason, LimitScope, NetworkFailure, NetworkKind, RateLimit, Usage,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");

fn replay(name: &str) -> Replay<Anthropic> {
    Replay::file(format!("{FOLDER}/{name}.raw")).unwrap()
}

fn outcome(name: &str) -> Outcome {
    replay(name).every_split().unwrap()
}

/// Input, cache read, cache write, output, reasoning.
fn buckets(usage: &Usage) -> [Option<u64>; 5] {
    [
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.output,
        usage.reasoning,
    ]
}

#[test]
fn every_whole_answer_is_mapped() {
    use FinishReason::{MaxTokens, Stop, ToolCalls};
    const HELLO: &str = "Hello from aimock. How can I help?";
    // Recording, text, thinking begins with, calls (name, arguments), reason, input, read, output.
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        FinishReason,
        [Option<u64>; 3],
    );
    let plain = [Some(21), None, Some(9)];
    let paris = "{\n\n\"city\": \"Paris\",\n\"unit\": \"c\"\n}";
    let rows: &[Row<'_>] = &[
        ("aimock.anthropic.hello", HELLO, "", &[], Stop, plain),
        (
            "aimock.anthropic.slow",
            "Once upon a time there was a mock.",
            "",
            &[],
            Stop,
            [Some(0), None, Some(0)],
        ),
        (
            "aimock.anthropic.reason",
            "The answer is 42.",
            "Let me think about it step by step.",
            &[],
            Stop,
            plain,
        ),
        (
            "aimock.anthropic.unicode",
            "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok",
            "",
            &[],
            Stop,
            plain,
        ),
        (
            "aimock.anthropic.weather",
            "Checking.",
            "",
            &[
                ("get_weather", "{\"city\":\"Paris\"}"),
                ("get_time", "{\"tz\":\"CET\"}"),
            ],
            ToolCalls,
            plain,
        ),
        (
            "litellm.anthropic.via-aimock",
            HELLO,
            "",
            &[],
            Stop,
            [Some(21), Some(0), Some(9)],
        ),
        (
            "litellm.anthropic.claude-via-aimock",
            HELLO,
            "",
            &[],
            Stop,
            plain,
        ),
        // Asked to stream and answered whole.
        (
            "litellm.anthropic.claude-mock",
            "Hello from LiteLLM mock of Claude.",
            "",
            &[],
            Stop,
            [Some(2095), None, Some(503)],
        ),
        (
            "litellm.anthropic.gpt-mock",
            "Hello from LiteLLM mock. This is a fixed reply.",
            "",
            &[],
            Stop,
            [Some(2095), None, Some(503)],
        ),
        (
            "llama-server.anthropic.toolcall",
            "",
            "",
            &[("get_weather", paris)],
            ToolCalls,
            [Some(1), Some(215), Some(23)],
        ),
        (
            "llama-server.anthropic.thinking",
            "",
            "message role=\"user\"<|sep|>why",
            &[],
            MaxTokens,
            [Some(1), Some(156), Some(24)],
        ),
        (
            "llm-mock-api.anthropic",
            "Hello from llm-mock-api",
            "",
            &[],
            Stop,
            [Some(10), None, Some(5)],
        ),
    ];
    for (name, text, thinking, calls, reason, counts) in rows {
        let outcome = outcome(name);
        assert_eq!(outcome.text(), *text, "{name}");
        assert!(outcome.thinking().starts_with(thinking), "{name}");
        assert_eq!(outcome.thinking().is_empty(), thinking.is_empty(), "{name}");
        let found = outcome.tool_calls();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(_, name, arguments)| (name.as_str(), arguments.as_str()))
            .collect();
        assert_eq!(found, *calls, "{name}");
        let finish = outcome.terminal.unwrap();
        assert_eq!(finish.reason, *reason, "{name}");
        let usage = finish.usage.unwrap();
        let found = buckets(&usage);
        assert_eq!([found[0], found[1], found[3]], *counts, "{name}");
        assert_eq!(usage.total(), counts.iter().flatten().sum(), "{name}");
    }
    let text = outcome("llama-server.anthropic.text");
    assert!(text.text().starts_with("I'm") && text.text().ends_with('.'));
    assert_eq!(text.terminal.unwrap().usage.unwrap().output, Some(21));
}

#[test]
fn an_answer_that_was_cut_is_a_failure_and_keeps_its_text() {
    for name in ["aimock.anthropic.trunc", "aimock.anthropic.hangup"] {
        // Whether the host saw the cut or took the end for a clean one.
        for outcome in [outcome(name), replay(name).cut().every_split().unwrap()] {
            let truncated = ErrorKind::Network(NetworkFailure {
                kind: NetworkKind::Truncated,
                request_sent: true,
            });
            assert_eq!(outcome.terminal.unwrap_err().kind, truncated, "{name}");
        }
    }
    assert_eq!(outcome("aimock.anthropic.hangup").text(), "This will be");
}

#[test]
fn every_refused_request_has_its_kind() {
    let error = |name: &str| -> Error {
        let outcome = replay(name).whole();
        assert_eq!(outcome.events, []);
        outcome.terminal.unwrap_err()
    };
    let overload = error("aimock.anthropic.overload");
    assert_eq!(overload.kind, ErrorKind::Overloaded(None));
    assert_eq!(overload.http_status, Some(529));
    assert_eq!(overload.provider_code.as_deref(), Some("overloaded_error"));
    assert_eq!(
        overload.provider_request_id.as_deref(),
        Some("req-QVGd3p4G2mCSwD2Y")
    );
    let limited = ErrorKind::RateLimited(RateLimit {
        retry_after_ms: Some(1000),
        scope: LimitScope::Requests,
    });
    assert_eq!(error("aimock.anthropic.rate").kind, limited);
    assert!(matches!(
        error("litellm.anthropic.err-429").kind,
        ErrorKind::RateLimited(_)
    ));
    assert_eq!(
        error("llama-server.anthropic.err-400").kind,
        ErrorKind::Internal
    );
}

/// A base URL that points at another wire must not end in an empty answer.
#[test]
fn recordings_of_other_wires_are_no_answers() {
    let mut others = 0;
    for entry in std::fs::read_dir(FOLDER).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".raw") else {
            continue;
        };
        if name.contains(".anthropic") {
            continue;
        }
        others += 1;
        let outcome = replay(name).whole();
        assert!(outcome.terminal.is_err(), "{name}: {:?}", outcome.terminal);
        assert_eq!(outcome.text(), "", "{name}");
    }
    assert!(others > 40, "{others}");
}
