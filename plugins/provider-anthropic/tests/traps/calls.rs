//! Tool calls.

use super::*;

#[test]
fn arguments_come_in_pieces_whole_at_the_start_or_not_at_all() {
    let outcome = answer(
        &strs(&[
            call(0, r#","input":{}"#),
            piece(0, "{\"a\":"),
            piece(0, ""),
            piece(0, "1}"),
            end(0),
            call(1, r#","input":{"b":2}"#),
            end(1),
            // Whole, and again in pieces: once.
            call(2, r#","input":{"c":3}"#),
            piece(2, "{\"c\":3}"),
            end(2),
            // Two at once, as gateways interleave them; no input member, and no end.
            call(3, ""),
            call(4, r#","input":null"#),
            piece(3, "{\"d\":4}"),
            piece(4, ""),
        ]),
        "tool_use",
    );
    let calls = outcome.tool_calls();
    let calls: Vec<_> = calls
        .iter()
        .map(|(id, name, json)| (id.as_str(), name.as_str(), json.as_str()))
        .collect();
    let expected = [
        ("t0", "f", "{\"a\":1}"),
        ("t1", "f", "{\"b\":2}"),
        ("t2", "f", "{\"c\":3}"),
        ("t3", "f", "{\"d\":4}"),
        ("t4", "f", "{}"),
    ];
    assert_eq!(calls, expected);
    let starts = outcome.events.iter().filter_map(|event| match event {
        Event::ToolCallStart(start) => Some(start.index),
        _ => None,
    });
    assert_eq!(starts.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let mut ends: Vec<u32> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ToolCallEnd(end) => Some(end.index),
            _ => None,
        })
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, [0, 1, 2, 3, 4], "each ends once");
}

#[test]
fn a_call_without_a_name_or_a_start_is_malformed_and_without_an_id_gets_one() {
    let unnamed = begin(0, r#"{"type":"tool_use","id":"t"}"#);
    let unbegun = piece(0, "{}");
    for event in [unnamed, unbegun] {
        let error = answer(&[&event], "tool_use").terminal.unwrap_err();
        assert_eq!(error.kind, ErrorKind::MalformedResponse, "{event}");
    }
    let round = |messages: usize| {
        let start = begin(0, r#"{"type":"tool_use","name":"f"}"#);
        let text = format!("data: {START}\n\ndata: {start}\n\ndata: {STOP}\n\n");
        let messages = vec![Message::text(Role::User, "x"); messages];
        let replay = Replay::<Anthropic>::body(text).request(Request::new("m", messages));
        replay.whole().tool_calls()[0].0.clone()
    };
    assert!(!round(1).is_empty());
    assert_ne!(round(1), round(3));
}
