//! Time: computing is limited, waiting is not, and a dropped call is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use vale_sandbox::{CallContext, LogLevel, LogSink, Step};
use vale_tests::{
    Held, Sandboxed, Upstream, closed_gate, context, read_request, request, run, soon,
};
use vale_types::{Event, FaultClass, Limits};

#[tokio::test(flavor = "multi_thread")]
async fn waiting_300_times_15_ms_passes_a_cpu_limit_of_500_ms() {
    const WAITS: usize = 300;
    let upstream = Upstream::start(|mut socket| async move {
        if read_request(&mut socket).await.is_none() {
            return;
        }
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = socket.write_all(head).await;
        for _ in 0..WAITS {
            // The slow model that the guest waits for.
            tokio::time::sleep(Duration::from_millis(15)).await;
            let _ = socket.write_all(b"1\r\n.\r\n").await;
        }
        let _ = socket.write_all(b"0\r\n\r\n").await;
    })
    .await;
    let plugin = Sandboxed::default().load("reach").await;
    let limits = Limits {
        cpu_ms: 500,
        ..Limits::default()
    };
    let wanted = format!("GET {}", upstream.url("/"));
    let began = Instant::now();
    let outcome = run(
        &plugin,
        context(upstream.gate(), limits),
        &request("", &[&wanted]),
    )
    .await;
    assert!(outcome.end.is_ok(), "{:?}", outcome.end);
    assert_eq!(outcome.text(), ".".repeat(WAITS));
    assert_eq!(outcome.notes("end"), ["whole"]);
    // It did wait: 300 × 15 ms lie behind it.
    assert!(began.elapsed() >= Duration::from_millis(15 * 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_upstream_is_ended_by_the_wall_limit() {
    let mut held = Held::start().await;
    let plugin = Sandboxed::default().load("reach").await;
    let limits = Limits {
        wall_s: 1,
        ..Limits::default()
    };
    let wanted = format!("GET {}", held.upstream.url("/"));
    held.chunks.send("only this".to_owned()).unwrap();
    let outcome = run(
        &plugin,
        context(held.upstream.gate(), limits),
        &request("", &[&wanted]),
    )
    .await;
    assert_eq!(outcome.fault().0, FaultClass::WallLimit);
    assert_eq!(outcome.text(), "only this");
    assert_eq!(held.events.recv().await, Some(()));
    let gone = soon("the end of the connection", held.events.recv()).await;
    assert_eq!(gone, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_call_closes_its_connection() {
    let mut held = Held::start().await;
    let plugin = Sandboxed::default().load("reach").await;
    let wanted = format!("GET {}", held.upstream.url("/"));
    let mut call = plugin.complete(
        context(held.upstream.gate(), Limits::default()),
        &request("", &[&wanted]),
    );
    held.chunks.send("first".to_owned()).unwrap();
    until_text(&mut call).await;
    assert_eq!(held.events.recv().await, Some(()));
    drop(call);
    let gone = soon("the end of the connection", held.events.recv()).await;
    assert_eq!(gone, None, "the server saw the client go");
}

/// Tells when the call that holds it is gone with all it had.
struct Tell(mpsc::UnboundedSender<()>);

impl LogSink for Tell {
    fn line(&self, _level: LogLevel, _text: &str) {}
}

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn told(gate: vale_egress::Gate, limits: Limits) -> (CallContext, mpsc::UnboundedReceiver<()>) {
    let (tell, gone) = mpsc::unbounded_channel();
    let context = CallContext {
        log: Arc::new(Tell(tell)),
        ..context(gate, limits)
    };
    (context, gone)
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_spin_on_every_thread_are_gone_once_their_calls_are_dropped() {
    let sandboxed = Sandboxed::default();
    let (spin, honest) = (sandboxed.load("spin").await, sandboxed.load("honest").await);
    // No limit would end them within this test.
    let limits = Limits {
        cpu_ms: u64::MAX,
        ..Limits::default()
    };
    let mut spinning = Vec::new();
    for _ in 0..2 {
        let (context, gone) = told(closed_gate(), limits);
        let mut call = spin.complete(context, &request("after-text", &[]));
        until_text(&mut call).await;
        spinning.push((call, gone));
    }
    let fresh = || context(closed_gate(), Limits::default());
    let beside = run(&honest, fresh(), &request("", &["beside them"])).await;
    assert_eq!(beside.text(), "beside them");

    let dropped = Instant::now();
    let mut stores = Vec::new();
    for (call, mut gone) in spinning {
        assert!(gone.try_recv().is_err(), "it still spins");
        drop(call);
        stores.push(gone);
    }
    for mut gone in stores {
        assert_eq!(
            soon("the end of a spinning guest", gone.recv()).await,
            Some(())
        );
    }
    println!(
        "both were gone {} ms after the drop",
        dropped.elapsed().as_millis()
    );
    let after = run(&honest, fresh(), &request("", &["after them"])).await;
    assert_eq!(after.text(), "after them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_reads_holds_the_guest_back_and_goes_when_dropped() {
    let plugin = Sandboxed::default().load("flood").await;
    let (context, mut gone) = told(closed_gate(), Limits::default());
    let mut call = plugin.complete(context, &request("events", &[]));
    // A million pings would have been a fault long ago, if they had not been held back.
    for _ in 0..3 {
        let step = soon("a batch of the flood", call.next()).await;
        assert!(matches!(step, Some(Step::Events(_))), "{step:?}");
    }
    assert!(gone.try_recv().is_err());
    drop(call);
    assert_eq!(soon("the end of the flood", gone.recv()).await, Some(()));
}

async fn until_text(call: &mut vale_sandbox::Call) {
    loop {
        match soon("the first text", call.next()).await {
            Some(Step::Events(events)) => {
                if events.iter().any(|event| matches!(event, Event::Text(_))) {
                    return;
                }
            }
            other => panic!("no text, but {other:?}"),
        }
    }
}
