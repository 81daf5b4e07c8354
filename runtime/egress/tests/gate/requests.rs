//! What leaves: framing, credentials, blobs, names, redirects.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::*;
use bytes::Bytes;
use futures::future::BoxFuture;
use vale_egress::{
    BlobSource, BodyPart, Caps, Gate, GateConfig, HttpErrorKind, HttpRequest, NameResolver, Origin,
    Resolved, Rule,
};

/// A server that repeats what it was sent in its body.
async fn mirror() -> Upstream {
    Upstream::answering(|seen| {
        ok(
            "",
            &format!("{}|{}", seen.head, String::from_utf8_lossy(&seen.body)),
        )
    })
    .await
}

#[tokio::test]
async fn what_was_judged_is_what_is_sent() {
    let upstream = mirror().await;
    let url = upstream.url("/v1/a%2Fb?q=%7e&x=..#fragment");
    let echoed = text(send(&upstream.gate(), get(url)).await.unwrap()).await;
    let head = echoed.to_lowercase();
    assert!(
        echoed.starts_with("GET /v1/a%2Fb?q=%7e&x=.. HTTP/1.1\r\n"),
        "{echoed}"
    );
    assert!(head.contains(&format!("host: {}", upstream.address)));
    assert!(head.contains("accept-encoding: identity") && head.contains("user-agent: valechat/"));
    assert!(!head.contains("referer") && !head.contains("cookie"));
}

#[tokio::test]
async fn a_message_does_not_grow_with_what_it_quotes() {
    let upstream = mirror().await;
    let mut request = get(upstream.url("/"));
    request.method = "ä".repeat(1 << 20);
    let error = refused(&upstream.gate(), request).await;
    assert_eq!(
        (error.kind, error.message.chars().count()),
        (HttpErrorKind::Denied, 501)
    );
}

/// Trap 3: hyper obeys a `content-length` of the guest, so it must never see one.
#[tokio::test]
async fn trap_3_a_guests_content_length_is_refused_and_the_real_one_sent() {
    let upstream = mirror().await;
    for length in ["5", "500"] {
        let mut request = post(upstream.url("/"), "a body of 25 bytes, say.");
        request
            .headers
            .push(("Content-Length".to_owned(), length.to_owned()));
        let error = refused(&upstream.gate(), request).await;
        assert_eq!(
            (error.kind, error.request_sent),
            (HttpErrorKind::Denied, false)
        );
        assert!(error.message.contains("content-length"));
    }
    assert_eq!(upstream.connections(), 0);
    let echoed = text(
        send(&upstream.gate(), post(upstream.url("/"), "12345"))
            .await
            .unwrap(),
    )
    .await;
    assert!(echoed.to_lowercase().contains("content-length: 5\r\n") && echoed.ends_with("|12345"));
    assert!(!echoed.to_lowercase().contains("transfer-encoding"));
}

/// Traps 1 and 2 on the real client: nothing connects, whatever the spelling.
#[tokio::test]
async fn traps_1_and_2_no_spelling_of_an_address_reaches_a_server_without_a_rule() {
    let upstream = mirror().await;
    let port = upstream.address.port();
    let mut config = GateConfig::new("test");
    config.rules = vec![
        Rule::parse("https://api.example.com", METHODS, false).unwrap(),
        Rule::parse(&format!("http://127.0.0.1:{}", port ^ 1), METHODS, true).unwrap(),
    ];
    let gate = Gate::new(config).unwrap();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "0.0.0.0",
        "169.254.169.254",
    ] {
        for scheme in ["http", "https"] {
            let error = refused(&gate, get(format!("{scheme}://{host}:{port}/"))).await;
            assert_eq!(
                error.kind,
                HttpErrorKind::Denied,
                "{host}: {}",
                error.message
            );
            assert!(!error.request_sent);
        }
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_public_name_that_leads_to_a_local_address_is_not_connected_to() {
    let upstream = mirror().await;
    let port = upstream.address.port();
    let mut config = GateConfig::new("test");
    let url = format!("https://rebind.example:{port}");
    config.rules = vec![Rule::parse(&url, METHODS, false).unwrap()];
    config.resolver = Some(Names::new(&[(
        "rebind.example",
        &["127.0.0.1", "::1", "10.0.0.1"],
    )]));
    let error = refused(&Gate::new(config).unwrap(), get(url)).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, false)
    );
    assert!(
        error.message.contains("rebind.example leads to 127.0.0.1"),
        "{}",
        error.message
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_local_servers_name_is_resolved_once_and_pinned() {
    let upstream = mirror().await;
    let names = Names::new(&[("ollama.lan", &["169.254.169.254", "127.0.0.1"])]);
    let url = format!("http://ollama.lan:{}", upstream.address.port());
    let mut config = GateConfig::new("test");
    config.rules = vec![Rule::parse(&url, METHODS, true).unwrap()];
    config.resolver = Some(Arc::clone(&names) as _);
    let gate = Gate::new(config).unwrap();
    assert_eq!(send(&gate, get(&url)).await.unwrap().status, 200);
    assert_eq!(
        (names.lookups.load(Ordering::SeqCst), upstream.connections()),
        (1, 1)
    );
}

#[tokio::test]
async fn an_unknown_name_is_a_dns_error_and_nothing_was_sent() {
    let mut config = GateConfig::new("test");
    config.rules = vec![Rule::parse("https://nowhere.example", METHODS, false).unwrap()];
    config.resolver = Some(Names::new(&[]));
    let error = refused(&Gate::new(config).unwrap(), get("https://nowhere.example/")).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Dns, false)
    );
}

