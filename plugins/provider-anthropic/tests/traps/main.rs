//! What this wire's streams do to those who read them carelessly, each by name.

#![expect(clippy::unwrap_used, reason = "tests")]

mod blocks;
mod calls;

use provider_anthropic::Anthropic;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    ErrorKind, Event, Extra, FinishReason, Message, NetworkFailure, NetworkKind, Request, Role,
};

const START: &str =
    r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","content":[]}}"#;
const TEXT: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const HI: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn stream(events: &[&str]) -> Outcome {
    let frames = events.iter().map(|event| format!("data: {event}\n\n"));
    body(&frames.collect::<String>())
}

fn body(text: &str) -> Outcome {
    Replay::<Anthropic>::body(text).every_split().unwrap()
}

/// An answer of these events, whole.
fn answer(events: &[&str], reason: &str) -> Outcome {
    let stopped =
        format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{}}}}"#);
    let mut all = vec![START];
    all.extend(events);
    all.extend([stopped.as_str(), STOP]);
    stream(&all)
}

fn begin(number: u32, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{number},"content_block":{block}}}"#)
}

fn delta(number: u32, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{number},"delta":{delta}}}"#)
}

fn piece(number: u32, json: &str) -> String {
    let json = serde_json::json!(json);
    delta(
        number,
        &format!(r#"{{"type":"input_json_delta","partial_json":{json}}}"#),
    )
}

fn end(number: u32) -> String {
    format!(r#"{{"type":"content_block_stop","index":{number}}}"#)
}

fn call(number: u32, input: &str) -> String {
    begin(
        number,
        &format!(r#"{{"type":"tool_use","id":"t{number}","name":"f"{input}}}"#),
    )
}

fn strs(events: &[String]) -> Vec<&str> {
    events.iter().map(String::as_str).collect()
}

fn truncated() -> ErrorKind {
    ErrorKind::Network(NetworkFailure {
        kind: NetworkKind::Truncated,
        request_sent: true,
    })
}

#[test]
fn an_end_without_message_stop_is_never_a_success() {
    let stopped = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}}"#;
    // Even where the reason is told already.
    for events in [
        &[START][..],
        &[START, TEXT, HI],
        &[START, TEXT, HI, &end(0), stopped],
    ] {
        assert_eq!(stream(events).terminal.unwrap_err().kind, truncated());
    }
    let half = format!("data: {START}\n\ndata: {TEXT}\n\ndata: {}", &HI[..40]);
    assert_eq!(body(&half).terminal.unwrap_err().kind, truncated());
    for empty in ["", "\n\n", ": ping\n\n"] {
        assert_eq!(body(empty).terminal.unwrap_err().kind, truncated());
    }
}

#[test]
fn a_last_event_without_its_blank_line_counts() {
    let text = format!("data: {START}\n\ndata: {TEXT}\n\ndata: {HI}\n\ndata: {STOP}");
    let outcome = body(&text);
    assert_eq!(outcome.text(), "Hi");
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::Stop);
}

#[test]
fn line_ends_comments_marks_and_missing_spaces_make_no_difference() {
    for newline in ["\n", "\r\n", "\r"] {
        let text = format!(
            "\u{feff}: alive\n\nevent:message_start\ndata:{START}\n\ndata:{TEXT}\n\nid: 7\ndata:{HI}\n\ndata:{STOP}\n\n"
        );
        let outcome = body(&text.replace('\n', newline));
        assert_eq!(outcome.text(), "Hi");
        assert!(outcome.terminal.is_ok());
        assert_eq!(outcome.events[0], Event::Ping);
    }
}

#[test]
fn the_events_name_counts_where_the_data_has_no_type() {
    let text = format!(
        "data: {START}\n\ndata: {TEXT}\n\ndata: {HI}\n\nevent: message_stop\ndata: {{}}\n\n"
    );
    assert_eq!(body(&text).terminal.unwrap().reason, FinishReason::Stop);
}

