//! Replays the recordings natively, cut at every byte: the mapper must not depend on where the
//! network cuts. `valechat plugin test .` replays them through the component itself.

use echo_provider::Echo;
use vale_sdk::testkit::Replay;
use vale_sdk::{Context, ErrorKind, FinishReason, HttpReply, NetworkKind, Provider};

#[test]
fn hello_is_the_same_wherever_the_network_cuts() -> Result<(), String> {
    let body = include_bytes!("../recordings/hello.sse");
    let outcome = Replay::<Echo>::body(body).every_split()?;
    assert_eq!(outcome.text(), "Hello! 👋");
    let finish = outcome.terminal.map_err(|error| error.message)?;
    assert_eq!(finish.reason, FinishReason::Stop);
    assert_eq!(finish.usage.map(|usage| usage.total()), Some(23));
    Ok(())
}

#[test]
fn a_tool_call_is_the_same_wherever_the_network_cuts() -> Result<(), String> {
    let body = include_bytes!("../recordings/tool-call.sse");
    let outcome = Replay::<Echo>::body(body).every_split()?;
    let [(id, name, arguments)] = outcome
        .tool_calls()
        .try_into()
        .map_err(|_| "not one call")?;
    assert_eq!((id.as_str(), name.as_str()), ("call_1", "get_weather"));
    assert_eq!(arguments, r#"{"city":"Paris"}"#);
    Ok(())
}

#[test]
fn an_answer_without_its_end_is_a_failure_and_keeps_its_text() {
    let body = include_str!("../recordings/hello.sse");
    let cut = body.split("data: [DONE]").next().unwrap_or_default();
    let outcome = Replay::<Echo>::body(cut).whole();
    assert_eq!(outcome.text(), "Hello! 👋");
    let kind = outcome.terminal.map_err(|error| error.kind);
    assert!(
        matches!(kind, Err(ErrorKind::Network(network)) if network.kind == NetworkKind::Truncated)
    );
}

#[test]
fn only_a_list_names_models() {
    let listed = |body: &str| {
        let reply = HttpReply {
            status: 200,
            body: body.into(),
            ..HttpReply::default()
        };
        let models = Echo::parse_models(&Context::default(), &reply);
        let ids = models.map(|models| models.into_iter().map(|model| model.id).collect::<Vec<_>>());
        ids.map_err(|error| error.kind)
    };
    assert_eq!(
        listed(r#"{"data": [{"id": 17}, null, {"id": "small"}]}"#),
        Ok(vec!["small".to_owned()])
    );
    assert_eq!(listed(r#"{"data": []}"#), Ok(Vec::new()));
    for body in [r#"{"status": "ready"}"#, r#"{"data": {"id": "small"}}"#] {
        assert_eq!(listed(body), Err(ErrorKind::MalformedResponse), "{body}");
    }
}
