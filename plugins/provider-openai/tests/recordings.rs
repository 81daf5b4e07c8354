//! Every recorded Chat Completions answer through the mapper, cut at every byte.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    AuthKind, ContextLimit, Error, ErrorKind, FinishReason, LimitScope, NetworkFailure,
    NetworkKind, RateLimit, Usage,
};

fn replay(name: &str) -> Replay<OpenAi> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");
    Replay::file(format!("{folder}/{name}.raw")).unwrap()
}

fn outcome(name: &str) -> Outcome {
    replay(name).every_split().unwrap()
}

/// Input, cache read, cache write, output, reasoning.
type Buckets = [Option<u64>; 5];

fn buckets(usage: &Usage) -> Buckets {
    [
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.output,
        usage.reasoning,
    ]
}

const PLAIN_21_9: Buckets = [Some(21), None, None, Some(9), None];

/// The pieces of llama-server's and LiteLLM's answers, put together by hand from the recordings.
#[test]
fn every_whole_answer_is_mapped() {
    use FinishReason::{MaxTokens, Stop, ToolCalls};
    let paris = "{\n\n\"city\": \"Paris\",\n\"unit\": \"c\"\n}";
    // Recording, text, thinking, calls (name, arguments), reason, buckets.
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        FinishReason,
        Buckets,
    );
    let rows: &[Row<'_>] = &[
        (
            "aimock.openai-chat.hello",
            "Hello from aimock. How can I help?",
            "",
            &[],
            Stop,
            PLAIN_21_9,
        ),
        (
            "aimock.openai-chat.slow",
            "Once upon a time there was a mock.",
            "",
            &[],
            Stop,
            [Some(1), None, None, Some(9), None],
        ),
        (
            "aimock.openai-chat.reason",
            "The answer is 42.",
            "Let me think about it step by step.",
            &[],
            Stop,
            PLAIN_21_9,
        ),
        (
            "aimock.openai-chat.unicode",
            "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok",
            "",
            &[],
            Stop,
            PLAIN_21_9,
        ),
        (
            "aimock.openai-chat.weather",
            "Checking.",
            "",
            &[
                ("get_weather", "{\"city\":\"Paris\"}"),
                ("get_time", "{\"tz\":\"CET\"}"),
            ],
            ToolCalls,
            PLAIN_21_9,
        ),
        (
            "aimock.openrouter.hello",
            "Hello from aimock. How can I help?",
            "",
            &[],
            Stop,
            PLAIN_21_9,
        ),
        (
            "aimock.openrouter.reason",
            "The answer is 42.",
            "Let me think about it step by step.",
            &[],
            Stop,
            PLAIN_21_9,
        ),
        (
            "aimock.openrouter.unicode",
            "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok",
            "",
            &[],
            Stop,
            PLAIN_21_9,
        ),
        (
            "litellm.openai-chat.gpt-mock",
            "Hello from LiteLLM mock. This is a fixed reply.",
            "",
            &[],
            Stop,
            [Some(8), None, None, Some(13), Some(0)],
        ),
        (
            "litellm.openai-chat.via-aimock",
            "Hello from aimock. How can I help?",
            "",
            &[],
            Stop,
            [Some(21), None, None, Some(9), Some(0)],
        ),
        (
            "litellm.openai-chat.claude-via-aimock",
            "Hello from aimock. How can I help?",
            "",
            &[],
            Stop,
            [Some(21), Some(0), Some(0), Some(9), Some(0)],
        ),
        (
            "llama-server.openai-chat.nonstream",
            "Hello! How can I help you today",
            "",
            &[],
            MaxTokens,
            [Some(7), Some(24), None, Some(8), None],
        ),
        (
            "llama-server.openai-chat.toolcall",
            "",
            "",
            &[("get_weather", paris)],
            ToolCalls,
            [Some(216), Some(0), None, Some(23), None],
        ),
        (
            "llm-mock-api.openai-chat",
            "Hello from llm-mock-api",
            "",
            &[],
            Stop,
            [Some(10), Some(0), None, Some(5), Some(0)],
        ),
    ];
    for (name, text, thinking, calls, reason, usage) in rows {
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
        assert_eq!(buckets(&finish.usage.unwrap()), *usage, "{name}");
    }
}

