//! Connections over time: backpressure, reuse, and closing them when nobody wants the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::*;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use vale_egress::Gate;

#[tokio::test]
async fn a_server_that_writes_without_end_stalls_when_nobody_reads() {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let (progress, mut progressed) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut socket| {
        let counter = Arc::clone(&counter);
        let progress = progress.clone();
        async move {
            read_request(&mut socket).await;
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let piece = vec![b'x'; 16 << 10];
            while let Ok(n) = socket.write(&piece).await {
                counter.fetch_add(n, Ordering::SeqCst);
                let _ = progress.send(());
            }
        }
    })
    .await;
    let mut config = upstream.config();
    config.caps.response_bytes = u64::MAX;
    let gate = Gate::new(config).unwrap();
    let mut body = send(&gate, get(upstream.url("/"))).await.unwrap().body;
    // Stalled: a quiet spell without any write. Far longer than a write takes; if the machine is
    // so slow that it is not, the bound below still has to hold.
    let quiet = std::time::Duration::from_millis(500);
    while tokio::time::timeout(quiet, progressed.recv()).await.is_ok() {
        assert!(
            written.load(Ordering::SeqCst) < 64 << 20,
            "nothing holds the server back"
        );
    }
    let stalled_at = written.load(Ordering::SeqCst);
    // Reading makes it write again, so it was the reader that it waited for.
    let mut read = 0;
    while read < stalled_at * 2 {
        read += body.next().await.unwrap().unwrap().len();
    }
    assert!(written.load(Ordering::SeqCst) > stalled_at);
}

#[tokio::test]
async fn calls_share_one_connection() {
    let upstream = Upstream::answering(|_| ok("", "hello")).await;
    let gate = upstream.gate();
    for _ in 0..50 {
        assert_eq!(
            text(send(&gate, get(upstream.url("/"))).await.unwrap()).await,
            "hello"
        );
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_pooled_connection_that_the_server_closed_is_replaced_without_an_error() {
    let closed = Arc::new(tokio::sync::Semaphore::new(0));
    let done = Arc::clone(&closed);
    let upstream = Upstream::start(move |mut socket| {
        let done = Arc::clone(&done);
        async move {
            read_request(&mut socket).await;
            let _ = socket.write_all(&ok("", "once")).await;
            drop(socket);
            done.add_permits(1);
        }
    })
    .await;
    let gate = upstream.gate();
    for _ in 0..10 {
        assert_eq!(
            text(send(&gate, get(upstream.url("/"))).await.unwrap()).await,
            "once"
        );
        closed.acquire().await.unwrap().forget();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn dropping_a_body_or_a_send_closes_the_upstream_socket() {
    let (upstream, mut told) = silent_after(b"HTTP/1.1 200 OK\r\n\r\nfirst").await;
    let mut body = send(&upstream.gate(), get(upstream.url("/")))
        .await
        .unwrap()
        .body;
    assert_eq!(body.next().await.unwrap().unwrap(), "first");
    drop(body);
    assert_eq!(told.recv().await, Some("asked"));
    assert_eq!(
        tokio::time::timeout(PATIENCE, told.recv()).await.unwrap(),
        Some("gone")
    );

    let (upstream, mut told) = silent_after(b"").await;
    let gate = upstream.gate();
    let mut sending = Box::pin(gate.begin_call().send(get(upstream.url("/"))));
    tokio::select! {
        _ = &mut sending => unreachable!("the server never answers"),
        event = told.recv() => assert_eq!(event, Some("asked")),
    }
    drop(sending);
    assert_eq!(
        tokio::time::timeout(PATIENCE, told.recv()).await.unwrap(),
        Some("gone")
    );
}

#[test]
fn a_gate_is_made_without_a_runtime_and_outlives_the_one_it_was_used_on() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let servers = runtime();
    let upstream = servers.block_on(Upstream::answering(|_| ok("", "hello")));
    let gate = upstream.gate();
    for _ in 0..2 {
        let own = runtime();
        for _ in 0..2 {
            let answer = own
                .block_on(async { text(send(&gate, get(upstream.url("/"))).await.unwrap()).await });
            assert_eq!(answer, "hello");
        }
        own.shutdown_timeout(PATIENCE);
    }
    // The first runtime's connection went with it, so it lived where it was polled.
    assert!(upstream.connections() >= 2);
}