/// A name server that never answers.
struct Silent;
impl NameResolver for Silent {
    fn lookup(&self, _: String) -> BoxFuture<'static, Resolved> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_connect_that_takes_too_long_is_a_timeout_and_nothing_was_sent() {
    let mut config = GateConfig::new("test");
    config.rules = vec![Rule::parse("https://slow.example", METHODS, false).unwrap()];
    config.resolver = Some(Arc::new(Silent));
    config.timeouts.connect = std::time::Duration::from_millis(20);
    let error = refused(&Gate::new(config).unwrap(), get("https://slow.example/")).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Timeout, false)
    );
}

#[tokio::test]
async fn a_credential_is_attached_and_a_missing_one_is_a_sentence() {
    let upstream = mirror().await;
    let mut config = upstream.config();
    config.credentials = vec![credential(
        "api-key",
        &upstream.url("/v1"),
        Some("dummy-key"),
    )];
    let echoed = text(
        send(&Gate::new(config).unwrap(), get(upstream.url("/")))
            .await
            .unwrap(),
    )
    .await;
    assert!(
        echoed
            .to_lowercase()
            .contains("authorization: bearer dummy-key"),
        "{echoed}"
    );

    let mut config = upstream.config();
    config.credentials = vec![credential("api-key", &upstream.url("/"), None)];
    let error = refused(&Gate::new(config).unwrap(), get(upstream.url("/"))).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, false)
    );
    assert!(error.message.contains("'api-key'") && error.message.contains("is not set"));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn half_of_an_answer_is_not_asked_for_with_a_key() {
    let upstream = mirror().await;
    let mut config = upstream.config();
    config.credentials = vec![credential("api-key", &upstream.url("/v1"), Some("secret"))];
    let gate = Gate::new(config).unwrap();
    let mut request = get(upstream.url("/v1/echo"));
    request.headers.push(("Range".into(), "bytes=30-33".into()));
    let error = refused(&gate, request).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, false)
    );
    assert!(error.message.contains("'range'"), "{}", error.message);
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_guest_cannot_set_what_the_host_sets() {
    let upstream = mirror().await;
    let gate = upstream.gate();
    for (name, value) in [
        ("Authorization", "Bearer mine"),
        ("host", "evil.example"),
        ("x-api-key", "k"),
        ("cookie", "a=1"),
        ("proxy-authorization", "x"),
        ("transfer-encoding", "chunked"),
        ("connection", "upgrade"),
        ("x-note", "a\r\nauthorization: b"),
        ("x\r\nhost", "c"),
    ] {
        let mut request = get(upstream.url("/"));
        request.headers.push((name.to_owned(), value.to_owned()));
        let error = refused(&gate, request).await;
        assert_eq!(
            (error.kind, error.request_sent),
            (HttpErrorKind::Denied, false),
            "{name}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

struct Blobs;
impl BlobSource for Blobs {
    fn open(&self, id: &str) -> Result<Bytes, String> {
        match id {
            "pixel" => Ok(Bytes::from_static(b"\x89PNG?")),
            "note" => Ok(Bytes::from_static("a\"\\\n\u{1}é".as_bytes())),
            other => Err(format!("no blob '{other}'")),
        }
    }
}

#[tokio::test]
async fn blobs_are_spliced_into_the_body() {
    let upstream = mirror().await;
    let mut config = upstream.config();
    config.blobs = Some(Arc::new(Blobs));
    config.caps = Caps {
        request_body_bytes: 20,
        ..Caps::default()
    };
    let gate = Gate::new(config).unwrap();
    let request = |parts: &[BodyPart]| HttpRequest {
        method: "POST".to_owned(),
        url: upstream.url("/"),
        headers: Vec::new(),
        body: parts.to_vec(),
    };
    let quote = || BodyPart::Bytes(Bytes::from_static(b"\""));
    let image = || BodyPart::BlobBase64("pixel".to_owned());
    let response = send(&gate, request(&[quote(), image(), quote()]))
        .await
        .unwrap();
    assert!(text(response).await.ends_with("|\"iVBORz8=\""));
    let raw = BodyPart::Blob("pixel".to_owned());
    let response = send(&gate, request(&[quote(), raw, quote()]))
        .await
        .unwrap();
    assert!(text(response).await.ends_with("|\"\u{fffd}PNG?\""));

    let note = BodyPart::BlobJsonText("note".to_owned());
    let response = send(&gate, request(&[quote(), note, quote()]))
        .await
        .unwrap();
    let sent = text(response).await;
    let json = sent.split_once('|').unwrap().1;
    assert_eq!(
        serde_json::from_str::<String>(json).unwrap(),
        "a\"\\\n\u{1}é"
    );
    let image_as_text = BodyPart::BlobJsonText("pixel".to_owned());
    let error = refused(&gate, request(&[quote(), image_as_text])).await;
    assert!(
        error.message.contains("no UTF-8 text from byte 0"),
        "{}",
        error.message
    );

    let error = refused(&gate, request(&[image(), image(), image()])).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::TooLarge, false)
    );
    let error = refused(&gate, request(&[BodyPart::Blob("other".to_owned())])).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, false)
    );
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn requests_of_a_call_are_counted_together_redirects_included() {
    let upstream = Upstream::answering(|seen| match seen.head.contains("GET /hop") {
        true => b"HTTP/1.1 302 Found\r\nlocation: /end\r\ncontent-length: 0\r\n\r\n".to_vec(),
        false => ok("", "end"),
    })
    .await;
    let mut config = upstream.config();
    config.caps = Caps {
        requests: 3,
        ..Caps::default()
    };
    let gate = Gate::new(config).unwrap();
    let call = gate.begin_call();
    assert!(call.send(get(upstream.url("/hop"))).await.is_ok());
    let error = call.send(get(upstream.url("/hop"))).await.err().unwrap();
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::TooLarge, true)
    );
    let error = call.send(get(upstream.url("/end"))).await.err().unwrap();
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::TooLarge, false)
    );
    assert!(
        gate.begin_call()
            .send(get(upstream.url("/end")))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_persons_proxy_carries_public_requests_and_never_local_ones() {
    // The proxy sees CONNECT for https, and never a local server's requests.
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel();
    let proxy = Upstream::start(move |mut socket| {
        let asked = asked.clone();
        async move {
            if let Some(seen) = read_request(&mut socket).await {
                let _ = asked.send(seen.head);
            }
        }
    })
    .await;
    let upstream = mirror().await;
    let mut config = upstream.config();
    config
        .rules
        .push(Rule::parse("https://api.example.com", METHODS, false).unwrap());
    config.proxy = Some(proxy.url("/").parse().unwrap());
    let gate = Gate::new(config).unwrap();
    assert_eq!(
        send(&gate, get(upstream.url("/"))).await.unwrap().status,
        200
    );
    let error = refused(&gate, get("https://api.example.com/")).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Connect, false)
    );
    assert!(
        asks.recv()
            .await
            .unwrap()
            .starts_with("CONNECT api.example.com:443 ")
    );
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_grant_that_makes_no_sense_is_refused_when_the_gate_is_made() {
    let broken = |change: fn(&mut GateConfig)| {
        let mut config = GateConfig::new("test");
        change(&mut config);
        assert!(Gate::new(config).is_err());
    };
    broken(|c| c.proxy = Some("socks5://127.0.0.1:1080".parse().unwrap()));
    broken(|c| c.extra_roots = vec![b"no certificate".to_vec()]);
    broken(|c| c.user_agent = "a\r\nb".to_owned());
    broken(|c| {
        c.rules = vec![Rule {
            origin: Origin::parse("http://169.254.169.254").unwrap(),
            methods: vec!["GET".to_owned()],
            path_prefixes: Vec::new(),
            local_server: true,
        }];
    });
}