/// Long answers of the real model: begin, end, length and counts, as the recordings have them.
#[test]
fn every_long_answer_of_the_real_model_is_mapped() {
    let text = outcome("llama-server.openai-chat.text");
    assert!(text.text().starts_with("I'm") && text.text().ends_with(" writing project."));
    let finish = text.terminal.unwrap();
    assert_eq!(finish.reason, FinishReason::Stop);
    let id = "chatcmpl-j9ylBCaI7Wler4Hjxva5chsbRkCHkCGI";
    assert_eq!(finish.response_id.as_deref(), Some(id));
    assert_eq!(finish.model.as_deref(), Some("smollm2"));
    assert_eq!(finish.extras[0].name, "timings");
    let counts = [Some(36), Some(0), None, Some(21), None];
    assert_eq!(buckets(&finish.usage.unwrap()), counts);

    let reasoning = outcome("llama-server.openai-chat.reasoning");
    assert_eq!(reasoning.text(), "");
    assert!(reasoning.thinking().starts_with("message role"));
    assert!(reasoning.thinking().ends_with("=\"thinking_"));
    let finish = reasoning.terminal.unwrap();
    assert_eq!(finish.reason, FinishReason::MaxTokens);
    let counts = [Some(157), Some(0), None, Some(24), None];
    assert_eq!(buckets(&finish.usage.unwrap()), counts);

    let unicode = outcome("llama-server.openai-chat.unicode");
    assert!(unicode.text().starts_with("Repeat exactly"));
    assert!(unicode.text().contains('👧') && !unicode.text().contains('\u{fffd}'));
    let counts = [Some(33), Some(24), None, Some(48), None];
    assert_eq!(buckets(&unicode.terminal.unwrap().usage.unwrap()), counts);

    let claude = outcome("litellm.openai-chat.claude-mock");
    assert_eq!(claude.terminal.unwrap().reason, FinishReason::Stop);
}

#[test]
fn a_gateways_charge_is_taken_to_the_last_digit() {
    let cost = |name| {
        let usage = outcome(name).terminal.unwrap().usage.unwrap();
        let cost = usage.reported_cost.unwrap();
        (cost.currency, cost.amount)
    };
    let usd = |amount: &str| ("USD".to_string(), amount.to_string());
    assert_eq!(
        cost("litellm.openai-chat.gpt-mock"),
        usd("0.00015000000000000001")
    );
    assert_eq!(
        cost("litellm.openai-chat.claude-via-aimock"),
        usd("0.000198")
    );
}

#[test]
fn an_answer_that_was_cut_is_a_failure_and_keeps_its_text() {
    let cases = [
        ("aimock.openai-chat.trunc", "This will be"),
        ("aimock.openai-chat.hangup", "This will be cut short i"),
    ];
    for (name, text) in cases {
        // Whether the host saw the cut or took the end for a clean one.
        for outcome in [outcome(name), replay(name).cut().every_split().unwrap()] {
            assert_eq!(outcome.text(), text, "{name}");
            let truncated = ErrorKind::Network(NetworkFailure {
                kind: NetworkKind::Truncated,
                request_sent: true,
            });
            assert_eq!(outcome.terminal.unwrap_err().kind, truncated, "{name}");
        }
    }
}

#[test]
fn every_refused_request_has_its_kind() {
    let error = |name: &str| -> Error {
        let outcome = replay(name).whole();
        assert_eq!(outcome.events, []);
        outcome.terminal.unwrap_err()
    };
    let rate = |retry_after_ms, scope| {
        ErrorKind::RateLimited(RateLimit {
            retry_after_ms,
            scope,
        })
    };
    let rows = [
        (
            "aimock.openai-chat.rate",
            rate(Some(1000), LimitScope::Requests),
            429,
            Some("rate_limit_exceeded"),
        ),
        (
            "aimock.openai-chat.overload",
            ErrorKind::Overloaded(None),
            529,
            Some("overloaded_error"),
        ),
        (
            "aimock.openrouter.overload",
            ErrorKind::Overloaded(None),
            529,
            Some("529"),
        ),
        (
            "litellm.openai-chat.err-429",
            rate(None, LimitScope::Other("unknown".into())),
            429,
            Some("429"),
        ),
        (
            "llama-server.openai-chat.err-400",
            ErrorKind::InvalidRequest(None),
            400,
            Some("400"),
        ),
        (
            "llama-server.openai-chat.err-401",
            ErrorKind::Auth(AuthKind::Invalid),
            401,
            Some("401"),
        ),
        (
            "llama-server.openai-chat.err-ctx-overflow",
            ErrorKind::ContextLength(ContextLimit {
                limit: Some(4096),
                requested: Some(6031),
            }),
            400,
            Some("400"),
        ),
    ];
    for (name, kind, status, code) in rows {
        let error = error(name);
        assert_eq!(error.kind, kind, "{name}");
        assert_eq!(error.http_status, Some(status), "{name}");
        assert_eq!(error.provider_code.as_deref(), code, "{name}");
    }
    let rate = error("aimock.openai-chat.rate");
    assert_eq!(rate.message, "Rate limit exceeded");
    assert_eq!(
        rate.provider_request_id.as_deref(),
        Some("req-Si3vj0HXfYYbMcdP")
    );
    let openrouter = error("aimock.openrouter.rate");
    assert!(matches!(openrouter.kind, ErrorKind::RateLimited(_)));
}

#[test]
fn a_success_status_over_rubbish_is_malformed() {
    let error = outcome("aimock.openai-chat.malformed")
        .terminal
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::MalformedResponse);
    assert!(
        error.message.contains("{malformed json"),
        "{}",
        error.message
    );
}

/// The other wires' answers are not this one's, and must end as errors, not as text or panics.
#[test]
fn no_other_wires_answer_is_taken_for_a_success() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sse");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_ours = name.contains("openai-chat") || name.contains("openrouter");
        if let Some(name) = name.strip_suffix(".raw").filter(|_| !is_ours) {
            let terminal = replay(name).every_split().unwrap().terminal;
            assert!(terminal.is_err(), "{name}: {terminal:?}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}
