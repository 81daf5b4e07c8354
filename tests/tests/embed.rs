//! The runtime as a library: the program in `tests/embed`, built outside of the workspace and without
//! the keyring, runs a provider, a tool and an actor of its own.
#![expect(clippy::panic, reason = "a helper fails the test that calls it")]

use std::process::Command;

use vale_tests::{Upstream, ok};

const ANSWER: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello from next door\"}}]}\n\n\
    data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn embed() -> Command {
    let program = std::env::var_os("VALECHAT_EMBED").unwrap_or_else(|| {
        panic!("VALECHAT_EMBED is not set: run this through `cargo xtask test`")
    });
    Command::new(program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_s_host_answers_calls_a_tool_and_outlives_its_actor_s_crash() {
    let upstream = Upstream::answering(|_| {
        ok(
            "content-type: text/event-stream\r\nconnection: close\r\n",
            ANSWER,
        )
    })
    .await;
    let url = upstream.url("/v1");
    let home = tempfile::tempdir().unwrap();
    let mut program = embed();
    program.env("UPSTREAM", url).env("EMBED_HOME", home.path());
    let run = tokio::task::spawn_blocking(move || program.output().unwrap());
    let output = run.await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{out}\n{err}");
    for words in [
        "Hello from next door",
        "ended: Stop",
        "0.3",
        "count: 1\ncount: 2\nno count: ",
        "crashed over this request",
        "count after the crash: 1",
        "event: mine/counter is restarted",
    ] {
        assert!(out.contains(words), "“{words}” is not in:\n{out}\n{err}");
    }
}

#[test]
fn its_source_stays_within_a_hundred_lines_and_it_pays_for_no_keyring() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("embed");
    let source = std::fs::read_to_string(folder.join("src/main.rs")).unwrap();
    assert!(source.lines().count() < 100, "{}", source.lines().count());
    let lock = std::fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    for heavy in ["zbus", "candle-core", "clap"] {
        let named = format!("name = \"{heavy}\"\n");
        assert!(
            !lock.contains(&named),
            "{heavy} is compiled for an embedder"
        );
    }
}
