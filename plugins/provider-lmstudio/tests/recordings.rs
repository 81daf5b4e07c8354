//! Answers through the mapper, cut at every byte: the OpenAI wire's own tests are in
//! `../provider-openai`; here is what must hold through this provider.

#![expect(clippy::unwrap_used, reason = "tests")]

use provider_lmstudio::LmStudio;
use vale_sdk::testkit::{Outcome, Replay};
use vale_sdk::{ErrorKind, FinishReason, NetworkKind};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

fn recording(name: &str) -> Replay<LmStudio> {
    Replay::file(format!("{FIXTURES}/sse/{name}.raw")).unwrap()
}

fn answer(body: impl Into<Vec<u8>>) -> Outcome {
    Replay::<LmStudio>::body(body).every_split().unwrap()
}

#[test]
fn a_stream_with_reasoning_text_and_a_call_comes_back_whole() {
    let body = std::fs::read(format!("{FIXTURES}/lmstudio/chat.sse")).unwrap();
    let outcome = answer(body.clone());
    assert_eq!(outcome.thinking(), "They want the weather.");
    assert_eq!(outcome.text(), "Let me look.");
    assert_eq!(
        outcome.tool_calls(),
        [(
            "314159265".into(),
            "get_weather".into(),
            "{\"city\":\"Zürich\"}".into()
        )]
    );
    let finish = outcome.terminal.unwrap();
    assert_eq!(finish.reason, FinishReason::ToolCalls);
    let usage = finish.usage.unwrap();
    assert_eq!((usage.input, usage.output), (Some(31), Some(17)));
    // Cut anywhere before its reason to finish, it is a failure.
    let text = String::from_utf8_lossy(&body);
    let reason = text.find("\"finish_reason\":\"tool_calls\"").unwrap();
    for at in (0..reason).step_by(7) {
        let outcome = Replay::<LmStudio>::body(&body[..at]).whole();
        let error = outcome.terminal.unwrap_err();
        assert!(
            matches!(&error.kind, ErrorKind::Network(failure) if failure.kind == NetworkKind::Truncated),
            "cut at {at}: {error:?}"
        );
    }
}

#[test]
fn recorded_answers_of_the_wire_come_back_whole() {
    let text = recording("llama-server.openai-chat.text")
        .every_split()
        .unwrap();
    assert!(!text.text().is_empty() && text.terminal.is_ok());
    let call = recording("llama-server.openai-chat.toolcall");
    let call = call.every_split().unwrap();
    assert_eq!(call.tool_calls().len(), 1);
    let whole = recording("llama-server.openai-chat.nonstream");
    let whole = whole.every_split().unwrap();
    assert!(whole.terminal.is_ok(), "{:?}", whole.terminal);
    for cut in ["aimock.openai-chat.trunc", "aimock.openai-chat.hangup"] {
        let outcome = recording(cut).every_split().unwrap();
        assert!(outcome.terminal.is_err(), "{cut}");
    }
}
