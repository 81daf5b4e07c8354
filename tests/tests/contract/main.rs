//! One table of behaviours, run against every provider component over real peers: what a person
//! may expect of a provider, whatever its wire.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod behaviours;
mod examples;
mod frozen;
mod heard;
mod lists;
mod peers;
mod recordings;
mod suite;

use behaviours::{ALL, Behaviour};
use heard::Bench;
use peers::{Aimock, Infer, OllamaProxy};
use vale_types::NetworkKind;

/// Runs the table against one provider; every row that fails is told.
fn check(bench: &Bench, provider: &str, model: &str, rows: &[Behaviour]) {
    assert!(!rows.is_empty());
    let mut wrong = Vec::new();
    for row in rows {
        let heard = bench.ask(provider, model, row.message);
        if let Err(what) = (row.check)(&heard) {
            wrong.push(format!("{provider}: {}: {what}\n  {heard:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rows that a wire can show at all.
fn rows(without: &[&str]) -> Vec<Behaviour> {
    for name in without {
        assert!(ALL.iter().any(|row| row.name == *name), "no row {name}");
    }
    let rows = ALL.iter().filter(|row| !without.contains(&row.name));
    rows.copied().collect()
}

#[test]
fn every_wire_of_aimock_behaves_alike() {
    let mock = Aimock::start();
    let root = mock.url();
    let bench = Bench::new(&[
        ("chat", "openai", &format!("{root}/v1"), "api = \"chat\""),
        (
            "responses",
            "openai",
            &format!("{root}/v1"),
            "api = \"responses\"",
        ),
        ("openrouter", "openai", &format!("{root}/api/v1"), ""),
        ("anthropic", "anthropic", &format!("{root}/v1"), ""),
        ("ollama", "ollama", root, ""),
        ("lmstudio", "lmstudio", root, ""),
    ]);
    check(&bench, "chat", "gpt-4o", &rows(&[]));
    check(&bench, "lmstudio", "gpt-4o", &rows(&[]));
    check(&bench, "anthropic", "claude-sonnet-4-5", &rows(&[]));
    // aimock counts nothing on this wire, and its rubbish is half a line, which is a cut line here.
    let without = [
        "tokens are counted",
        "rubbish instead of an answer is malformed",
    ];
    check(&bench, "ollama", "llama3.2", &rows(&without));
    check(&bench, "openrouter", "openai/gpt-4o", &rows(&[]));
    check(&bench, "responses", "gpt-4o", &rows(&[]));
}

#[test]
fn the_local_model_is_an_ollama_model_through_a_proxy() {
    let Some(proxy) = OllamaProxy::find() else {
        vale_tests::skip("ollama-proxy-plus is not installed (VALECHAT_OLLAMA_PROXY)");
        return;
    };
    let infer = Infer::start();
    let proxy = proxy.start(&infer);
    let bench = Bench::new(&[("proxy", "ollama", proxy.url(), "")]);
    let models = bench.models("proxy");
    let model = models
        .iter()
        .find(|model| model.contains("SmolLM2"))
        .unwrap();
    let heard = bench.ask("proxy", model, "Say hello.");
    assert!(heard.end.is_ok(), "{heard:?}");
    assert!(
        heard.text.len() > 3 && heard.batches > 1,
        "it streams: {heard:?}"
    );
    let missing = bench.ask("proxy", "nobody/nothing", "Say hello.");
    assert!(missing.end.is_err(), "{missing:?}");
}

#[test]
fn llama_server_speaks_three_of_our_wires() {
    let Some(server) = peers::LlamaServer::find() else {
        vale_tests::skip("llama-server is not on the path");
        return;
    };
    let server = server.start();
    let root = server.url();
    let bench = Bench::new(&[
        ("chat", "openai", &format!("{root}/v1"), "api = \"chat\""),
        (
            "responses",
            "openai",
            &format!("{root}/v1"),
            "api = \"responses\"",
        ),
        ("anthropic", "anthropic", &format!("{root}/v1"), ""),
    ]);
    // It closes kept connections when it pleases, sometimes just when the next request goes out.
    // Outside this suite such a request is repeated once.
    let ask = |provider: &str, text: &str| {
        let heard = bench.ask(provider, "smollm2", text);
        if heard.is_network(&[NetworkKind::Reset]) {
            bench.ask(provider, "smollm2", text)
        } else {
            heard
        }
    };
    for provider in ["chat", "responses", "anthropic"] {
        let heard = ask(provider, "Say hello.");
        assert!(
            heard.end.is_ok() && !heard.text.is_empty(),
            "{provider}: {heard:?}"
        );
        let refused = ask(provider, &"word ".repeat(6000));
        assert!(refused.is_context_length(), "{provider}: {refused:?}");
    }
}
