//! What this wire does to those who read it carelessly, each by name.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_anthropic::Anthropic;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{AuthKind, ContextLimit, ErrorKind, Event, FinishReason, HttpReply, Provider};

fn stream(events: &[&str]) -> Outcome {
    let frames: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    Replay::<Anthropic>::body(frames).every_split().unwrap()
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":10,"cache_read_input_tokens":4000,"cache_creation_input_tokens":5000,"cache_creation":{"ephemeral_5m_input_tokens":3000,"ephemeral_1h_input_tokens":2000},"output_tokens":1,"service_tier":"standard"}}}"#;
const TEXT: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const HI: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn delta(reason: &str) -> String {
    format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":50,"output_tokens_details":{{"thinking_tokens":20}},"server_tool_use":{{"web_search_requests":2}}}}}}"#
    )
}

#[test]
fn both_cache_lifetimes_of_the_first_event_outlive_the_later_ones() {
    let outcome = stream(&[START, TEXT, HI, &delta("end_turn"), STOP]);
    let usage = outcome.terminal.unwrap().usage.unwrap();
    assert_eq!(usage.input, Some(10));
    assert_eq!(usage.cache_read, Some(4000));
    assert_eq!(usage.cache_write_5m, Some(3000));
    assert_eq!(usage.cache_write_1h, Some(2000));
    assert_eq!((usage.output, usage.reasoning), (Some(30), Some(20)));
    assert_eq!(usage.uses, [("web-search-requests".to_string(), 2)]);
    assert_eq!(usage.service_tier.as_deref(), Some("standard"));
    assert_eq!(usage.total(), 10 + 4000 + 3000 + 2000 + 50);
}

#[test]
fn an_interrupted_answer_has_told_its_input_already() {
    let outcome = stream(&[START, TEXT, HI]);
    assert!(outcome.terminal.is_err());
    let usage = outcome.events.iter().find_map(|event| match event {
        Event::Usage(usage) => Some(usage.clone()),
        _ => None,
    });
    assert_eq!(usage.unwrap().cache_write_1h, Some(2000));
}

#[test]
fn an_error_event_in_mid_stream_is_a_failure_of_its_kind_and_keeps_the_text() {
    for (kind, expected) in [
        ("overloaded_error", ErrorKind::Overloaded(None)),
        ("api_error", ErrorKind::Internal),
        ("authentication_error", ErrorKind::Auth(AuthKind::Invalid)),
        ("permission_error", ErrorKind::Auth(AuthKind::Forbidden)),
        ("billing_error", ErrorKind::Auth(AuthKind::QuotaExhausted)),
    ] {
        let error = format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"sorry"}},"request_id":"req_1"}}"#
        );
        let outcome = stream(&[START, TEXT, HI, &error]);
        assert_eq!(outcome.text(), "Hi");
        let failure = outcome.terminal.unwrap_err();
        assert_eq!(failure.kind, expected, "{kind}");
        assert_eq!(failure.message, "sorry");
        assert_eq!(failure.provider_request_id.as_deref(), Some("req_1"));
    }
    let limited = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#;
    let failure = stream(&[START, limited]).terminal.unwrap_err();
    assert!(
        matches!(failure.kind, ErrorKind::RateLimited(_)),
        "{failure:?}"
    );
}

#[test]
fn signatures_in_pieces_and_redacted_thinking_come_whole() {
    let outcome = stream(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"ab"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"cd=="}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"sealed"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        &delta("end_turn"),
        STOP,
    ]);
    let end = outcome.events.iter().find_map(|event| match event {
        Event::ThinkingEnd(end) => Some(end.signature.clone()),
        _ => None,
    });
    assert_eq!(end.unwrap().as_deref(), Some("abcd=="));
    assert!(
        outcome
            .events
            .contains(&Event::RedactedThinking("sealed".into()))
    );
    assert_eq!(outcome.thinking(), "hm");
}

#[test]
fn pings_and_unknown_events_blocks_and_deltas_are_no_failures() {
    let outcome = stream(&[
        r#"{"type":"ping"}"#,
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{}}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"something_new","x":1}"#,
        TEXT,
        HI,
        r#"{"type":"ping"}"#,
        &delta("end_turn"),
        STOP,
    ]);
    assert_eq!(outcome.text(), "Hi");
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::Stop);
    let pings = outcome.events.iter().filter(|event| **event == Event::Ping);
    assert_eq!(pings.count(), 2);
}

#[test]
fn arguments_come_in_pieces_whole_at_the_start_or_not_at_all() {
    let call = |number: u32, input: &str| {
        format!(
            r#"{{"type":"content_block_start","index":{number},"content_block":{{"type":"tool_use","id":"t{number}","name":"f","input":{input}}}}}"#
        )
    };
    let piece = |number: u32, json: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":{number},"delta":{{"type":"input_json_delta","partial_json":{}}}}}"#,
            serde_json::json!(json)
        )
    };
    let stop = |number: u32| format!(r#"{{"type":"content_block_stop","index":{number}}}"#);
    let outcome = stream(&[
        START,
        &call(0, "{}"),
        &piece(0, "{\"a\":"),
        &piece(0, ""),
        &piece(0, "1}"),
        &stop(0),
        &call(1, "{\"b\":2}"),
        &stop(1),
        &call(2, "{}"),
        // No end: the next one begins all the same.
        &call(3, "{}"),
        &stop(3),
        &delta("tool_use"),
        STOP,
    ]);
    let calls = outcome.tool_calls();
    let arguments: Vec<_> = calls
        .iter()
        .map(|(id, _, json)| (id.as_str(), json.as_str()))
        .collect();
    assert_eq!(
        arguments,
        [
            ("t0", "{\"a\":1}"),
            ("t1", "{\"b\":2}"),
            ("t2", "{}"),
            ("t3", "{}")
        ]
    );
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::ToolCalls);
}

#[test]
fn every_stop_reason_is_told() {
    for (wire, reason) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::MaxTokens),
        ("model_context_window_exceeded", FinishReason::MaxTokens),
        ("tool_use", FinishReason::ToolCalls),
        ("pause_turn", FinishReason::Paused),
        ("refusal", FinishReason::Refusal),
        ("brand_new", FinishReason::Other("brand_new".into())),
    ] {
        let outcome = stream(&[START, TEXT, HI, &delta(wire), STOP]);
        assert_eq!(outcome.terminal.unwrap().reason, reason);
    }
}

fn refused(status: u16, body: &str) -> vale_sdk::Error {
    Anthropic::error_from_reply(&HttpReply {
        status,
        body: body.into(),
        ..HttpReply::default()
    })
}

#[test]
fn a_prompt_that_is_too_long_says_by_how_much() {
    let error = refused(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 250000 tokens > 200000 maximum"}}"#,
    );
    assert_eq!(
        error.kind,
        ErrorKind::ContextLength(ContextLimit {
            limit: Some(200_000),
            requested: Some(250_000)
        })
    );
}

#[test]
fn an_empty_account_is_no_bad_request() {
    let error = refused(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}"#,
    );
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::QuotaExhausted));
    let error = refused(
        402,
        r#"{"type":"error","error":{"type":"billing_error","message":"x"}}"#,
    );
    assert_eq!(error.kind, ErrorKind::Auth(AuthKind::QuotaExhausted));
    let error = refused(
        413,
        r#"{"type":"error","error":{"type":"request_too_large","message":"x"}}"#,
    );
    assert_eq!(error.kind, ErrorKind::InvalidRequest(None));
    let error = refused(
        529,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
    );
    assert_eq!(error.kind, ErrorKind::Overloaded(None));
}
