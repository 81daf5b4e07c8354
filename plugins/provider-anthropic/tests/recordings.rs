//! Every recorded Messages answer through the mapper, cut at every byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    Error, ErrorKind, Event, FinishReason, LimitScope, NetworkFailure, NetworkKind, RateLimit,
    Usage,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");
const HELLO: &str = "Hello from aimock. How can I help?";

fn replay(name: &str) -> Replay<Anthropic> {
    Replay::file(format!("{FOLDER}/{name}.raw")).unwrap()
}

fn outcome(name: &str) -> Outcome {
    replay(name).every_split().unwrap()
}

fn names() -> Vec<String> {
    let names = std::fs::read_dir(FOLDER)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    names
        .filter_map(|name| name.strip_suffix(".raw").map(str::to_string))
        .collect()
}

/// Input, cache read, cache write for five minutes and for an hour, output, reasoning.
type Buckets = [Option<u64>; 6];

fn buckets(usage: &Usage) -> Buckets {
    [
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
    ]
}

/// Recording, text, thinking, calls (name, arguments), reason, buckets.
type Row<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    FinishReason,
    Buckets,
);

const PLAIN: Buckets = [Some(21), None, None, None, Some(9), None];
const PARIS: &str = "{\n\n\"city\": \"Paris\",\n\"unit\": \"c\"\n}";

/// The answers, put together by hand from the recordings.
const WHOLE: &[Row<'_>] = &[
    (
        "aimock.anthropic.hello",
        HELLO,
        "",
        &[],
        FinishReason::Stop,
        PLAIN,
    ),
    (
        "aimock.anthropic.slow",
        "Once upon a time there was a mock.",
        "",
        &[],
        FinishReason::Stop,
        [Some(0), None, None, None, Some(0), None],
    ),
    (
        "aimock.anthropic.reason",
        "The answer is 42.",
        "Let me think about it step by step.",
        &[],
        FinishReason::Stop,
        PLAIN,
    ),
    (
        "aimock.anthropic.unicode",
        "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok",
        "",
        &[],
        FinishReason::Stop,
        PLAIN,
    ),
    (
        "aimock.anthropic.weather",
        "Checking.",
        "",
        &[
            ("get_weather", "{\"city\":\"Paris\"}"),
            ("get_time", "{\"tz\":\"CET\"}"),
        ],
        FinishReason::ToolCalls,
        PLAIN,
    ),
    (
        // The counts of its start are zeros; those of its end are the true ones.
        "litellm.anthropic.via-aimock",
        HELLO,
        "",
        &[],
        FinishReason::Stop,
        [Some(21), Some(0), Some(0), None, Some(9), None],
    ),
    (
        "litellm.anthropic.claude-via-aimock",
        HELLO,
        "",
        &[],
        FinishReason::Stop,
        PLAIN,
    ),
    (
        // Asked to stream and answered whole.
        "litellm.anthropic.claude-mock",
        "Hello from LiteLLM mock of Claude.",
        "",
        &[],
        FinishReason::Stop,
        [Some(2095), None, None, None, Some(503), None],
    ),
    (
        "litellm.anthropic.gpt-mock",
        "Hello from LiteLLM mock. This is a fixed reply.",
        "",
        &[],
        FinishReason::Stop,
        [Some(2095), None, None, None, Some(503), None],
    ),
    (
        "llama-server.anthropic.text",
        "I'm glad you're here. I'm here to help with any kind of creative writing project.",
        "",
        &[],
        FinishReason::Stop,
        [Some(1), Some(35), None, None, Some(21), None],
    ),
    (
        "llama-server.anthropic.toolcall",
        "",
        "",
        &[("get_weather", PARIS)],
        FinishReason::ToolCalls,
        [Some(1), Some(215), None, None, Some(23), None],
    ),
    (
        "llama-server.anthropic.thinking",
        "",
        "message role=\"user\"<|sep|>why is the sky blue?<|sep|>why is the",
        &[],
        FinishReason::MaxTokens,
        [Some(1), Some(156), None, None, Some(24), None],
    ),
    (
        "llm-mock-api.anthropic",
        "Hello from llm-mock-api",
        "",
        &[],
        FinishReason::Stop,
        [Some(10), None, None, None, Some(5), None],
    ),
];

const CUT: &[(&str, &str)] = &[
    ("aimock.anthropic.trunc", ""),
    ("aimock.anthropic.hangup", "This will be"),
];

const REFUSED: &[&str] = &[
    "aimock.anthropic.overload",
    "aimock.anthropic.rate",
    "litellm.anthropic.err-429",
    "llama-server.anthropic.err-400",
];

