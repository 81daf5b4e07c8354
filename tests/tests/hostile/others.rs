//! Whatever one guest does, the host, other plugins and open streams go on.

use vale_sandbox::Step;
use vale_tests::{Held, Sandboxed, closed_gate, context, outcome, request, run, soon};
use vale_types::{Event, Failure, Limits};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_of_another_plugin_goes_on_through_every_fault() {
    let sandboxed = Sandboxed::default();
    let honest = sandboxed.load("reach").await;
    let held = Held::start().await;
    let wanted = format!("GET {}", held.upstream.url("/"));
    let mut open = honest.complete(
        context(held.upstream.gate(), Limits::default()),
        &request("", &[&wanted]),
    );

    let limits = Limits {
        memory_mib: 16,
        cpu_ms: 500,
        wall_s: 2,
        log_lines: 100,
        events: 1_000,
        ..Limits::default()
    };
    let mut expected = String::new();
    let mut received = String::new();
    for (guest, misdeed) in [
        ("spin", "at-once"),
        ("alloc", "heap"),
        ("flood", "events"),
        ("flood", "log-lines"),
        ("trap", "panic"),
        ("trap", "stack"),
        ("contract", "emit-after-finish"),
        ("contract", "stream-left-open"),
        ("raw", "ends-twice"),
    ] {
        let hostile = sandboxed.load(guest).await;
        // Whoever waits for an answer waits for ever.
        let silent = Held::start().await;
        let request = request(misdeed, &[&silent.upstream.url("/")]);
        let mut running = hostile.complete(context(silent.upstream.gate(), limits), &request);
        // One chunk while it runs, one after its fault.
        let during = format!("{guest} {misdeed} runs; ");
        held.chunks.send(during.clone()).unwrap();
        expected += &during;
        read_until(&mut open, &mut received, &expected).await;

        let ended = outcome(&mut running).await;
        assert!(matches!(ended.end, Err(Failure::Fault(_))), "{ended:?}");
        let after = format!("{guest} is gone; ");
        held.chunks.send(after.clone()).unwrap();
        expected += &after;
        read_until(&mut open, &mut received, &expected).await;
    }

    drop(held.chunks);
    let rest = outcome(&mut open).await;
    assert_eq!(rest.notes("end"), ["whole"]);
    assert!(rest.end.is_ok(), "{:?}", rest.end);
}

async fn read_until(call: &mut vale_sandbox::Call, received: &mut String, expected: &str) {
    while received != expected {
        match soon("the next chunk of the open stream", call.next()).await {
            Some(Step::Events(events)) => {
                for event in events {
                    if let Event::Text(text) = event {
                        received.push_str(&text);
                    }
                }
                assert!(expected.starts_with(received.as_str()), "{received:?}");
            }
            other => panic!("the open stream ended: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_call_is_left_for_the_next_one() {
    let sandboxed = Sandboxed::default();
    let plugin = sandboxed.load("alloc").await;
    let limits = Limits {
        memory_mib: 16,
        ..Limits::default()
    };
    for _ in 0..3 {
        let grown = run(
            &plugin,
            context(closed_gate(), limits),
            &request("grow", &[]),
        )
        .await;
        assert_eq!(grown.fault().0, vale_types::FaultClass::MemoryLimit);
        // A fresh store: the same plugin still describes itself within the same limit.
        let info = soon("describe", plugin.describe(context(closed_gate(), limits))).await;
        assert_eq!(info.unwrap().display_name, "alloc");
    }
}
