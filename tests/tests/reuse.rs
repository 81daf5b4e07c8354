//! A response is read to its end, so that the next call finds its connection again: a new TCP and
//! TLS handshake per request is the usual host's mistake.

use tokio::io::AsyncWriteExt as _;
use vale_egress::{Gate, GateConfig, Rule};
use vale_tests::{Sandboxed, Upstream, context, outcome, read_request, request};
use vale_types::Limits;

#[tokio::test(flavor = "multi_thread")]
async fn calls_one_after_the_other_share_a_connection() {
    const CALLS: usize = 30;
    // The end mark and the end of the body come apart, as they do from real servers.
    let upstream = Upstream::start(|mut socket| async move {
        while read_request(&mut socket).await.is_some() {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n";
            let done = "data: [DONE]\n\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            for piece in [event, event, done] {
                let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
                socket.write_all(chunk.as_bytes()).await.unwrap();
            }
            socket.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let plugins = std::path::PathBuf::from(std::env::var_os("VALECHAT_PLUGINS").unwrap());
    let wasm = std::fs::read(plugins.join("openai/component.wasm")).unwrap();
    let plugin = Sandboxed::default().engine.load(wasm).await.unwrap();
    let mut config = GateConfig::new("openai");
    config.rules = vec![Rule::parse(&upstream.url("/v1"), ["POST"], true).unwrap()];
    let mut context = context(Gate::new(config).unwrap(), Limits::default());
    context.settings_json = format!("{{\"base_url\":\"{}\"}}", upstream.url("/v1"));
    for _ in 0..CALLS {
        let said = outcome(&mut plugin.complete(context.clone(), &request("m", &["hi"]))).await;
        assert_eq!((said.text().as_str(), said.end.is_ok()), ("hihi", true));
    }
    // The pool gets a connection back a moment after the body's end, so a quick next call may have
    // opened a second one; never one for each.
    let connections = upstream.connections();
    assert!(
        connections <= CALLS / 3,
        "{connections} connections for {CALLS} calls"
    );
}