#[test]
fn every_whole_answer_is_mapped() {
    for (name, text, thinking, calls, reason, counts) in WHOLE {
        let outcome = outcome(name);
        assert_eq!(outcome.text(), *text, "{name}");
        assert_eq!(outcome.thinking(), *thinking, "{name}");
        let found = outcome.tool_calls();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(_, name, arguments)| (name.as_str(), arguments.as_str()))
            .collect();
        assert_eq!(found, *calls, "{name}");
        let finish = outcome.terminal.unwrap();
        assert_eq!(finish.reason, *reason, "{name}");
        let usage = finish.usage.unwrap();
        assert_eq!(buckets(&usage), *counts, "{name}");
        let sum: u64 = counts.iter().flatten().sum();
        assert_eq!(usage.total(), sum, "{name}: the buckets add up");
    }
}

#[test]
fn no_recording_of_this_wire_is_left_out() {
    let whole = WHOLE.iter().map(|row| row.0);
    let cut = CUT.iter().map(|row| row.0);
    let mut tested: Vec<&str> = whole.chain(cut).chain(REFUSED.iter().copied()).collect();
    tested.sort_unstable();
    let mut have = names();
    have.retain(|name| name.contains(".anthropic"));
    have.sort_unstable();
    assert_eq!(tested, have);
}

#[test]
fn ids_and_the_seal_of_thinking_are_told_as_they_came() {
    let outcome = outcome("aimock.anthropic.reason");
    let finish = outcome.terminal.unwrap();
    assert_eq!(finish.response_id.as_deref(), Some("msg_mY1p6wAkeAdxxp_b"));
    assert_eq!(finish.model.as_deref(), Some("claude-sonnet-4-5"));
    let seal = outcome.events.iter().find_map(|event| match event {
        Event::ThinkingEnd(end) => end.signature.as_deref(),
        _ => None,
    });
    assert_eq!(seal, Some("aimock-placeholder-signature"));
    let weather = self::outcome("aimock.anthropic.weather");
    let ids: Vec<String> = weather
        .tool_calls()
        .into_iter()
        .map(|call| call.0)
        .collect();
    assert_eq!(ids, ["toolu_T8uo0wVkPmTZqb6F", "toolu_zRzdfbzSxTNXPVIj"]);
}

#[test]
fn an_answer_that_was_cut_is_a_failure_and_keeps_its_text() {
    for (name, text) in CUT {
        // Whether the host saw the cut or took the end for a clean one.
        for outcome in [outcome(name), replay(name).cut().every_split().unwrap()] {
            assert_eq!(outcome.text(), *text, "{name}");
            let truncated = ErrorKind::Network(NetworkFailure {
                kind: NetworkKind::Truncated,
                request_sent: true,
            });
            assert_eq!(outcome.terminal.unwrap_err().kind, truncated, "{name}");
            let told = outcome.events.iter().find_map(|event| match event {
                Event::Usage(usage) => usage.input,
                _ => None,
            });
            assert_eq!(told, Some(21), "{name}: what was read is billed");
        }
    }
}

#[test]
fn every_refused_request_has_its_kind() {
    let rate = |retry_after_ms, scope| {
        ErrorKind::RateLimited(RateLimit {
            retry_after_ms,
            scope,
        })
    };
    let kinds = [
        (ErrorKind::Overloaded(None), 529, Some("overloaded_error")),
        (
            rate(Some(1000), LimitScope::Requests),
            429,
            Some("rate_limit_error"),
        ),
        (
            rate(None, LimitScope::Other("unknown".into())),
            429,
            Some("rate_limit_error"),
        ),
        (ErrorKind::Internal, 500, Some("500")),
    ];
    for (name, (kind, status, code)) in REFUSED.iter().zip(kinds) {
        let outcome = replay(name).whole();
        assert_eq!(outcome.events, [], "{name}");
        let error: Error = outcome.terminal.unwrap_err();
        assert_eq!(error.kind, kind, "{name}");
        assert_eq!(error.http_status, Some(status), "{name}");
        assert_eq!(error.provider_code.as_deref(), code, "{name}");
    }
    let overload = replay("aimock.anthropic.overload").whole();
    let overload = overload.terminal.unwrap_err();
    assert_eq!(overload.message, "Overloaded");
    assert_eq!(
        overload.provider_request_id.as_deref(),
        Some("req-QVGd3p4G2mCSwD2Y")
    );
}

/// A base URL that points at another wire must not end in an empty answer.
#[test]
fn answers_of_other_wires_are_malformed() {
    let (mut answers, mut refusals) = (0, 0);
    for name in names() {
        if name.contains(".anthropic") {
            continue;
        }
        let outcome = outcome(&name);
        assert_eq!(outcome.text(), "", "{name}");
        let error = outcome.terminal.unwrap_err();
        if error.http_status.is_some() {
            refusals += 1;
        } else {
            answers += 1;
            assert_eq!(error.kind, ErrorKind::MalformedResponse, "{name}");
        }
    }
    assert!(answers > 35 && refusals > 10, "{answers} and {refusals}");
}
