//! Redirects: each hop judged anew, credentials by origin, bodies only where they were meant to go.

use std::sync::{Arc, Mutex};

use crate::support::*;
use vale_egress::{Credential, Gate, HttpErrorKind, Rule};

/// Redirects by path to wherever the query says, with the status in the path.
async fn redirecting() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&log);
    let upstream = Upstream::answering(move |seen| {
        written.lock().unwrap().push(format!(
            "{}|{}",
            seen.head,
            String::from_utf8_lossy(&seen.body)
        ));
        let target = seen.head.split(' ').nth(1).unwrap_or_default();
        match target.split_once("?to=") {
            Some((status, to)) => format!(
                "HTTP/1.1 {} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n",
                status.trim_start_matches('/')
            )
            .into_bytes(),
            None => ok("", "arrived"),
        }
    })
    .await;
    (upstream, log)
}

#[tokio::test]
async fn redirects_are_followed_within_the_rules_and_at_most_three() {
    let (upstream, log) = redirecting().await;
    let gate = upstream.gate();
    let response = send(&gate, get(upstream.url("/302?to=/301?to=/307?to=/end")))
        .await
        .unwrap();
    assert_eq!(text(response).await, "arrived");
    assert_eq!(log.lock().unwrap().len(), 4);

    let error = refused(
        &gate,
        get(upstream.url("/302?to=/302?to=/302?to=/302?to=/end")),
    )
    .await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, true)
    );
    assert!(error.message.contains("more than 3"), "{}", error.message);
}

#[tokio::test]
async fn a_redirect_out_of_the_rules_is_denied_with_a_sentence() {
    let (upstream, _) = redirecting().await;
    let (other, log) = redirecting().await;
    let mut config = upstream.config();
    config.rules = vec![Rule {
        path_prefixes: vec!["/302".to_owned()],
        ..upstream.rule()
    }];
    let gate = Gate::new(config).unwrap();
    for target in [
        other.url("/"),
        upstream.url("/admin"),
        "http://169.254.169.254/latest".to_owned(),
        "https://evil.example/".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://u:p@{}/302", upstream.address),
        "//evil.example/x".to_owned(),
    ] {
        let error = refused(&gate, get(upstream.url(&format!("/302?to={target}")))).await;
        assert_eq!(
            (error.kind, error.request_sent),
            (HttpErrorKind::Denied, true),
            "{target}"
        );
        assert!(error.message.contains("redirects"), "{}", error.message);
    }
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn credentials_follow_the_origin_and_never_the_redirect() {
    let (first, _) = redirecting().await;
    let (second, log) = redirecting().await;
    let gate = |credentials| {
        let mut config = first.config();
        config.rules.push(second.rule());
        config.credentials = credentials;
        Gate::new(config).unwrap()
    };
    let mut request = get(first.url(&format!("/302?to={}", second.url("/end"))));
    request
        .headers
        .push(("x-note".to_owned(), "for the first only".to_owned()));

    let with_one = gate(vec![credential(
        "one",
        &first.url("/"),
        Some("key-of-the-first"),
    )]);
    send(&with_one, request.clone()).await.unwrap();
    let seen = log.lock().unwrap().pop().unwrap();
    assert!(
        !seen.contains("key-of-the-first") && !seen.contains("x-note"),
        "{seen}"
    );

    // Another server chose this URL, so the second one's own key does not go there either.
    let key = |name, server: &Upstream, secret, required| Credential {
        required,
        ..credential(name, &server.url("/"), Some(secret))
    };
    let with_both = gate(vec![
        key("one", &first, "key-of-the-first", true),
        key("two", &second, "key-of-the-second", true),
    ]);
    let error = refused(&with_both, request.clone()).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, true)
    );
    assert!(error.message.contains("'two'"), "{}", error.message);
    assert!(log.lock().unwrap().is_empty());

    let optional = gate(vec![
        key("one", &first, "key-of-the-first", true),
        key("two", &second, "key-of-the-second", false),
    ]);
    send(&optional, request).await.unwrap();
    let seen = log.lock().unwrap().pop().unwrap();
    assert!(!seen.contains("key-of-the"), "{seen}");
}

#[tokio::test]
async fn a_chain_that_comes_back_carries_no_credential_either() {
    let (first, log) = redirecting().await;
    let (second, _) = redirecting().await;
    let gate = |required| {
        let mut config = first.config();
        config.rules.push(second.rule());
        config.credentials = vec![Credential {
            required,
            ..credential("one", &first.url("/"), Some("key-of-the-first"))
        }];
        Gate::new(config).unwrap()
    };
    let back = format!("{}?to={}", second.url("/302"), first.url("/end"));
    let request = get(first.url(&format!("/302?to={back}")));
    send(&gate(false), request.clone()).await.unwrap();
    let seen = log.lock().unwrap().split_off(0);
    assert_eq!(seen.len(), 2);
    assert!(seen[0].contains("key-of-the-first") && !seen[1].contains("key-of-the-first"));

    let error = refused(&gate(true), request).await;
    assert_eq!(error.kind, HttpErrorKind::Denied);
    assert!(error.message.contains("'one'"), "{}", error.message);
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_on_the_same_origin_carries_a_credential_below_its_path_only() {
    let (upstream, log) = redirecting().await;
    let mut config = upstream.config();
    let mut key = credential("one", &upstream.url("/"), Some("key-of-the-first"));
    key.places[0].path_prefix = Some("/302".to_owned());
    config.credentials = vec![key];
    let gate = Gate::new(config).unwrap();
    for (to, attached) in [("/302/end", true), ("/end", false)] {
        send(&gate, get(upstream.url(&format!("/302?to={to}"))))
            .await
            .unwrap();
        let seen = log.lock().unwrap().split_off(0);
        assert!(seen[0].contains("key-of-the-first"));
        assert_eq!(seen[1].contains("key-of-the-first"), attached, "{to}");
    }
    let error = refused(&gate, get(upstream.url("/end"))).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, false)
    );
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_is_repeated_on_the_same_origin_and_nowhere_else() {
    let (first, log) = redirecting().await;
    let (second, other_log) = redirecting().await;
    let mut config = first.config();
    config.rules.push(second.rule());
    let gate = Gate::new(config).unwrap();

    send(&gate, post(first.url("/307?to=/end"), "precious"))
        .await
        .unwrap();
    let seen = log.lock().unwrap().pop().unwrap();
    assert!(
        seen.starts_with("POST /end ") && seen.ends_with("|precious"),
        "{seen}"
    );

    send(&gate, post(first.url("/303?to=/end"), "precious"))
        .await
        .unwrap();
    let seen = log.lock().unwrap().pop().unwrap();
    assert!(
        seen.starts_with("GET /end ") && seen.ends_with('|'),
        "{seen}"
    );
    assert!(!seen.to_lowercase().contains("content-"), "{seen}");

    for status in ["301", "302", "307", "308"] {
        let target = if status.starts_with("30") && status < "303" {
            first.url("/end")
        } else {
            second.url("/end")
        };
        let error = refused(
            &gate,
            post(first.url(&format!("/{status}?to={target}")), "precious"),
        )
        .await;
        assert_eq!(
            (error.kind, error.request_sent),
            (HttpErrorKind::Denied, true),
            "{status}"
        );
    }
    assert!(other_log.lock().unwrap().is_empty());
}
