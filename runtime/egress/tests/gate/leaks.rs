//! A server that sends a credential back, in every place it could.

use crate::support::*;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use vale_egress::{Gate, HttpErrorKind, LeakSite, Violation};

const KEY: &str = "sk-live-0123456789abcdef";

fn guarded(upstream: &Upstream) -> Gate {
    let mut config = upstream.config();
    config.credentials = vec![credential("api-key", &upstream.url("/"), Some(KEY))];
    Gate::new(config).unwrap()
}

fn leaked(where_: LeakSite) -> Option<Violation> {
    Some(Violation::SecretLeak {
        credential: "api-key".to_owned(),
        where_,
    })
}

/// Reflects the credential header one byte a chunk, which is how it would slip past a search that
/// looks at chunks one by one.
async fn reflecting() -> Upstream {
    Upstream::start(|mut socket| async move {
        let Some(seen) = read_request(&mut socket).await else {
            return;
        };
        let authorization = seen.header("authorization").unwrap_or_default().to_owned();
        let _ = socket.set_nodelay(true);
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = socket.write_all(head.as_bytes()).await;
        for byte in format!("you sent {authorization}, thanks").chars() {
            let _ = socket
                .write_all(format!("1\r\n{byte}\r\n").as_bytes())
                .await;
            tokio::task::yield_now().await;
        }
        let _ = socket.write_all(b"0\r\n\r\n").await;
    })
    .await
}

#[tokio::test]
async fn a_key_reflected_one_byte_a_chunk_never_arrives_and_ends_the_call() {
    let upstream = reflecting().await;
    let gate = guarded(&upstream);
    let call = gate.begin_call();
    assert_eq!(call.violation(), None);
    let (read, error) = drain(call.send(get(upstream.url("/"))).await.unwrap().body).await;
    assert_eq!(String::from_utf8(read).unwrap(), "you sent Bearer ");
    let error = error.unwrap();
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Other("secret-leak".into()), true)
    );
    assert!(!error.message.contains(KEY) && error.message.contains("'api-key'"));
    assert_eq!(call.violation(), leaked(LeakSite::Body));
    call.violated().await;

    let again = call.send(get(upstream.url("/"))).await.err().unwrap();
    assert_eq!(again.kind, HttpErrorKind::Other("secret-leak".into()));
    assert_eq!(upstream.connections(), 1);
    assert_eq!(gate.begin_call().violation(), None);
}

#[tokio::test]
async fn a_key_in_a_header_value_name_or_redirect_never_arrives() {
    for head in [
        format!("HTTP/1.1 200 OK\r\nx-echo: Bearer {KEY}\r\ncontent-length: 0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nset-cookie: k={KEY}\r\ncontent-length: 0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n{KEY}: 1\r\ncontent-length: 0\r\n\r\n"),
        format!("HTTP/1.1 302 Found\r\nlocation: /?k={KEY}\r\ncontent-length: 0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {KEY}\r\ncontent-length: 0\r\n\r\n"),
    ] {
        let upstream = Upstream::answering(move |_| head.clone().into_bytes()).await;
        let call = guarded(&upstream).begin_call();
        let error = call.send(get(upstream.url("/"))).await.err().unwrap();
        assert!(!error.message.contains(KEY), "{}", error.message);
        assert_eq!(call.violation(), leaked(LeakSite::Header));
    }
}

#[tokio::test]
async fn a_leak_ends_the_other_bodies_of_the_call_too_even_waiting_ones() {
    let upstream = Upstream::start(|mut socket| async move {
        let Some(seen) = read_request(&mut socket).await else {
            return;
        };
        if seen.head.starts_with("GET /leak") {
            let _ = socket.write_all(&ok("", KEY)).await;
            return;
        }
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\nfirst").await;
        read_request(&mut socket).await;
    })
    .await;
    let call = guarded(&upstream).begin_call();
    let mut other = call.send(get(upstream.url("/wait"))).await.unwrap().body;
    assert_eq!(other.next().await.unwrap().unwrap(), "first");
    let waiting = tokio::spawn(async move { drain(other).await });
    let (read, error) = drain(call.send(get(upstream.url("/leak"))).await.unwrap().body).await;
    assert!(read.is_empty() && error.is_some());
    let (read, error) = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(read.is_empty());
    assert_eq!(
        error.unwrap().kind,
        HttpErrorKind::Other("secret-leak".into())
    );
}

