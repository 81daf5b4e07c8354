//! Token counts: disjoint, cumulative, and never lost.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{Event, Usage};

const FULL: &str = r#"{"input_tokens":10,"cache_read_input_tokens":4000,"cache_creation_input_tokens":5000,"cache_creation":{"ephemeral_5m_input_tokens":3000,"ephemeral_1h_input_tokens":2000},"output_tokens":1,"service_tier":"priority","inference_geo":"eu","speed":"fast"}"#;

/// A stream whose start and end carry these usage objects; without an end it breaks off.
fn stream(first: &str, last: Option<&str>) -> Outcome {
    let mut events = vec![
        format!(r#"{{"type":"message_start","message":{{"id":"m","usage":{first}}}}}"#),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hi"}}"#
            .to_string(),
    ];
    if let Some(last) = last {
        events.push(format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{last}}}"#
        ));
        events.push(r#"{"type":"message_stop"}"#.into());
    }
    let frames = events.iter().map(|event| format!("data: {event}\n\n"));
    Replay::<Anthropic>::body(frames.collect::<String>())
        .every_split()
        .unwrap()
}

fn usage(first: &str, last: &str) -> Usage {
    let outcome = stream(first, Some(last));
    let usage = outcome.terminal.clone().unwrap().usage.unwrap();
    assert_eq!(snapshots(&outcome).last(), Some(&usage), "told and final");
    usage
}

fn snapshots(outcome: &Outcome) -> Vec<Usage> {
    let found = outcome.events.iter().filter_map(|event| match event {
        Event::Usage(usage) => Some(usage.clone()),
        _ => None,
    });
    found.collect()
}

/// Input, read, written for five minutes, for an hour, output, reasoning.
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

#[test]
fn both_cache_lifetimes_of_the_first_event_outlive_the_last_one() {
    let last = r#"{"input_tokens":10,"cache_read_input_tokens":4000,"cache_creation_input_tokens":5000,"output_tokens":50,"output_tokens_details":{"thinking_tokens":20},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1}}"#;
    for last in [
        last,
        r#"{"output_tokens":50,"output_tokens_details":{"thinking_tokens":20},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":1}}"#,
    ] {
        let usage = usage(FULL, last);
        let expected = [
            Some(10),
            Some(4000),
            Some(3000),
            Some(2000),
            Some(30),
            Some(20),
        ];
        assert_eq!(buckets(&usage), expected);
        assert_eq!(usage.total(), 10 + 4000 + 5000 + 50, "the wire's own sum");
        let uses = [("web-search-requests", 2), ("web-fetch-requests", 1)];
        assert_eq!(
            usage.uses,
            uses.map(|(name, times)| (name.to_string(), times))
        );
        assert_eq!(usage.service_tier.as_deref(), Some("priority"));
        let extras: Vec<_> = usage
            .extras
            .iter()
            .map(|extra| extra.json.as_str())
            .collect();
        assert_eq!(extras, ["\"fast\"", "\"eu\""]);
    }
}

#[test]
fn the_small_print_holds_what_every_event_said() {
    let usage = usage(FULL, r#"{"output_tokens":50,"input_tokens":null}"#);
    let raw: serde_json::Value = serde_json::from_str(&usage.raw_json.unwrap()).unwrap();
    let mut expected: serde_json::Value = serde_json::from_str(FULL).unwrap();
    expected["output_tokens"] = 50.into();
    assert_eq!(raw, expected);
}

#[test]
fn an_interrupted_answer_has_told_its_input_already() {
    let outcome = stream(FULL, None);
    assert!(outcome.terminal.is_err());
    let told = snapshots(&outcome);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].cache_write_1h, Some(2000));
    assert_eq!(told[0].total(), 9011);
}

