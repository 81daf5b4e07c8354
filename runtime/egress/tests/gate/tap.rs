//! What somebody who watches a gate sees: everything in its order, and no credential.

use std::sync::{Arc, Mutex};

use crate::support::*;
use vale_egress::{Gate, HttpErrorKind, Tap, Tapped, TappedHeader};

const KEY: &str = "sk-live-0123456789abcdef";

/// Everything that was seen, as text.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// What the tests look at; the rest depends on the machine.
fn shown(headers: &[TappedHeader]) -> String {
    let mut kept = headers.iter().filter(|(name, _)| {
        ["authorization", "content-type", "set-cookie", "x-own"].contains(&name.as_str())
    });
    let mut text = String::new();
    for (name, value) in kept.by_ref() {
        text.push_str(&format!(" {name}={}", value.as_deref().unwrap_or("-")));
    }
    text
}

impl Tap for Notes {
    fn seen(&self, exchange: u64, what: Tapped<'_>) {
        let line = match what {
            Tapped::Request {
                method,
                url,
                headers,
                body,
            } => format!(
                "{method} {}{} {}",
                url.path(),
                shown(&headers),
                String::from_utf8_lossy(&body.to_bytes())
            ),
            Tapped::Head { status, headers } => format!("{status}{}", shown(&headers)),
            Tapped::Body(bytes) => format!("body {}", String::from_utf8_lossy(bytes)),
            Tapped::End => "end".to_owned(),
            Tapped::Failed(error) => format!("failed {:?} {}", error.kind, error.message),
        };
        self.0.lock().unwrap().push(format!("{exchange} {line}"));
    }
}

fn watched(upstream: &Upstream, cap: Option<u64>) -> (Gate, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let mut config = upstream.config();
    config.credentials = vec![credential("api-key", &upstream.url("/"), Some(KEY))];
    config.tap = Some(Arc::clone(&notes) as Arc<dyn Tap>);
    if let Some(cap) = cap {
        config.caps.response_bytes = cap;
    }
    (Gate::new(config).unwrap(), notes)
}

#[tokio::test]
async fn an_exchange_is_seen_in_its_order_without_its_credential() {
    let upstream =
        Upstream::answering(|_| ok("x-own: yes\r\nset-cookie: id=secret\r\n", "answer")).await;
    let (gate, notes) = watched(&upstream, None);
    let response = send(&gate, post(upstream.url("/v1"), "ask")).await.unwrap();
    assert_eq!(text(response).await, "answer");
    assert_eq!(
        notes.lines(),
        [
            "1 POST /v1 content-type=text/plain authorization=- ask",
            "1 200 x-own=yes set-cookie=-",
            "1 body answer",
            "1 end",
        ]
    );
}

#[tokio::test]
async fn each_hop_is_an_exchange_and_a_body_that_is_not_read_has_an_end() {
    let upstream = Upstream::answering(|seen| {
        if seen.head.starts_with("GET /old") {
            b"HTTP/1.1 302 Found\r\nlocation: /new\r\ncontent-length: 0\r\n\r\n".to_vec()
        } else {
            ok("", "there")
        }
    })
    .await;
    let (gate, notes) = watched(&upstream, None);
    drop(send(&gate, get(upstream.url("/old"))).await.unwrap());
    assert_eq!(
        notes.lines(),
        [
            "1 GET /old authorization=- ",
            "1 302",
            "1 end",
            "2 GET /new authorization=- ",
            "2 200",
            "2 end",
        ]
    );
}

#[tokio::test]
async fn what_passes_the_cap_is_not_seen_and_the_failure_is() {
    let body = "0123456789".repeat(100);
    let upstream = Upstream::start(move |mut socket| {
        let body = body.clone();
        async move {
            read_request(&mut socket).await;
            // Without a length, so that only counting finds it too large.
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes()).await;
        }
    })
    .await;
    let (gate, notes) = watched(&upstream, Some(100));
    let response = send(&gate, get(upstream.url("/"))).await.unwrap();
    let (read, error) = drain(response.body).await;
    assert_eq!(error.unwrap().kind, HttpErrorKind::TooLarge);
    let lines = notes.lines();
    let seen: usize = lines
        .iter()
        .filter_map(|line| line.strip_prefix("1 body "))
        .map(str::len)
        .sum();
    assert_eq!(seen, read.len(), "what the plugin got, and no more");
    assert!(seen <= 100, "{seen}");
    assert!(
        lines.last().unwrap().starts_with("1 failed TooLarge"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_key_that_comes_back_is_not_seen_either() {
    for in_header in [true, false] {
        let upstream = Upstream::answering(move |seen| {
            let key = seen.header("authorization").unwrap_or_default().to_owned();
            if in_header {
                ok(&format!("x-own: {key}\r\n"), "x")
            } else {
                ok("", &format!("you sent {key}, thanks"))
            }
        })
        .await;
        let (gate, notes) = watched(&upstream, None);
        match send(&gate, get(upstream.url("/"))).await {
            Err(_) => assert!(in_header),
            Ok(response) => drop(drain(response.body).await),
        }
        let lines = notes.lines();
        assert!(!lines.concat().contains(KEY), "{lines:?}");
        assert!(lines.last().unwrap().contains("failed"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_sent_and_not_seen() {
    let upstream = Upstream::answering(|_| ok("", "x")).await;
    let (gate, notes) = watched(&upstream, None);
    refused(&gate, get("https://elsewhere.example/")).await;
    assert_eq!(notes.lines(), Vec::<String>::new());
}
