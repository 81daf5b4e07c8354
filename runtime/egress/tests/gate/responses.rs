//! What comes back: kinds of failure, caps, encodings, time limits.

use std::sync::Arc;

use crate::support::*;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use vale_egress::{Caps, Gate, HttpErrorKind, Rule};

/// How a connection ends after the script's bytes.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Close,
    Reset,
}

async fn saying(bytes: &'static [u8], end: End) -> Upstream {
    Upstream::start(move |mut socket| async move {
        read_request(&mut socket).await;
        let _ = socket.write_all(bytes).await;
        if end == End::Reset {
            // Closing with a zero linger sends RST at once.
            #[expect(deprecated, reason = "blocking only for a non-zero linger")]
            let _ = socket.set_linger(Some(std::time::Duration::ZERO));
        }
    })
    .await
}

/// Trap 9: the client's own predicates do not tell these apart.
#[tokio::test]
async fn trap_9_truncated_reset_and_garbled_answers_are_told_apart() {
    use HttpErrorKind::{Protocol, Reset, TooLarge, Truncated};
    let head_only: &[(&[u8], End, HttpErrorKind)] = &[
        (b"", End::Close, Reset),
        (b"", End::Reset, Reset),
        (b"HTTP/1.1 200 O", End::Close, Reset),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", End::Close, Protocol),
        (
            b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
            End::Close,
            Protocol,
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            End::Close,
            Protocol,
        ),
    ];
    for (bytes, end, kind) in head_only {
        let upstream = saying(bytes, *end).await;
        let error = refused(&upstream.gate(), get(upstream.url("/"))).await;
        assert_eq!(
            (&error.kind, error.request_sent),
            (kind, true),
            "{}",
            error.message
        );
    }
    let with_body: &[(&[u8], End, &str, HttpErrorKind)] = &[
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            End::Close,
            "half",
            Truncated,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            End::Close,
            "half",
            Truncated,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
            End::Close,
            "half",
            Protocol,
        ),
    ];
    for (bytes, end, body, kind) in with_body {
        let upstream = saying(bytes, *end).await;
        let (read, error) = drain(
            send(&upstream.gate(), get(upstream.url("/")))
                .await
                .unwrap()
                .body,
        )
        .await;
        let error = error.unwrap();
        assert_eq!(
            (&error.kind, error.request_sent),
            (kind, true),
            "{}",
            error.message
        );
        assert_eq!(read, body.as_bytes());
    }
    let many =
        Box::leak(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200)).into_boxed_str());
    let huge = Box::leak(
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20)).into_boxed_str(),
    );
    let large = Box::leak(
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(65 << 10)).into_boxed_str(),
    );
    for head in [many, huge, large] {
        let upstream = saying(head.as_bytes(), End::Close).await;
        let error = refused(&upstream.gate(), get(upstream.url("/"))).await;
        assert_eq!(
            (error.kind, error.request_sent),
            (TooLarge, true),
            "{}",
            error.message
        );
    }
}

#[tokio::test]
async fn a_connection_reset_in_the_middle_of_a_body_is_a_reset() {
    let (read_it, was_read) = tokio::sync::oneshot::channel::<()>();
    let was_read = Arc::new(tokio::sync::Mutex::new(Some(was_read)));
    let upstream = Upstream::start(move |mut socket| {
        let was_read = Arc::clone(&was_read);
        async move {
            read_request(&mut socket).await;
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                .await
                .unwrap();
            // A reset may overtake bytes that were not read yet.
            was_read.lock().await.take().unwrap().await.unwrap();
            #[expect(deprecated, reason = "blocking only for a non-zero linger")]
            socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
        }
    })
    .await;
    let mut body = send(&upstream.gate(), get(upstream.url("/")))
        .await
        .unwrap()
        .body;
    assert_eq!(body.next().await.unwrap().unwrap(), "half");
    read_it.send(()).unwrap();
    let error = body.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Reset, true),
        "{}",
        error.message
    );
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_and_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut config = vale_egress::GateConfig::new("test");
    config.rules = vec![Rule::parse(&url, METHODS, true).unwrap()];
    let error = refused(&Gate::new(config).unwrap(), get(url)).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Connect, false)
    );
}

