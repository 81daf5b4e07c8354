//! Recorded answers pass the same gate; a paused clock decides the timeouts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::HeaderMap;
use vale_egress::{
    Gate, GateConfig, HttpErrorKind, Rule, Transport, TransportKind, TransportRequest,
    TransportResponse, Trip,
};

/// Answers with chunks, each after a pause, and keeps the requests.
struct Tape {
    before_head: Duration,
    chunks: Vec<(Duration, &'static str)>,
    requests: Mutex<Vec<TransportRequest>>,
}

impl Transport for Tape {
    fn round_trip(&self, request: TransportRequest) -> Trip {
        self.requests.lock().unwrap().push(request);
        let (before_head, chunks) = (self.before_head, self.chunks.clone());
        async move {
            tokio::time::sleep(before_head).await;
            let body = stream::iter(chunks).then(|(pause, text)| async move {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                Ok(Bytes::from_static(text.as_bytes()))
            });
            Ok(TransportResponse {
                status: 200,
                headers: HeaderMap::new(),
                body: body.boxed(),
            })
        }
        .boxed()
    }
}

const URL: &str = "https://api.example.com/v1";

fn tape(before_head: u64, chunks: &[(u64, &'static str)]) -> (Gate, Arc<Tape>) {
    let tape = Arc::new(Tape {
        before_head: Duration::from_secs(before_head),
        chunks: chunks
            .iter()
            .map(|(s, text)| (Duration::from_secs(*s), *text))
            .collect(),
        requests: Mutex::default(),
    });
    let mut config = GateConfig::new("test");
    config.rules = vec![Rule::parse(URL, METHODS, false).unwrap()];
    config.credentials = vec![credential("api-key", URL, Some("a-secret-of-some-length"))];
    config.transport = TransportKind::Recorded(Arc::clone(&tape) as _);
    config.timeouts.connect = Duration::from_secs(10);
    config.timeouts.first_byte = Duration::from_secs(50);
    config.timeouts.idle = Duration::from_secs(20);
    config.timeouts.total = Duration::from_secs(100);
    (Gate::new(config).unwrap(), tape)
}

#[tokio::test]
async fn a_recorded_answer_passes_the_same_policy() {
    let (gate, tape) = tape(0, &[(0, "recorded")]);
    assert_eq!(
        text(send(&gate, post(URL, "hi")).await.unwrap()).await,
        "recorded"
    );
    let denied = refused(&gate, get("https://evil.example/")).await;
    assert_eq!(denied.kind, HttpErrorKind::Denied);
    let requests = tape.requests.lock().unwrap();
    let [only] = requests.as_slice() else {
        panic!("one request passes")
    };
    assert_eq!(
        (only.url.as_str(), only.body.to_bytes()),
        (URL, Bytes::from_static(b"hi"))
    );
    assert!(only.headers["authorization"].is_sensitive());
    assert!(!format!("{only:?}").contains("a-secret-of"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_living_stream_passes_every_limit() {
    let (gate, _) = tape(59, &[(19, "a"), (19, "b")]);
    assert_eq!(text(send(&gate, get(URL)).await.unwrap()).await, "ab");
}

#[tokio::test(start_paused = true)]
async fn first_byte_idle_and_total_are_separate_limits() {
    let (gate, _) = tape(61, &[]);
    let late = gate.begin_call().send(get(URL)).await.err().unwrap();
    assert_eq!(
        (late.kind, late.request_sent),
        (HttpErrorKind::Timeout, true)
    );
    assert!(late.message.contains("begin to answer"), "{}", late.message);

    let (gate, _) = tape(0, &[(19, "x"), (21, "b")]);
    let (read, error) = drain(gate.begin_call().send(get(URL)).await.unwrap().body).await;
    assert_eq!(read, b"x");
    assert!(error.unwrap().message.contains("in the middle"));

    let (gate, _) = tape(55, &[(19, "a"), (19, "b"), (19, "c")]);
    let (read, error) = drain(gate.begin_call().send(get(URL)).await.unwrap().body).await;
    assert_eq!(read, b"ab");
    assert!(error.unwrap().message.contains("longer than"));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_slow_to_read_does_not_trip_the_idle_limit() {
    let (gate, _) = tape(0, &[(0, "x"), (0, "y")]);
    let mut body = gate.begin_call().send(get(URL)).await.unwrap().body;
    assert_eq!(body.next().await.unwrap().unwrap(), "x");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(body.next().await.unwrap().unwrap(), "y");
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn after_a_leak_not_even_a_body_that_has_arrived_is_given_out() {
    let (gate, _) = tape(0, &[(0, "x"), (0, "a-secret-of-some-length"), (0, "y")]);
    let call = gate.begin_call();
    let unread = call.send(get(URL)).await.unwrap().body;
    let (read, error) = drain(call.send(get(URL)).await.unwrap().body).await;
    assert_eq!((read.as_slice(), error.is_some()), (b"x".as_slice(), true));
    let (read, error) = drain(unread).await;
    assert!(read.is_empty(), "{read:?}");
    assert_eq!(
        error.unwrap().kind,
        HttpErrorKind::Other("secret-leak".to_owned())
    );
}

/// Sends everyone to a local server.
struct Lure(&'static str);
impl Transport for Lure {
    fn round_trip(&self, _: TransportRequest) -> Trip {
        let headers = [(
            http::header::LOCATION,
            http::HeaderValue::from_static(self.0),
        )];
        let answer = TransportResponse {
            status: 302,
            headers: headers.into_iter().collect(),
            body: stream::empty().boxed(),
        };
        async move { Ok(answer) }.boxed()
    }
}

#[tokio::test]
async fn a_public_server_cannot_send_a_plugin_to_a_local_one() {
    let local = "http://127.0.0.1:11434/api/delete";
    let mut config = GateConfig::new("test");
    config.rules = vec![
        Rule::parse(URL, METHODS, false).unwrap(),
        Rule::parse(local, METHODS, true).unwrap(),
    ];
    config.transport = TransportKind::Recorded(Arc::new(Lure(local)));
    let error = refused(&Gate::new(config).unwrap(), get(URL)).await;
    assert_eq!(
        (error.kind, error.request_sent),
        (HttpErrorKind::Denied, true)
    );
    assert!(
        error
            .message
            .contains("to the local server http://127.0.0.1:11434"),
        "{}",
        error.message
    );
}

#[test]
fn a_gate_and_its_parts_can_cross_threads() {
    fn sends<T: Send + 'static>() {}
    fn shares<T: Send + Sync + 'static>() {}
    shares::<Gate>();
    shares::<vale_egress::GateCall>();
    sends::<vale_egress::ResponseBody>();
    sends::<GateConfig>();
}