#[test]
fn pings_and_unknown_events_blocks_and_deltas_are_no_failures() {
    let outcome = stream(&[
        r#"{"type":"ping"}"#,
        START,
        r#"{"type":"something_new","x":1}"#,
        &begin(0, r#"{"type":"brand_new","data":[1]}"#),
        &delta(0, r#"{"type":"brand_new_delta","x":1}"#),
        &end(0),
        &begin(1, r#"{"type":"text","text":"Hi"}"#),
        &delta(
            1,
            r#"{"type":"citations_delta","citation":{"type":"page_location"}}"#,
        ),
        r#"{"type":"ping"}"#,
        &delta(1, r#"{"type":"text_delta","text":"!"}"#),
        &end(1),
        STOP,
    ]);
    assert_eq!(outcome.text(), "Hi!", "text in the block's start counts");
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::Stop);
    let pings = outcome.events.iter().filter(|event| **event == Event::Ping);
    assert_eq!(pings.count(), 2);
    let kept = Extra::new(
        "anthropic-content-block",
        r#"{"type":"brand_new","data":[1]}"#,
    );
    assert!(outcome.events.contains(&Event::Other(kept)));
}

#[test]
fn surrogates_split_across_deltas_are_joined_in_text_thinking_and_arguments() {
    let halves = |kind: &str, field: &str, number: u32| {
        [r"\ud83c", r"\uddf5"].map(|half| {
            delta(
                number,
                &format!(r#"{{"type":"{kind}","{field}":"{half}"}}"#),
            )
        })
    };
    let mut events = vec![begin(0, r#"{"type":"thinking","thinking":""}"#)];
    events.extend(halves("thinking_delta", "thinking", 0));
    events.extend([end(0), begin(1, r#"{"type":"text","text":""}"#)]);
    events.extend(halves("text_delta", "text", 1));
    events.extend([end(1), call(2, ""), piece(2, "{\"x\":\"")]);
    events.extend(halves("input_json_delta", "partial_json", 2));
    events.extend([piece(2, "\"}"), end(2)]);
    let outcome = answer(&strs(&events), "tool_use");
    assert_eq!(outcome.thinking(), "🇵");
    assert_eq!(outcome.text(), "🇵");
    assert_eq!(outcome.tool_calls()[0].2, "{\"x\":\"🇵\"}");
}

#[test]
fn half_a_surrogate_at_a_blocks_end_is_replaced_and_does_not_leak_into_the_next() {
    let outcome = answer(
        &strs(&[
            begin(0, r#"{"type":"text","text":"a"}"#),
            delta(0, r#"{"type":"text_delta","text":"\ud83c"}"#),
            end(0),
            begin(1, r#"{"type":"text","text":""}"#),
            delta(1, r#"{"type":"text_delta","text":"\uddf5b"}"#),
            end(1),
        ]),
        "end_turn",
    );
    assert_eq!(outcome.text(), "a\u{fffd}\u{fffd}b");
}

#[test]
fn every_stop_reason_is_told() {
    let whole = call(1, r#","input":{}"#);
    for (wire, reason) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::MaxTokens),
        ("model_context_window_exceeded", FinishReason::MaxTokens),
        ("pause_turn", FinishReason::Paused),
        ("refusal", FinishReason::Refusal),
        ("brand_new", FinishReason::Other("brand_new".into())),
        // Without a call there is nothing to run.
        ("tool_use", FinishReason::Other("tool_use".into())),
    ] {
        let finish = answer(&[TEXT, HI], wire).terminal.unwrap();
        assert_eq!(finish.reason, reason);
        let names: Vec<_> = finish.extras.iter().map(|extra| &extra.name).collect();
        assert_eq!(
            names == ["stop-reason"],
            wire == "model_context_window_exceeded"
        );
    }
    for wire in ["tool_use", "end_turn"] {
        let finish = answer(&[&whole], wire).terminal.unwrap();
        assert_eq!(finish.reason, FinishReason::ToolCalls, "{wire}");
    }
    // A call that the limit cut is not one to run.
    let cut = answer(&[&whole], "max_tokens").terminal.unwrap();
    assert_eq!(cut.reason, FinishReason::MaxTokens);
}

#[test]
fn which_sequence_stopped_it_and_why_it_refused_are_kept() {
    let stopped = r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_sequence":"END","stop_details":{"type":"refusal","category":"bio"}},"usage":{}}"#;
    let extras = stream(&[START, stopped, STOP]).terminal.unwrap().extras;
    let expected = [
        Extra::new("stop-sequence", "\"END\""),
        Extra::new("stop-details", r#"{"type":"refusal","category":"bio"}"#),
    ];
    assert_eq!(extras, expected);
}

#[test]
fn text_whose_block_never_began_is_not_lost() {
    let outcome = answer(&[HI], "end_turn");
    assert_eq!(outcome.text(), "Hi");
    assert!(outcome.terminal.is_ok());
}

#[test]
fn a_whole_message_instead_of_a_stream_is_an_answer() {
    let whole = r#" {"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"f","input":{"x": 1}}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}"#;
    let outcome = body(whole);
    assert_eq!(
        (outcome.thinking(), outcome.text()),
        ("hm".into(), "Hi".into())
    );
    let call = ("t".to_string(), "f".to_string(), "{\"x\": 1}".to_string());
    assert_eq!(outcome.tool_calls(), [call]);
    let finish = outcome.terminal.unwrap();
    assert_eq!(finish.reason, FinishReason::ToolCalls);
    assert_eq!(finish.response_id.as_deref(), Some("msg_1"));
    assert_eq!(finish.usage.unwrap().total(), 7);
    // Half of it is none.
    let half = Replay::<Anthropic>::body(&whole[..80]).cut();
    assert_eq!(half.whole().terminal.unwrap_err().kind, truncated());
}

#[test]
fn other_json_and_other_protocols_with_status_200_are_malformed() {
    for text in [
        "{}",
        "[]",
        r#"{"type":"message"}"#,
        r#"{"object":"chat.completion","choices":[]}"#,
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        "data: {\"type\":\"response.created\"}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
        "data: hello\n\n",
        "<html><title>Sign in</title></html>",
    ] {
        let error = body(text).terminal.unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{text}");
    }
}
