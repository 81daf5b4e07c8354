//! Thinking, its seals, and blocks that the contract has no word for.

use super::*;

#[test]
fn a_search_that_the_server_makes_is_kept_whole_and_is_no_call_of_ours() {
    let start = r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#;
    let result = r#"{"type":"web_search_tool_result","tool_use_id":"s","content":[{"encrypted_content":"x=="}]}"#;
    let outcome = answer(
        &strs(&[
            begin(0, start),
            piece(0, "{\"query\":"),
            piece(0, "\"rust\"}"),
            end(0),
            begin(1, result),
            end(1),
        ]),
        "pause_turn",
    );
    let kept: Vec<&str> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Other(extra) => Some(extra.json.as_str()),
            _ => None,
        })
        .collect();
    let used =
        r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"rust"}}"#;
    assert_eq!(kept, [used, result]);
    assert_eq!(outcome.tool_calls(), []);
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::Paused);
}

#[test]
fn the_seal_of_thinking_comes_back_with_it_even_without_text() {
    let seal = |signature: &str| {
        delta(
            0,
            &format!(r#"{{"type":"signature_delta","signature":"{signature}"}}"#),
        )
    };
    let hm = delta(0, r#"{"type":"thinking_delta","thinking":"hm"}"#);
    let ends = |pieces: &[String]| {
        let mut events = vec![begin(
            0,
            r#"{"type":"thinking","thinking":"","signature":""}"#,
        )];
        events.extend_from_slice(pieces);
        events.push(end(0));
        let outcome = answer(&strs(&events), "end_turn");
        let ends = outcome.events.iter().filter_map(|event| match event {
            Event::ThinkingEnd(end) => Some(end.signature.clone()),
            _ => None,
        });
        ends.collect::<Vec<_>>()
    };
    let sealed = Some("Eq+/=".to_string());
    assert_eq!(
        ends(&[hm.clone(), seal("Eq+/=")]).as_slice(),
        std::slice::from_ref(&sealed)
    );
    assert_eq!(ends(&[seal("Eq+/=")]), [sealed], "shown to nobody");
    assert_eq!(ends(&[hm, seal("")]), [None], "llama-server has none");
    assert_eq!(ends(&[]), [], "nothing thought, nothing ended");
}

#[test]
fn redacted_thinking_stays_sealed_and_two_thoughts_stay_apart() {
    let outcome = answer(
        &strs(&[
            begin(0, r#"{"type":"thinking","thinking":"a","signature":"s0"}"#),
            // No end: the next block begins all the same.
            begin(1, r#"{"type":"redacted_thinking","data":"sealed=="}"#),
            end(1),
            begin(2, r#"{"type":"thinking","thinking":"b","signature":"s2"}"#),
            end(2),
        ]),
        "end_turn",
    );
    let told: Vec<String> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Thinking(text) => Some(text.clone()),
            Event::ThinkingEnd(end) => end.signature.clone(),
            Event::RedactedThinking(data) => Some(data.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["a", "s0", "sealed==", "b", "s2"]);
}
