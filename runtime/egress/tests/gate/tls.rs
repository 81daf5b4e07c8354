//! TLS against a server with its own certificate authority, HTTP/2 included.

use std::sync::Arc;

use crate::support::*;
use futures::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use vale_egress::{Gate, HttpErrorKind, Rule};

/// The identity of a server for `localhost`, and its authority as PEM.
fn identity(protocol: &[u8]) -> (TlsAcceptor, Vec<u8>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (
        TlsAcceptor::from(Arc::new(config)),
        authority.pem().into_bytes(),
    )
}

/// A server that gives `answer` to every request.
async fn secure(answer: &'static [u8]) -> (Upstream, Vec<u8>) {
    let (acceptor, ca) = identity(b"http/1.1");
    let upstream = Upstream::start(move |socket| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut tls) = acceptor.accept(socket).await else {
                return;
            };
            while read_request(&mut tls).await.is_some() {
                if tls.write_all(answer).await.is_err() || tls.flush().await.is_err() {
                    return;
                }
                if answer.is_empty() || answer.ends_with(b"cut") {
                    return;
                }
            }
        }
    })
    .await;
    (upstream, ca)
}

fn gate(upstream: &Upstream, host: &'static str, roots: Vec<Vec<u8>>) -> (Gate, String) {
    let url = format!("https://{host}:{}/", upstream.address.port());
    let mut config = vale_egress::GateConfig::new("test");
    config.rules = vec![Rule::parse(&url, METHODS, true).unwrap()];
    config.extra_roots = roots;
    config.resolver = Some(Names::new(&[(host, &["127.0.0.1"])]));
    (Gate::new(config).unwrap(), url)
}

#[tokio::test]
async fn the_persons_own_authority_is_trusted() {
    let (upstream, ca) = secure(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure").await;
    let (gate, url) = gate(&upstream, "localhost", vec![ca]);
    for _ in 0..3 {
        assert_eq!(text(send(&gate, get(&url)).await.unwrap()).await, "secure");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_unknown_authority_or_a_wrong_name_is_a_tls_error_and_nothing_was_sent() {
    let (upstream, ca) = secure(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    for (host, roots) in [("localhost", vec![]), ("other.example", vec![ca])] {
        let (gate, url) = gate(&upstream, host, roots);
        let error = refused(&gate, get(url)).await;
        assert_eq!(
            (&error.kind, error.request_sent),
            (&HttpErrorKind::Tls, false),
            "{}",
            error.message
        );
    }
}

#[tokio::test]
async fn a_body_cut_off_without_a_farewell_is_truncated() {
    let (upstream, ca) = secure(b"HTTP/1.1 200 OK\r\n\r\nno length, then cut").await;
    let (gate, url) = gate(&upstream, "localhost", vec![ca]);
    let (read, error) = drain(send(&gate, get(url)).await.unwrap().body).await;
    assert_eq!(read, b"no length, then cut");
    assert_eq!(error.map(|e| e.kind), Some(HttpErrorKind::Truncated));
}

/// An HTTP/2 server: `/slow` gets a first chunk and then silence, everything else a short answer.
/// Tells when a stream was reset by the client; resets `/broken` once it is told to.
async fn multiplexing(
    break_it: Arc<Notify>,
) -> (
    Upstream,
    Vec<u8>,
    tokio::sync::mpsc::UnboundedReceiver<h2::Reason>,
) {
    let (acceptor, ca) = identity(b"h2");
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |socket| {
        let (acceptor, tell, break_it) = (acceptor.clone(), tell.clone(), Arc::clone(&break_it));
        async move {
            let tls = acceptor.accept(socket).await.unwrap();
            let mut connection = h2::server::handshake(tls).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let (tell, break_it) = (tell.clone(), Arc::clone(&break_it));
                tokio::spawn(async move {
                    let head = http::Response::builder()
                        .header("set-cookie", "a=1")
                        .body(())
                        .unwrap();
                    let mut body = respond.send_response(head, false).unwrap();
                    match request.uri().path() {
                        "/slow" => {
                            body.send_data("first".into(), false).unwrap();
                            let reason = std::future::poll_fn(|cx| body.poll_reset(cx)).await;
                            tell.send(reason.unwrap()).unwrap();
                        }
                        "/broken" => {
                            body.send_data("half".into(), false).unwrap();
                            break_it.notified().await;
                            body.send_reset(h2::Reason::INTERNAL_ERROR);
                        }
                        _ => body.send_data("second version".into(), true).unwrap(),
                    }
                });
            }
        }
    })
    .await;
    (upstream, ca, told)
}

#[tokio::test]
async fn http_2_is_spoken_where_offered_and_calls_share_its_connection() {
    let break_it = Arc::new(Notify::new());
    let (upstream, ca, mut told) = multiplexing(Arc::clone(&break_it)).await;
    let (gate, url) = gate(&upstream, "localhost", vec![ca]);
    let mut slow = send(&gate, get(format!("{url}slow"))).await.unwrap().body;
    assert_eq!(slow.next().await.unwrap().unwrap(), "first");
    let response = send(&gate, get(&url)).await.unwrap();
    assert!(response.headers.is_empty(), "{:?}", response.headers);
    assert_eq!(text(response).await, "second version");
    drop(slow);
    let reason = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
    assert_eq!(reason, Some(h2::Reason::CANCEL));

    let mut broken = send(&gate, get(format!("{url}broken"))).await.unwrap().body;
    assert_eq!(broken.next().await.unwrap().unwrap(), "half");
    break_it.notify_one();
    let (read, error) = drain(broken).await;
    assert_eq!((read.len(), error.unwrap().kind), (0, HttpErrorKind::Reset));
    assert_eq!(upstream.connections(), 1);
}
