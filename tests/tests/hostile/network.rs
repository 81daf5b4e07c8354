//! A guest tries to reach what it was not granted, and to get at a credential.

use std::net::IpAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::io::AsyncWriteExt as _;
use vale_egress::{
    Credential, CredentialPlace, Gate, GateConfig, NameResolver, Origin, Resolved, Rule,
};
use vale_secrets::Secret;
use vale_tests::{Outcome, Sandboxed, Upstream, context, ok, read_request, request, run};
use vale_types::{FaultClass, Limits};

const KEY: &str = "sk-live-0123456789abcdef";

/// Sends what each message describes, under this grant.
async fn reach(grant: GateConfig, wanted: &[&str]) -> Outcome {
    let plugin = Sandboxed::default().load("reach").await;
    let gate = Gate::new(grant).unwrap();
    run(
        &plugin,
        context(gate, Limits::default()),
        &request("", wanted),
    )
    .await
}

async fn victim() -> Upstream {
    Upstream::answering(|_| ok("", "the victim's answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_granted_is_never_connected_to_however_it_is_spelt() {
    let (granted, victim) = (victim().await, victim().await);
    let port = victim.address.port();
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://{}@127.0.0.1:{port}/", granted.address),
        format!("http://{}\\@127.0.0.1:{port}/", granted.address),
        format!("http://{}#@127.0.0.1:{port}/", granted.address.ip()),
        format!("https://127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        "http://2852039166/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "https://not-granted.example/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ];
    let wanted: Vec<String> = urls.iter().map(|url| format!("GET {url}")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let outcome = reach(granted.grant(), &wanted).await;
    assert!(
        outcome.end.is_ok(),
        "a refusal is no fault: {:?}",
        outcome.end
    );
    assert_eq!(
        outcome.notes("error"),
        vec!["denied"; urls.len()],
        "{:?}",
        outcome.notes("message")
    );
    assert_eq!(outcome.notes("request-sent"), vec!["false"; urls.len()]);
    assert_eq!((victim.connections(), granted.connections()), (0, 0));

    // The same guest does reach what it was granted: the refusals above mean something.
    let outcome = reach(granted.grant(), &[&format!("GET {}", granted.url("/"))]).await;
    assert_eq!(outcome.text(), "the victim's answer");
    assert_eq!(granted.connections(), 1);
}

/// Every name leads to this address.
struct LeadsTo(IpAddr);

impl NameResolver for LeadsTo {
    fn lookup(&self, _name: String) -> BoxFuture<'static, Resolved> {
        let address = self.0;
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_name_that_leads_to_this_machine_is_never_connected_to() {
    let victim = victim().await;
    let port = victim.address.port();
    for address in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let mut grant = GateConfig::new("test");
        let base = format!("https://rebound.example:{port}");
        grant.rules = vec![Rule::parse(&base, ["GET"], false).unwrap()];
        grant.resolver = Some(Arc::new(LeadsTo(address.parse().unwrap())));
        let outcome = reach(grant, &[&format!("GET {base}/")]).await;
        let told = (outcome.notes("error"), outcome.notes("message").concat());
        assert_eq!(told.0, ["denied"], "{address}: {}", told.1);
        assert!(told.1.contains("rebound.example"), "{address}: {}", told.1);
        assert_eq!(outcome.notes("request-sent"), ["false"]);
    }
    assert_eq!(victim.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_origin_is_never_followed() {
    let victim = victim().await;
    for target in [
        victim.url("/"),
        format!("//{}/", victim.address),
        format!("http://2130706433:{}/", victim.address.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let to = target.clone();
        let granted = Upstream::answering(move |_| {
            format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        })
        .await;
        let outcome = reach(granted.grant(), &[&format!("GET {}", granted.url("/"))]).await;
        assert_eq!(outcome.notes("error"), ["denied"], "{target}");
        assert_eq!(outcome.notes("request-sent"), ["true"], "{target}");
        assert!(outcome.text().is_empty(), "{target}");
        assert_eq!(granted.connections(), 1);
    }
    assert_eq!(victim.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_sets_no_header_that_is_the_hosts_own() {
    let upstream = victim().await;
    for header in [
        "authorization: Bearer mine",
        "Authorization: Bearer mine",
        "x-api-key: mine",
        "cookie: a=b",
        "host: victim.example",
        "content-length: 5",
        "transfer-encoding: chunked",
        "connection: keep-alive",
        "proxy-authorization: Basic bWU6bWU=",
        "x-forwarded-for: 127.0.0.1",
        // A line break in a value would write a further header.
        "x-fine: 1\r\u{a}authorization: Bearer mine",
    ] {
        let wanted = format!("GET {}\n{header}", upstream.url("/"));
        let outcome = reach(upstream.grant(), &[&wanted]).await;
        assert_eq!(outcome.notes("error"), ["denied"], "{header:?}");
        assert_eq!(outcome.notes("request-sent"), ["false"], "{header:?}");
        assert!(outcome.end.is_ok());
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_response_bytes_of_one_call_are_capped() {
    let upstream = Upstream::answering(|_| ok("", &"x".repeat(1_000))).await;
    let one = format!("GET {}", upstream.url("/"));
    let mut grant = upstream.grant();
    grant.caps.requests = 3;
    let outcome = reach(grant, &[one.as_str(); 5]).await;
    assert_eq!(outcome.notes("status"), ["200"; 3]);
    assert_eq!(outcome.notes("error"), ["too-large"; 2]);

    let mut grant = upstream.grant();
    grant.caps.response_bytes = 2_500;
    let outcome = reach(grant, &[one.as_str(); 4]).await;
    // With a length that is too much already, or in the middle of the body: never a byte more.
    assert!(outcome.text().len() <= 2_500, "{}", outcome.text().len());
    assert_eq!(
        outcome
            .notes("end")
            .iter()
            .filter(|end| **end == "whole")
            .count(),
        2
    );
}

/// Attaches [`KEY`] to requests to this server.
fn with_key(upstream: &Upstream) -> GateConfig {
    let mut grant = upstream.grant();
    grant.credentials = vec![Credential {
        name: "api-key".to_owned(),
        header: http::header::AUTHORIZATION,
        template: "Bearer {key}".to_owned(),
        places: vec![CredentialPlace {
            origin: Origin::parse(&upstream.url("/")).unwrap(),
            path_prefix: None,
        }],
        required: true,
        secret: Secret::new(KEY.to_owned()).ok(),
    }];
    grant
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reflected_one_byte_a_chunk_never_reaches_the_guest_and_ends_the_call() {
    let upstream = Upstream::start(|mut socket| async move {
        while let Some(seen) = read_request(&mut socket).await {
            let mirrored = seen.header("authorization").unwrap_or_default();
            if seen.path() == "/harmless" {
                let _ = socket.write_all(&ok("", "kept text. ")).await;
                continue;
            }
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            let _ = socket.write_all(head).await;
            for byte in format!("you sent {mirrored}, thanks").chars() {
                let chunk = format!("1\r\n{byte}\r\n");
                let _ = socket.write_all(chunk.as_bytes()).await;
                tokio::task::yield_now().await;
            }
            let _ = socket.write_all(b"0\r\n\r\n").await;
        }
    })
    .await;
    let wanted =
        ["/harmless", "/mirror", "/harmless"].map(|path| format!("GET {}", upstream.url(path)));
    let outcome = reach(with_key(&upstream), &wanted.each_ref().map(String::as_str)).await;
    let (class, detail) = outcome.fault();
    assert_eq!(class, FaultClass::SecretLeak);
    assert!(detail.contains("'api-key'"), "{detail}");
    assert!(
        outcome.text().starts_with("kept text. "),
        "{:?}",
        outcome.text()
    );
    assert!(
        "kept text. you sent Bearer ".starts_with(&outcome.text()),
        "{:?}",
        outcome.text()
    );
    assert_no_key(&outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reflected_in_disguise_never_reaches_the_guest() {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD.encode(format!("Bearer {KEY}"));
    let percent: String = KEY.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for answer in [
        ok("", &format!("{{\"error\":\"{KEY}\"}}")),
        ok("", &format!("token={base64}&x=1")),
        ok("", &percent),
        ok(&format!("x-echo: {KEY}\r\n"), ""),
        ok(&format!("set-cookie: key={KEY}\r\n"), ""),
        format!("HTTP/1.1 302 Found\r\nlocation: /?k={KEY}\r\ncontent-length: 0\r\n\r\n")
            .into_bytes(),
        format!("HTTP/1.1 401 {KEY}\r\ncontent-length: 24\r\n\r\n{KEY}").into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let upstream = Upstream::answering(move |_| answer.clone()).await;
        let wanted = format!("GET {}", upstream.url("/"));
        let outcome = reach(with_key(&upstream), &[&wanted]).await;
        assert_eq!(outcome.fault().0, FaultClass::SecretLeak, "{shown}");
        assert_no_key(&outcome);
        assert!(!format!("{outcome:?}").contains(&base64), "{shown}");
    }
}

/// Neither events nor the terminal value hold the key.
fn assert_no_key(outcome: &Outcome) {
    assert!(!outcome.text().contains(KEY));
    assert!(!format!("{outcome:?}").contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_with_a_leak_leaves_the_plugins_other_calls_alone() {
    let mirror = Upstream::answering(|seen| match seen.path() {
        "/mirror" => ok("", seen.header("authorization").unwrap_or_default()),
        _ => ok("", "fine"),
    })
    .await;
    let plugin = Sandboxed::default().load("reach").await;
    let shared = context(Gate::new(with_key(&mirror)).unwrap(), Limits::default());
    let leaking = request("", &[&format!("GET {}", mirror.url("/mirror"))]);
    let honest = request("", &[&format!("GET {}", mirror.url("/"))]);
    let leaked = run(&plugin, shared.clone(), &leaking).await;
    assert_eq!(leaked.fault().0, FaultClass::SecretLeak);
    let next = run(&plugin, shared, &honest).await;
    assert_eq!(next.text(), "fine");
    assert!(next.end.is_ok());
}