#[test]
fn every_habit_ends_in_buckets_that_add_up() {
    let cases: &[(&str, &str, Buckets)] = &[
        // llama-server: the caches apart, no writes.
        (
            r#"{"cache_read_input_tokens":35,"input_tokens":1,"output_tokens":0}"#,
            r#"{"output_tokens":21}"#,
            [Some(1), Some(35), None, None, Some(21), None],
        ),
        // LiteLLM: zeros at the start, the truth at the end.
        (
            r#"{"input_tokens":0,"output_tokens":0,"cache_read_input_tokens":0}"#,
            r#"{"input_tokens":20,"output_tokens":9}"#,
            [Some(20), Some(0), None, None, Some(9), None],
        ),
        // The truth at the start, zeros at the end: input is kept, output is not lost.
        (
            r#"{"input_tokens":21,"output_tokens":1}"#,
            r#"{"input_tokens":0,"output_tokens":9}"#,
            [Some(21), None, None, None, Some(9), None],
        ),
        // Output that shrinks while input grows: what was said was said.
        (
            r#"{"input_tokens":5,"output_tokens":8}"#,
            r#"{"input_tokens":20,"output_tokens":2}"#,
            [Some(20), None, None, None, Some(8), None],
        ),
        // What was thought to be new turns out to be cached.
        (
            r#"{"input_tokens":100,"cache_read_input_tokens":0,"output_tokens":1}"#,
            r#"{"input_tokens":20,"cache_read_input_tokens":80,"output_tokens":9}"#,
            [Some(20), Some(80), None, None, Some(9), None],
        ),
        // Tools of the server read more, and write more than the first split says.
        (
            r#"{"input_tokens":1,"cache_creation_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":20},"output_tokens":1}"#,
            r#"{"input_tokens":2,"cache_creation_input_tokens":60,"output_tokens":9}"#,
            [Some(2), None, Some(40), Some(20), Some(9), None],
        ),
        // A sum without its split has the default lifetime; a split without its sum has one.
        (
            r#"{"input_tokens":1,"cache_creation_input_tokens":50,"output_tokens":1}"#,
            r#"{"output_tokens":9}"#,
            [Some(1), None, Some(50), None, Some(9), None],
        ),
        (
            r#"{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":1}"#,
            r#"{"output_tokens":9}"#,
            [Some(1), None, Some(3), Some(4), Some(9), None],
        ),
        // Thinking cannot be more than all output: it stands beside it.
        (
            r#"{"input_tokens":1,"output_tokens":0}"#,
            r#"{"output_tokens":5,"output_tokens_details":{"thinking_tokens":40}}"#,
            [Some(1), None, None, None, Some(5), Some(40)],
        ),
        // Nulls are unknown, not 0.
        (
            r#"{"input_tokens":7,"cache_read_input_tokens":null,"cache_creation":null,"output_tokens":null}"#,
            r#"{"output_tokens":null}"#,
            [Some(7), None, None, None, None, None],
        ),
    ];
    for (first, last, expected) in cases {
        let usage = usage(first, last);
        assert_eq!(buckets(&usage), *expected, "{first} {last}");
        let sum: u64 = expected.iter().flatten().sum();
        assert_eq!(usage.total(), sum);
    }
}

#[test]
fn the_total_never_shrinks() {
    let cases = [
        (FULL, r#"{"input_tokens":0,"output_tokens":0}"#),
        (FULL, r#"{"output_tokens":50}"#),
        (FULL, "null"),
        (
            r#"{"input_tokens":5,"output_tokens":8}"#,
            r#"{"output_tokens":2}"#,
        ),
    ];
    for (first, last) in cases {
        let told = snapshots(&stream(first, Some(last)));
        let totals: Vec<u64> = told.iter().map(Usage::total).collect();
        assert!(totals.is_sorted(), "{last}: {totals:?}");
        assert!(totals[0] > 0);
    }
}

#[test]
fn usage_that_says_nothing_is_unknown() {
    for odd in ["null", "{}", "[]", "7", r#"{"service_tier":"standard"}"#] {
        let outcome = stream(odd, Some(odd));
        assert_eq!(outcome.terminal.unwrap().usage, None, "{odd}");
    }
}