/// Trap 13: an encoded body would be counted before decoding, so none is let in.
#[tokio::test]
async fn trap_13_an_encoding_that_was_not_asked_for_is_an_error() {
    let upstream = Upstream::answering(|seen| {
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
        let encoding = seen
            .head
            .split(' ')
            .nth(1)
            .unwrap()
            .trim_start_matches('/')
            .to_owned();
        ok(&format!("content-encoding: {encoding}\r\n"), "\u{1f}bytes")
    })
    .await;
    let gate = upstream.gate();
    for encoding in ["gzip", "br", "identity,gzip", "GZIP"] {
        let error = refused(&gate, get(upstream.url(&format!("/{encoding}")))).await;
        assert_eq!(
            (error.kind, error.request_sent),
            (HttpErrorKind::Protocol, true),
            "{encoding}"
        );
    }
    assert_eq!(
        send(&gate, get(upstream.url("/identity")))
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn cookies_do_not_reach_the_plugin_and_are_not_kept() {
    let upstream = Upstream::answering(|seen| {
        assert_eq!(seen.header("cookie"), None);
        ok(
            "Set-Cookie: id=1\r\nX-Request-Id: 7\r\nRetry-After: 2\r\n",
            "{}",
        )
    })
    .await;
    let gate = upstream.gate();
    for _ in 0..2 {
        let response = send(&gate, get(upstream.url("/"))).await.unwrap();
        let names: Vec<_> = response
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["x-request-id", "retry-after", "content-length"]);
    }
}

#[tokio::test]
async fn response_bytes_are_capped_for_the_whole_call_to_the_byte() {
    let upstream = Upstream::answering(|seen| match seen.head.starts_with("GET /chunked") {
        true => {
            let chunk = format!("8\r\n{}\r\n", "x".repeat(8));
            let body = format!("{}0\r\n\r\n", chunk.repeat(8));
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}").into_bytes()
        }
        false => ok("", &"x".repeat(60)),
    })
    .await;
    let mut config = upstream.config();
    config.caps = Caps {
        response_bytes: 100,
        ..Caps::default()
    };
    let gate = Gate::new(config).unwrap();
    let call = gate.begin_call();
    let (first, error) = drain(call.send(get(upstream.url("/"))).await.unwrap().body).await;
    assert_eq!((first.len(), error), (60, None));
    let announced = call.send(get(upstream.url("/"))).await.err().unwrap();
    assert_eq!(
        (announced.kind, announced.request_sent),
        (HttpErrorKind::TooLarge, true)
    );
    let (rest, error) = drain(call.send(get(upstream.url("/chunked"))).await.unwrap().body).await;
    assert_eq!(
        (rest.len(), error.unwrap().kind),
        (40, HttpErrorKind::TooLarge)
    );
    let (fresh, error) = drain(
        send(&gate, get(upstream.url("/chunked")))
            .await
            .unwrap()
            .body,
    )
    .await;
    assert_eq!((fresh.len(), error), (64, None));
}

#[tokio::test]
async fn a_head_request_may_announce_more_than_the_cap() {
    let upstream = Upstream::answering(|_| {
        b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n".to_vec()
    })
    .await;
    let mut request = get(upstream.url("/"));
    request.method = "HEAD".to_owned();
    let response = send(&upstream.gate(), request).await.unwrap();
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn a_silent_server_meets_the_limit_that_fits() {
    let millis = std::time::Duration::from_millis;
    let (upstream, _told) = silent_after(b"").await;
    let mut config = upstream.config();
    config.timeouts.connect = millis(30);
    config.timeouts.first_byte = millis(30);
    let error = refused(&Gate::new(config).unwrap(), get(upstream.url("/"))).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Timeout, true)
    );
    assert!(
        error.message.contains("begin to answer"),
        "{}",
        error.message
    );

    let (upstream, _told) = silent_after(b"HTTP/1.1 200 OK\r\n\r\nfirst").await;
    let mut config = upstream.config();
    config.timeouts.idle = millis(30);
    let (read, error) = drain(
        send(&Gate::new(config).unwrap(), get(upstream.url("/")))
            .await
            .unwrap()
            .body,
    )
    .await;
    let error = error.unwrap();
    assert_eq!(
        (read.as_slice(), error.kind),
        (b"first".as_slice(), HttpErrorKind::Timeout)
    );
    assert!(error.message.contains("in the middle"), "{}", error.message);

    let (upstream, _told) = silent_after(b"").await;
    let mut config = upstream.config();
    config.timeouts.total = millis(30);
    let error = refused(&Gate::new(config).unwrap(), get(upstream.url("/"))).await;
    assert_eq!(error.kind, HttpErrorKind::Timeout);
    assert!(error.message.contains("longer than"), "{}", error.message);
}
