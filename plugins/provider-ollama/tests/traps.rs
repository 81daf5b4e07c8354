//! Each trap of this wire, by name.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_ollama::Ollama;
use serde_json::json;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{
    Context, Error, ErrorKind, Event, Extra, Finish, FinishReason, Message, NetworkFailure,
    NetworkKind, Request, Role,
};

fn context() -> Context {
    let settings = json!({ "base_url": "http://127.0.0.1:11434" });
    Context::new(settings.to_string(), vec![]).unwrap()
}

/// What this body gives, cut at every byte.
fn answer(body: impl Into<Vec<u8>>) -> Outcome {
    let request = Request::new("m", vec![Message::text(Role::User, "Hello")]);
    let replay = Replay::<Ollama>::body(body)
        .context(context())
        .request(request);
    replay.every_split().unwrap()
}

/// An answer of these lines, each ended.
fn stream(lines: &[&str]) -> Outcome {
    answer(
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )
}

fn message(fields: &str) -> String {
    format!(r#"{{"model":"m","message":{{"role":"assistant",{fields}}},"done":false}}"#)
}

fn say(text: &str) -> String {
    message(&format!(r#""content":"{text}""#))
}

fn calls(list: &str) -> Outcome {
    let line = message(&format!(r#""content":"","tool_calls":{list}"#));
    stream(&[&line, DONE])
}

fn end(more: &str) -> Finish {
    let done = format!(r#"{{"model":"m","message":{{"content":""}},"done":true{more}}}"#);
    stream(&[&say("Hi"), &done]).terminal.unwrap()
}

fn failure(outcome: &Outcome) -> &Error {
    outcome.terminal.as_ref().unwrap_err()
}

const DONE: &str =
    r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}"#;

const TRUNCATED: ErrorKind = ErrorKind::Network(NetworkFailure {
    kind: NetworkKind::Truncated,
    request_sent: true,
});

#[test]
fn an_end_without_the_last_line_is_never_a_success() {
    for body in [
        say("Hi") + "\n",
        say("Hi"),
        say("Hi") + "\n{\"model\":\"m\",\"done\":tr",
        say("Hi") + "\n{\"model\":\"m\",\"done\":false,\"done_reason\":\"stop\"}\n",
    ] {
        let outcome = answer(body.clone());
        assert_eq!(outcome.text(), "Hi", "{body}");
        assert_eq!(failure(&outcome).kind, TRUNCATED, "{body}");
    }
    assert_eq!(failure(&answer("")).kind, TRUNCATED);
    assert_eq!(failure(&answer("\n\n")).kind, TRUNCATED);
}

#[test]
fn line_ends_blank_lines_a_mark_and_a_missing_last_line_end_make_no_difference() {
    for newline in ["\n", "\r\n", "\n\n", "\r\n\r\n"] {
        let body = format!("\u{feff}{}{newline}{DONE}", say("Grüße 👩‍👧"));
        let outcome = answer(body);
        assert_eq!(outcome.text(), "Grüße 👩‍👧");
        assert_eq!(outcome.terminal.unwrap().reason, FinishReason::Stop);
    }
}

#[test]
fn what_comes_after_the_last_line_is_not_read() {
    let outcome = stream(&[&say("Hi"), DONE, r#"{"error":"late"}"#, "rubbish"]);
    assert_eq!(outcome.text(), "Hi");
    assert!(outcome.terminal.is_ok());
}

#[test]
fn a_whole_answer_instead_of_a_stream_is_an_answer() {
    let body = r#"{"model":"m","created_at":"2026-11-23T09:16:06Z","message":{"role":"assistant","content":"Hi","thinking":"hm","tool_calls":[{"function":{"name":"f","arguments":{}}}]},"done":true,"done_reason":"stop","prompt_eval_count":5,"eval_count":2}"#;
    let outcome = answer(body);
    assert_eq!(
        (outcome.text(), outcome.thinking()),
        ("Hi".into(), "hm".into())
    );
    assert_eq!(outcome.tool_calls().len(), 1);
    let finish = outcome.terminal.unwrap();
    assert_eq!(finish.reason, FinishReason::ToolCalls);
    assert_eq!(finish.usage.unwrap().total(), 7);
    assert_eq!(finish.model.as_deref(), Some("m"));
}

#[test]
fn what_is_no_answer_of_this_wire_is_malformed() {
    for body in [
        "rubbish\n",
        "[]\n",
        "7\n",
        "<html><title>Sign in</title></html>",
        "{\"response\":\"Hi\"}\n",
        "{\"message\":\"moved\"}\n",
        "data: {\"choices\":[]}\n\n",
    ] {
        let outcome = answer(body);
        assert_eq!(
            failure(&outcome).kind,
            ErrorKind::MalformedResponse,
            "{body}"
        );
        assert_eq!(outcome.events, [], "{body}");
    }
}

#[test]
fn characters_split_across_lines_are_joined_in_text_and_thinking() {
    let outcome = stream(&[
        &message(r#""thinking":"\ud83c""#),
        &message(r#""thinking":"\uddf5""#),
        &say(r"🇯\ud83c"),
        &say(r"\uddf5 ok"),
        &say(r"\ud83c"),
        DONE,
    ]);
    assert_eq!(outcome.thinking(), "🇵");
    // Half a character whose rest never came is replaced, and not lost.
    assert_eq!(outcome.text(), "🇯🇵 ok\u{fffd}");
}

#[test]
fn thinking_is_a_block_of_its_own_and_ends_before_what_follows() {
    let kinds = |outcome: &Outcome| -> String {
        let kind = |event: &Event| match event {
            Event::Started(_) => 'S',
            Event::Thinking(_) => 't',
            Event::ThinkingEnd(_) => 'e',
            Event::Text(_) => 'x',
            Event::ToolCallStart(_) => 'c',
            _ => '.',
        };
        outcome.events.iter().map(kind).collect()
    };
    let think = message(r#""content":"","thinking":"hm""#);
    let call = message(r#""content":"","tool_calls":[{"function":{"name":"f"}}]"#);
    let outcome = stream(&[&think, &think, &say("a"), &think, &call, DONE]);
    assert_eq!(kinds(&outcome), "Sttextec..");
    // It may be all there is.
    assert_eq!(kinds(&stream(&[&think, DONE])), "Ste");
    let other = message(r#""content":"","reasoning_content":"hm""#);
    assert_eq!(stream(&[&other, DONE]).thinking(), "hm");
}

#[test]
fn calls_without_ids_with_one_id_or_with_arguments_as_text_are_calls() {
    let outcome = calls(
        r#"[{"function":{"name":"f","index":0,"arguments":{"a":[1,2]}}},
            {"id":"own","function":{"name":"g","index":0,"arguments":"{\"b\":1}"}},
            {"id":"own","function":{"name":"g","arguments":""}},
            {"id":"","function":{"name":"h","arguments":null}},
            {"id":7,"function":{"name":"i"}}]"#
            .replace('\n', "")
            .as_str(),
    );
    let told: Vec<(String, String, String)> = [
        ("call_1_0", "f", "{\"a\":[1,2]}"),
        ("own", "g", "{\"b\":1}"),
        ("call_1_2", "g", "{}"),
        ("call_1_3", "h", "{}"),
        ("7", "i", "{}"),
    ]
    .into_iter()
    .map(|(id, name, arguments)| (id.into(), name.into(), arguments.into()))
    .collect();
    assert_eq!(outcome.tool_calls(), told);
    let ends = outcome.events.iter().filter_map(|event| match event {
        Event::ToolCallEnd(end) => Some(end.index),
        _ => None,
    });
    assert_eq!(ends.collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    // Its word for the end is `stop` all the same.
    assert_eq!(outcome.terminal.unwrap().reason, FinishReason::ToolCalls);
}

#[test]
fn calls_on_several_lines_are_numbered_on() {
    let line = message(r#""content":"","tool_calls":[{"function":{"name":"f","arguments":{}}}]"#);
    let ids: Vec<String> = stream(&[&line, &line, DONE])
        .tool_calls()
        .into_iter()
        .map(|(id, ..)| id)
        .collect();
    assert_eq!(ids, ["call_1_0", "call_1_1"]);
}

#[test]
fn a_call_that_cannot_be_made_is_malformed() {
    for list in [
        r#"[{"function":{"arguments":{}}}]"#,
        r#"[{"function":{"name":"","arguments":{}}}]"#,
        r#"[{"id":"a"}]"#,
        r#"[{"function":{"name":"f","arguments":[1]}}]"#,
        r#"[{"function":{"name":"f","arguments":"{\"a\":"}}]"#,
        r#"[{"function":{"name":"f","arguments":7}}]"#,
    ] {
        let outcome = calls(list);
        assert_eq!(
            failure(&outcome).kind,
            ErrorKind::MalformedResponse,
            "{list}"
        );
        assert_eq!(outcome.tool_calls(), [], "{list}");
    }
}

#[test]
fn the_end_says_why() {
    let reason = |word: &str| end(&format!(r#","done_reason":"{word}""#)).reason;
    assert_eq!(reason("stop"), FinishReason::Stop);
    assert_eq!(reason("length"), FinishReason::MaxTokens);
    for word in ["load", "unload"] {
        assert_eq!(reason(word), FinishReason::Other(word.into()));
    }
    // Older versions do not say.
    assert_eq!(end("").reason, FinishReason::Stop);
}

#[test]
fn counts_that_nobody_made_are_unknown() {
    let counts = |more: &str| end(more).usage.map(|usage| (usage.input, usage.output));
    assert_eq!(
        counts(r#","prompt_eval_count":9,"eval_count":3"#),
        Some((Some(9), Some(3)))
    );
    // The prompt came from the cache: not counted is not none.
    assert_eq!(counts(r#","eval_count":3"#), Some((None, Some(3))));
    assert_eq!(counts(r#","prompt_eval_count":0,"eval_count":0"#), None);
    assert_eq!(counts(""), None);
    let timed = end(r#","total_duration":5,"load_duration":1"#);
    assert_eq!(
        timed.extras,
        [
            Extra::new("total_duration", "5"),
            Extra::new("load_duration", "1")
        ]
    );
}

#[test]
fn a_context_that_was_filled_is_told() {
    let extras = |prompt: u64, answer: u64| {
        end(&format!(
            r#","done_reason":"length","prompt_eval_count":{prompt},"eval_count":{answer}"#
        ))
        .extras
    };
    assert_eq!(extras(8192, 3), [Extra::new("prompt-cut-at", "8192")]);
    assert_eq!(extras(8000, 192), [Extra::new("context-full-at", "8192")]);
    assert_eq!(extras(8000, 191), []);
    // The cloud ignores the number that was asked for.
    let request = Request::new("m:cloud", vec![Message::text(Role::User, "Hello")]);
    let body = DONE.replace("true,", "true,\"prompt_eval_count\":9000,");
    let replay = Replay::<Ollama>::body(body)
        .context(context())
        .request(request);
    assert_eq!(replay.whole().terminal.unwrap().extras, []);
}