#[tokio::test]
async fn a_short_dummy_key_is_no_secret() {
    let upstream = Upstream::answering(|seen| ok("", seen.header("authorization").unwrap())).await;
    let mut config = upstream.config();
    config.credentials = vec![credential("api-key", &upstream.url("/"), Some("lm-studio"))];
    let response = send(&Gate::new(config).unwrap(), get(upstream.url("/")))
        .await
        .unwrap();
    assert_eq!(text(response).await, "Bearer lm-studio");
}

#[tokio::test]
async fn a_prefix_held_back_comes_out_when_the_body_ends_and_is_dropped_when_it_fails() {
    let upstream = Upstream::answering(|_| ok("", "ends with sk-live-0123")).await;
    let response = send(&guarded(&upstream), get(upstream.url("/")))
        .await
        .unwrap();
    assert_eq!(text(response).await, "ends with sk-live-0123");

    // What was held back may be the beginning of a key, and whoever can cut bodies short could
    // read the key piece by piece; losing a few letters of a broken answer costs nothing.
    let upstream = Upstream::start(|mut socket| async move {
        read_request(&mut socket).await;
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ncut at sk-live-0123";
        let _ = socket.write_all(cut).await;
    })
    .await;
    let (read, error) = drain(
        send(&guarded(&upstream), get(upstream.url("/")))
            .await
            .unwrap()
            .body,
    )
    .await;
    assert_eq!(read, b"cut at ");
    assert_eq!(error.unwrap().kind, HttpErrorKind::Truncated);
}

#[tokio::test]
async fn a_byte_cap_cannot_cut_a_reflected_key() {
    const BEFORE: &str = "you sent Bearer ";
    let upstream = reflecting().await;
    for granted in BEFORE.len()..BEFORE.len() + KEY.len() {
        let mut config = upstream.config();
        config.credentials = vec![credential("api-key", &upstream.url("/"), Some(KEY))];
        config.caps.response_bytes = granted as u64;
        let gate = Gate::new(config).unwrap();
        let body = send(&gate, get(upstream.url("/"))).await.unwrap().body;
        let (read, error) = drain(body).await;
        assert_eq!(String::from_utf8(read).unwrap(), BEFORE, "{granted}");
        assert_eq!(error.unwrap().kind, HttpErrorKind::TooLarge, "{granted}");
    }
}

#[tokio::test]
async fn a_time_limit_cannot_cut_a_reflected_key() {
    let (upstream, _told) = silent_after(b"HTTP/1.1 200 OK\r\n\r\nyou sent sk-live-0123").await;
    for total in [false, true] {
        let mut config = upstream.config();
        config.credentials = vec![credential("api-key", &upstream.url("/"), Some(KEY))];
        let limit = if total {
            &mut config.timeouts.total
        } else {
            &mut config.timeouts.idle
        };
        // Long enough for the head to come first, or the send itself would time out.
        *limit = std::time::Duration::from_secs(2);
        let gate = Gate::new(config).unwrap();
        let body = send(&gate, get(upstream.url("/"))).await.unwrap().body;
        let (read, error) = drain(body).await;
        assert_eq!(read, b"you sent ");
        assert_eq!(error.unwrap().kind, HttpErrorKind::Timeout);
    }
}

#[tokio::test]
async fn a_key_with_marks_is_found_as_json_writes_it() {
    const MARKED: &str = "a/b=c+d&e<f>0123456789";
    for upper in [false, true] {
        let upstream = Upstream::answering(move |seen| {
            let sent = seen.header("authorization").unwrap_or_default();
            let mut echo = String::new();
            for c in sent.chars() {
                match c {
                    '/' => echo.push_str("\\/"),
                    '=' | '+' | '&' | '<' | '>' if upper => {
                        echo.push_str(&format!("\\u{:04X}", u32::from(c)));
                    }
                    '=' | '+' | '&' | '<' | '>' => {
                        echo.push_str(&format!("\\u{:04x}", u32::from(c)));
                    }
                    other => echo.push(other),
                }
            }
            ok("", &format!("{{\"sent\":\"{echo}\"}}"))
        })
        .await;
        let mut config = upstream.config();
        config.credentials = vec![credential("api-key", &upstream.url("/"), Some(MARKED))];
        let call = Gate::new(config).unwrap().begin_call();
        let (read, error) = drain(call.send(get(upstream.url("/"))).await.unwrap().body).await;
        assert!(error.is_some() && read.is_empty(), "{read:?}");
        assert_eq!(call.violation(), leaked(LeakSite::Body));
    }
}
