//! Each trap that somebody's client has fallen into, by name.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_openai::OpenAi;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    AuthKind, Error, ErrorKind, Event, Finish, FinishReason, HttpReply, LimitScope, Message,
    NetworkKind, RateLimit, Request, Role,
};

/// A stream of these chunks and `[DONE]`.
fn stream(chunks: &[&str]) -> Outcome {
    let chunks = chunks.iter().copied().chain(["[DONE]"]);
    unfinished(&chunks.collect::<Vec<_>>())
}

/// A stream of these chunks and nothing behind them.
fn unfinished(chunks: &[&str]) -> Outcome {
    let body: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    Replay::<OpenAi>::body(body).every_split().unwrap()
}

/// A chunk with this delta.
fn delta(delta: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#)
}

/// Streams these deltas, then a finish reason of tool calls; gives the calls.
fn calls(deltas: &[&str]) -> Vec<(String, String, String)> {
    let outcome = call_outcome(deltas);
    check_call_rules(&outcome);
    outcome.tool_calls()
}

fn call_outcome(deltas: &[&str]) -> Outcome {
    let mut chunks: Vec<String> = deltas
        .iter()
        .map(|pieces| delta(&format!(r#"{{"tool_calls":{pieces}}}"#)))
        .collect();
    chunks.push(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#.into());
    stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The contract: numbered from 0, started once, pieces between start and end.
fn check_call_rules(outcome: &Outcome) {
    let (mut open, mut started, mut ended) = (Vec::new(), 0, 0);
    for event in &outcome.events {
        match event {
            Event::ToolCallStart(start) => {
                assert_eq!(start.index, started);
                assert!(!start.id.is_empty() && !start.name.is_empty());
                started += 1;
                open.push(start.index);
            }
            Event::ToolCallDelta(delta) => assert!(open.contains(&delta.index)),
            Event::ToolCallEnd(end) => {
                assert!(open.contains(&end.index));
                open.retain(|index| *index != end.index);
                ended += 1;
            }
            _ => {}
        }
    }
    assert_eq!((started, open), (ended, vec![]));
}

fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.into(), name.into(), arguments.into())
}

fn finish(outcome: &Outcome) -> &Finish {
    outcome.terminal.as_ref().unwrap()
}

fn error(outcome: &Outcome) -> &Error {
    outcome.terminal.as_ref().unwrap_err()
}

fn reply(status: u16, body: &str) -> Error {
    let reply = HttpReply {
        status,
        body: body.into(),
        ..HttpReply::default()
    };
    Replay::<OpenAi>::of(reply).whole().terminal.unwrap_err()
}

const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

#[test]
fn utf8_split_across_reads_is_not_damaged() {
    // `every_split` cuts inside each character.
    let outcome = stream(&[&delta(r#"{"content":"Grüße 👩‍👧 日本"}"#), STOP]);
    assert_eq!(outcome.text(), "Grüße 👩‍👧 日本");
}

#[test]
fn surrogates_split_across_chunks_are_joined_in_text_thinking_and_arguments() {
    let outcome = stream(&[
        &delta(r#"{"reasoning_content":"\ud83c"}"#),
        &delta(r#"{"reasoning_content":"\uddf5"}"#),
        &delta(r#"{"content":"🇯\ud83c"}"#),
        &delta(r#"{"content":"\uddf5 ok"}"#),
        &delta(
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":\"\ud83c"}}]}"#,
        ),
        &delta(r#"{"tool_calls":[{"index":0,"function":{"arguments":"\uddf5\"}"}}]}"#),
    ]);
    assert_eq!(outcome.thinking(), "🇵");
    assert_eq!(outcome.text(), "🇯🇵 ok");
    assert_eq!(outcome.tool_calls(), [call("a", "f", "{\"x\":\"🇵\"}")]);
}

#[test]
fn half_a_surrogate_at_the_end_is_replaced_and_not_lost() {
    let outcome = stream(&[
        &delta(r#"{"reasoning":"a\ud83c"}"#),
        &delta(r#"{"content":"b\ud83c"}"#),
        STOP,
    ]);
    assert_eq!(outcome.thinking(), "a\u{fffd}");
    assert_eq!(outcome.text(), "b\u{fffd}");
}

#[test]
fn line_ends_comments_marks_and_missing_spaces_make_no_difference() {
    let hello = delta(r#"{"content":"Hello"}"#);
    for newline in ["\n", "\r\n", "\r"] {
        let body = format!(
            "\u{feff}: OPENROUTER PROCESSING\n\ndata:{hello}\n\n:\n\ndata: {STOP}\n\ndata:[DONE]\n\n"
        );
        let body = body.replace('\n', newline);
        let outcome = Replay::<OpenAi>::body(body).every_split().unwrap();
        assert_eq!(outcome.text(), "Hello");
        assert_eq!(finish(&outcome).reason, FinishReason::Stop);
        let pings = outcome.events.iter().filter(|event| **event == Event::Ping);
        assert_eq!(pings.count(), 2);
    }
}

#[test]
fn data_over_several_lines_is_one_chunk() {
    let body = "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    assert_eq!(
        Replay::<OpenAi>::body(body).every_split().unwrap().text(),
        "Hi"
    );
}

#[test]
fn a_last_event_without_its_blank_line_counts() {
    for tail in ["data: [DONE]", "data: [DONE]\n"] {
        let body = format!("data: {}\n\n{tail}", delta(r#"{"content":"Hi"}"#));
        let outcome = Replay::<OpenAi>::body(body).every_split().unwrap();
        assert_eq!(outcome.text(), "Hi");
        assert_eq!(finish(&outcome).reason, FinishReason::Stop);
    }
}

#[test]
fn an_error_in_a_stream_of_status_200_is_an_error_and_keeps_the_text() {
    let hello = delta(r#"{"content":"Hel"}"#);
    let rate = || {
        ErrorKind::RateLimited(RateLimit {
            retry_after_ms: None,
            scope: LimitScope::Other("unknown".into()),
        })
    };
    let cases: &[(&str, ErrorKind)] = &[
        // OpenAI's form, LiteLLM's, OpenRouter's, vLLM's, a bare text.
        (
            r#"{"error":{"message":"m","type":"server_error","code":null}}"#,
            ErrorKind::Internal,
        ),
        (
            r#"{"error":{"message":"m","type":"internal_server_error","param":null,"code":"500"}}"#,
            ErrorKind::Internal,
        ),
        (
            r#"{"id":"x","error":{"code":429,"message":"m"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            rate(),
        ),
        (
            r#"{"error":{"code":502,"message":"m"}}"#,
            ErrorKind::Internal,
        ),
        (
            r#"{"error":{"code":"rate_limit_exceeded","message":"m"}}"#,
            rate(),
        ),
        (
            r#"{"error":{"type":"overloaded_error","message":"m"}}"#,
            ErrorKind::Overloaded(None),
        ),
        (
            r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#,
            ErrorKind::InvalidRequest(None),
        ),
        (r#"{"error":"m"}"#, ErrorKind::Internal),
    ];
    for (chunk, kind) in cases {
        // What follows an error is not looked at: not even `[DONE]`.
        for outcome in [stream(&[&hello, chunk]), unfinished(&[&hello, chunk])] {
            assert_eq!(outcome.text(), "Hel");
            assert_eq!(error(&outcome).kind, *kind, "{chunk}");
            assert_eq!(error(&outcome).message, "m", "{chunk}");
        }
    }
}

#[test]
fn an_event_named_error_is_an_error_whatever_it_holds() {
    for data in [r#"{"error":{"message":"m"}}"#, "boom", ""] {
        let body = format!("event: error\ndata: {data}\n\ndata: [DONE]\n\n");
        let outcome = Replay::<OpenAi>::body(body).every_split().unwrap();
        assert!(outcome.terminal.is_err(), "{data}");
    }
}

#[test]
fn the_end_without_a_terminal_marker_is_a_failure() {
    let hello = delta(r#"{"content":"Hel"}"#);
    let cut_in_a_chunk = format!("data: {hello}\n\ndata: {}", &hello[..30]);
    for body in [
        String::new(),
        "\n\n".into(),
        ": ping\n\n".into(),
        format!("data: {hello}\n\n"),
        cut_in_a_chunk,
    ] {
        let outcome = Replay::<OpenAi>::body(body.clone()).every_split().unwrap();
        let ErrorKind::Network(failure) = &error(&outcome).kind else {
            panic!("{body}: {outcome:?}");
        };
        assert_eq!(failure.kind, NetworkKind::Truncated, "{body}");
        assert!(failure.request_sent);
    }
}

#[test]
fn a_finish_reason_and_a_clean_end_are_an_answer_but_a_cut_is_not() {
    let body = format!("data: {}\n\ndata: {STOP}\n\n", delta(r#"{"content":"Hi"}"#));
    let clean = Replay::<OpenAi>::body(body.clone()).every_split().unwrap();
    assert_eq!(finish(&clean).reason, FinishReason::Stop);
    let cut = Replay::<OpenAi>::body(body).cut().every_split().unwrap();
    assert!(matches!(error(&cut).kind, ErrorKind::Network(_)));
}

#[test]
fn usage_after_the_finish_reason_is_not_missed() {
    let counts = r#""usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}"#;
    let trailing = format!(r#"{{"choices":[],{counts}}}"#);
    let in_finish = STOP.replace("]}", &format!("],{counts}}}"));
    let with_empty_delta = format!(r#"{{"choices":[{{"index":0,"delta":{{}}}}],{counts}}}"#);
    for chunks in [
        vec![STOP, &trailing],
        vec![&in_finish],
        vec![STOP, &with_empty_delta],
    ] {
        let outcome = stream(&chunks);
        let usage = finish(&outcome).usage.as_ref().unwrap();
        assert_eq!(
            (usage.input, usage.output),
            (Some(10), Some(5)),
            "{chunks:?}"
        );
        let told = outcome
            .events
            .iter()
            .filter(|event| matches!(event, Event::Usage(_)));
        assert_eq!(told.count(), 1);
    }
}

#[test]
fn usage_on_every_chunk_is_a_growing_snapshot_and_never_shrinks() {
    let chunk = |output: u64| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"x"}}}}],"usage":{{"prompt_tokens":10,"completion_tokens":{output}}}}}"#
        )
    };
    let chunks = [chunk(1), chunk(1), chunk(2), chunk(0), chunk(3)];
    let outcome = stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
    let outputs: Vec<_> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Usage(usage) => usage.output,
            _ => None,
        })
        .collect();
    assert_eq!(outputs, [1, 2, 3]);
}

#[test]
fn usage_is_kept_when_the_answer_breaks_off() {
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":10,"completion_tokens":1}}"#;
    let outcome = unfinished(&[chunk]);
    assert!(outcome.terminal.is_err());
    assert!(
        outcome
            .events
            .iter()
            .any(|event| matches!(event, Event::Usage(_)))
    );
}

#[test]
fn usage_buckets_are_disjoint_whatever_the_servers_habit() {
    // Input, read, write, output, reasoning.
    type Buckets = [Option<u64>; 5];
    let cases: &[(&str, Buckets)] = &[
        // OpenAI: everything inside.
        (
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":30,"cache_write_tokens":20},"completion_tokens_details":{"reasoning_tokens":40}}"#,
            [Some(50), Some(30), Some(20), Some(10), Some(40)],
        ),
        // xAI: reasoning beside the completion; the total tells.
        (
            r#"{"prompt_tokens":100,"completion_tokens":10,"total_tokens":150,"completion_tokens_details":{"reasoning_tokens":40}}"#,
            [Some(100), None, None, Some(10), Some(40)],
        ),
        // Reasoning beside the completion, without a total.
        (
            r#"{"prompt_tokens":1,"completion_tokens":10,"completion_tokens_details":{"reasoning_tokens":40}}"#,
            [Some(1), None, None, Some(10), Some(40)],
        ),
        // Cache counts beside the prompt, in Anthropic's words.
        (
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":45,"cache_read_input_tokens":20,"cache_creation_input_tokens":10}"#,
            [Some(10), Some(20), Some(10), Some(5), None],
        ),
        // Both beside.
        (
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":42,"prompt_tokens_details":{"cached_tokens":20},"completion_tokens_details":{"reasoning_tokens":7}}"#,
            [Some(10), Some(20), None, Some(5), Some(7)],
        ),
        // DeepSeek.
        (
            r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}"#,
            [Some(6), Some(4), None, Some(5), None],
        ),
        // Nulls and absences are unknown, not 0.
        (
            r#"{"prompt_tokens":10,"completion_tokens":null,"prompt_tokens_details":null}"#,
            [Some(10), None, None, None, None],
        ),
        (
            r#"{"prompt_tokens":12.0,"completion_tokens":-1}"#,
            [Some(12), None, None, None, None],
        ),
    ];
    for (usage, expected) in cases {
        let outcome = stream(&[STOP, &format!(r#"{{"choices":[],"usage":{usage}}}"#)]);
        let found = finish(&outcome).usage.as_ref().unwrap();
        let buckets = [
            found.input,
            found.cache_read,
            found.cache_write_5m,
            found.output,
            found.reasoning,
        ];
        assert_eq!(buckets, *expected, "{usage}");
        assert_eq!(found.raw_json.as_deref(), Some(*usage));
    }
}

#[test]
fn usage_that_says_nothing_is_unknown() {
    for usage in ["null", "{}", "[]", "7", r#"{"total_tokens":null}"#] {
        let outcome = stream(&[STOP, &format!(r#"{{"choices":[],"usage":{usage}}}"#)]);
        assert_eq!(finish(&outcome).usage, None, "{usage}");
    }
}

#[test]
fn openrouters_cost_is_exact() {
    let outcome = stream(&[
        STOP,
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":1.5e-05},"service_tier":"flex"}"#,
    ]);
    let usage = finish(&outcome).usage.as_ref().unwrap();
    assert_eq!(usage.reported_cost.as_ref().unwrap().amount, "0.000015");
    assert_eq!(usage.service_tier.as_deref(), Some("flex"));
}

#[test]
fn tool_call_indexes_may_have_gaps() {
    let found = calls(&[
        r#"[{"index":3,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":7,"id":"b","function":{"name":"g","arguments":"{"}}]"#,
        r#"[{"index":7,"function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(found, [call("a", "f", "{}"), call("b", "g", "{}")]);
}

#[test]
fn tool_call_indexes_may_be_missing() {
    // By id; by name; whole calls of one tool, one a chunk; two in one chunk.
    let found = calls(&[
        r#"[{"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"function":{"arguments":"}"}}]"#,
        r#"[{"id":"b","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"id":"b","function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(found, [call("a", "f", "{}"), call("b", "f", "{}")]);
    let found = calls(&[
        r#"[{"function":{"name":"f","arguments":"{\"n\":1}"}}]"#,
        r#"[{"function":{"name":"f","arguments":"{\"n\":2}"}}]"#,
        r#"[{"function":{"name":"g","arguments":"{}"}}]"#,
    ]);
    let arguments: Vec<_> = found
        .iter()
        .map(|call| (call.1.as_str(), call.2.as_str()))
        .collect();
    assert_eq!(
        arguments,
        [("f", "{\"n\":1}"), ("f", "{\"n\":2}"), ("g", "{}")]
    );
    let found = calls(&[
        r#"[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}]"#,
    ]);
    assert_eq!(found.len(), 2);
}

#[test]
fn tool_calls_that_all_say_index_0_are_apart_when_id_and_name_are() {
    let found = calls(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"n\":1}"}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"n\":2}"}}]"#,
    ]);
    assert_eq!(
        found,
        [call("a", "f", "{\"n\":1}"), call("b", "f", "{\"n\":2}")]
    );
}

#[test]
fn a_new_id_on_every_piece_is_still_one_call() {
    let found = calls(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":null,"arguments":"{}"}}]"#,
    ]);
    assert_eq!(found, [call("a", "f", "{}")]);
}

#[test]
fn a_tool_calls_id_comes_first_only_and_its_name_again_or_empty() {
    let found = calls(&[
        r#"[{"index":0,"id":"a","type":"function","function":{"name":"f"}}]"#,
        r#"[{"index":0,"function":{"name":"","arguments":"{\"x\":"}}]"#,
        r#"[{"index":0,"id":"","function":{"name":"f","arguments":"1}"}}]"#,
    ]);
    assert_eq!(found, [call("a", "f", "{\"x\":1}")]);
}

#[test]
fn a_tool_calls_name_may_come_after_its_id() {
    let found = calls(&[
        r#"[{"index":0,"id":"a"}]"#,
        r#"[{"index":0,"function":{"name":"f"}}]"#,
        r#"[{"index":0,"function":{"arguments":"{}"}}]"#,
    ]);
    assert_eq!(found, [call("a", "f", "{}")]);
}

#[test]
fn arguments_come_whole_in_pieces_empty_null_or_as_an_object() {
    let one = |arguments: &str| {
        let found = calls(&[&format!(
            r#"[{{"index":0,"id":"a","function":{{"name":"f","arguments":{arguments}}}}}]"#
        )]);
        found[0].2.clone()
    };
    assert_eq!(one(r#""{\"a\": 1}""#), "{\"a\": 1}");
    assert_eq!(one(r#""""#), "{}");
    assert_eq!(one("null"), "{}");
    assert_eq!(one(r#"{"a": [1, "x"]}"#), "{\"a\": [1, \"x\"]}");
    let blank = one(r#"" ""#);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&blank).unwrap(),
        serde_json::json!({})
    );
    // llama-server: the first piece carries the brace.
    let found = calls(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"index":0,"function":{"arguments":"\"x\":\"}\""}}]"#,
        r#"[{"index":0,"function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(found[0].2, "{\"x\":\"}\"}");
}

#[test]
fn a_missing_id_is_made_up_and_is_new_in_each_round() {
    let round = |messages: usize| {
        let body = format!(
            "data: {}\n\ndata: [DONE]\n\n",
            delta(r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]}"#)
        );
        let messages = vec![Message::text(Role::User, "x"); messages];
        let replay = Replay::<OpenAi>::body(body).request(Request::new("m", messages));
        replay.whole().tool_calls()[0].0.clone()
    };
    assert!(!round(1).is_empty());
    assert_ne!(round(1), round(3));
}

#[test]
fn a_tool_call_that_is_never_named_is_malformed() {
    let outcome = call_outcome(&[r#"[{"index":0,"id":"a","function":{"arguments":"{}"}}]"#]);
    assert_eq!(error(&outcome).kind, ErrorKind::MalformedResponse);
}

#[test]
fn the_old_function_call_is_a_tool_call() {
    let outcome = stream(&[
        &delta(r#"{"function_call":{"name":"f","arguments":""}}"#),
        &delta(r#"{"function_call":{"arguments":"{\"a\":"}}"#),
        &delta(r#"{"function_call":{"arguments":"1}"}}"#),
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"function_call"}]}"#,
    ]);
    check_call_rules(&outcome);
    let found = outcome.tool_calls();
    assert_eq!(
        (found[0].1.as_str(), found[0].2.as_str()),
        ("f", "{\"a\":1}")
    );
    assert_eq!(finish(&outcome).reason, FinishReason::ToolCalls);
}

#[test]
fn content_may_be_null_absent_empty_or_a_list() {
    let outcome = stream(&[
        &delta(r#"{"role":"assistant","content":null}"#),
        &delta("{}"),
        &delta("null"),
        &delta(r#"{"content":""}"#),
        r#"{"choices":[{"index":0}]}"#,
        r#"{"choices":null}"#,
        "{}",
        &delta(
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"Hi"}]}"#,
        ),
        STOP,
    ]);
    assert_eq!(
        (outcome.text(), outcome.thinking()),
        ("Hi".into(), "hm".into())
    );
}

#[test]
fn other_answers_than_the_first_are_left_alone() {
    let outcome = stream(&[
        &delta(r#"{"content":"a"}"#),
        r#"{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"delta":{"content":"c"}}]}"#,
        STOP,
    ]);
    assert_eq!(outcome.text(), "ac");
    assert_eq!(finish(&outcome).reason, FinishReason::Stop);
}

#[test]
fn a_finish_reason_may_be_doubled_absent_or_odd() {
    let reason = |reason: &str| {
        format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":{reason}}}]}}"#)
    };
    let cases: &[(&[&str], FinishReason)] = &[
        (&["\"stop\"", "\"length\""], FinishReason::Stop),
        (&["null", "\"\"", "\"length\""], FinishReason::MaxTokens),
        (&["\"content_filter\""], FinishReason::ContentFilter),
        (&["\"eos\""], FinishReason::Stop),
        (
            &["\"paused_by_moon\""],
            FinishReason::Other("paused_by_moon".into()),
        ),
        (&["null"], FinishReason::Stop),
        (&[], FinishReason::Other("unknown".into())),
    ];
    for (reasons, expected) in cases {
        let chunks: Vec<String> = reasons.iter().map(|text| reason(text)).collect();
        let outcome = stream(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(finish(&outcome).reason, *expected, "{reasons:?}");
    }
    let broken = stream(&[&reason("\"error\"")]);
    assert_eq!(error(&broken).kind, ErrorKind::Internal);
}

#[test]
fn calls_that_end_with_stop_or_nothing_are_calls() {
    let call =
        delta(r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#);
    assert_eq!(
        finish(&stream(&[&call, STOP])).reason,
        FinishReason::ToolCalls
    );
    assert_eq!(finish(&stream(&[&call])).reason, FinishReason::ToolCalls);
}

#[test]
fn a_refusal_is_shown_and_named() {
    let outcome = stream(&[&delta(r#"{"refusal":"I will not."}"#), STOP]);
    assert_eq!(outcome.text(), "I will not.");
    assert_eq!(finish(&outcome).reason, FinishReason::Refusal);
}

#[test]
fn reasoning_told_twice_is_one_and_keeps_its_signature() {
    let outcome = stream(&[
        &delta(
            r#"{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","id":"r1"}]}"#,
        ),
        &delta(r#"{"reasoning_details":[{"type":"reasoning.text","signature":"sig"}]}"#),
        &delta(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"xyz"}]}"#),
        &delta(r#"{"content":"Hi"}"#),
        STOP,
    ]);
    let tail = &outcome.events[1..5];
    let [
        Event::Thinking(text),
        Event::ThinkingEnd(end),
        Event::RedactedThinking(data),
        Event::Text(_),
    ] = tail
    else {
        panic!("{tail:?}");
    };
    assert_eq!((text.as_str(), data.as_str()), ("hm", "xyz"));
    assert_eq!(
        (end.id.as_deref(), end.signature.as_deref()),
        (Some("r1"), Some("sig"))
    );
}

#[test]
fn a_whole_json_answer_to_a_request_for_a_stream_is_an_answer() {
    let body = r#" {"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    let outcome = Replay::<OpenAi>::body(body).every_split().unwrap();
    assert_eq!(outcome.text(), "Hi");
    assert_eq!(outcome.tool_calls(), [call("a", "f", "{}")]);
    assert_eq!(finish(&outcome).reason, FinishReason::ToolCalls);
    // Half of it is none.
    let half = Replay::<OpenAi>::body(&body[..60])
        .cut()
        .every_split()
        .unwrap();
    assert!(matches!(error(&half).kind, ErrorKind::Network(_)));
}

#[test]
fn a_json_error_or_other_json_with_status_200_is_no_answer() {
    let outcome =
        Replay::<OpenAi>::body(r#"{"error":{"message":"m","code":"insufficient_quota"}}"#)
            .every_split()
            .unwrap();
    assert_eq!(
        error(&outcome).kind,
        ErrorKind::Auth(AuthKind::QuotaExhausted)
    );
    for body in ["{}", "[]", r#"{"object":"list","data":[]}"#] {
        let outcome = Replay::<OpenAi>::body(body).every_split().unwrap();
        assert_eq!(error(&outcome).kind, ErrorKind::MalformedResponse, "{body}");
    }
}

#[test]
fn a_web_page_is_named_by_its_title_and_never_shown() {
    let page = format!(
        "\n<!DOCTYPE html><html><head><title>Sign in\n  to Proxy</title></head><body>{}</body></html>",
        "secret ".repeat(10_000)
    );
    let outcome = Replay::<OpenAi>::body(page).whole();
    assert_eq!(error(&outcome).kind, ErrorKind::MalformedResponse);
    let message = &error(&outcome).message;
    assert!(
        message.contains("\"Sign in to Proxy\"")
            && !message.contains("secret")
            && message.len() < 400,
        "{message}"
    );
    let error = reply(
        404,
        "<html><head><title>404 Not Found</title></head></html>",
    );
    assert_eq!(error.kind, ErrorKind::MalformedResponse);
    let error = reply(503, "<html><h1>Service Unavailable</h1></html>");
    assert_eq!(error.kind, ErrorKind::Overloaded(None));
    assert!(error.message.contains("Service Unavailable"));
}

#[test]
fn an_error_status_with_a_stream_as_its_body_says_why() {
    let error = reply(
        500,
        "data: {\"error\": {\"message\": \"Error processing stream start\", \"type\": \"internal_server_error\", \"param\": null, \"code\": \"500\"}}\n\ndata: [DONE]\n\n",
    );
    assert_eq!(error.kind, ErrorKind::Internal);
    assert_eq!(error.message, "Error processing stream start");
    assert_eq!(error.provider_code.as_deref(), Some("500"));
}

#[test]
fn bytes_that_are_no_utf8_do_not_end_the_stream() {
    let mut body =
        b"data: {\"id\":\"\xff\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\xc3".to_vec();
    body.extend_from_slice(b"\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xa9b\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    let outcome = Replay::<OpenAi>::body(body).every_split().unwrap();
    assert_eq!(outcome.text(), "aéb");
}
