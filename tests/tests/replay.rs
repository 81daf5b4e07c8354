//! Recorded answers of real servers through the built OpenAI component, sandbox and gate included:
//! the same component, grant and recorded HTTP give the same events, however the bytes are cut.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use vale_egress::{
    Gate, GateConfig, HttpError, HttpErrorKind, Rule, Transport, TransportKind, TransportRequest,
    TransportResponse, Trip,
};
use vale_sandbox::Plugin;
use vale_tests::{Outcome, Sandboxed, context, outcome, request};
use vale_types::{
    AuthKind, ErrorKind, Event, Failure, FinishReason, Limits, NetworkFailure, NetworkKind, Role,
};

const BASE: &str = "https://api.example.com/v1";

/// One recorded response, cut into pieces of one size.
struct Tape {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    piece: usize,
    is_cut: bool,
}

impl Tape {
    fn of(recording: &[u8], piece: usize, is_cut: bool) -> Self {
        let end = recording
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = std::str::from_utf8(&recording[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            // What the recording's client has undone already.
            .filter(|(name, _)| !["transfer-encoding", "content-length"].contains(&name.as_str()))
            .collect();
        Self {
            status,
            headers,
            body: Bytes::copy_from_slice(&recording[end + 4..]),
            piece,
            is_cut,
        }
    }
}

impl Transport for Tape {
    fn round_trip(&self, _: TransportRequest) -> Trip {
        let body = self.body.clone();
        let pieces: Vec<Bytes> = (0..body.len())
            .step_by(self.piece)
            .map(|at| body.slice(at..body.len().min(at + self.piece)))
            .collect();
        let end = self.is_cut.then(|| {
            Err(HttpError {
                kind: HttpErrorKind::Truncated,
                message: "The body ended before its end.".to_owned(),
                request_sent: true,
            })
        });
        let (status, headers) = (self.status, self.headers.clone());
        let body = stream::iter(pieces.into_iter().map(Ok).chain(end)).boxed();
        async move {
            Ok(TransportResponse {
                status,
                headers,
                body,
            })
        }
        .boxed()
    }
}

async fn play(plugin: &Plugin, recording: &[u8], piece: usize, is_cut: bool) -> Outcome {
    let mut config = GateConfig::new("openai");
    config.rules = vec![Rule::parse(BASE, ["GET", "POST"], false).unwrap()];
    config.transport = TransportKind::Recorded(Arc::new(Tape::of(recording, piece, is_cut)));
    let mut context = context(Gate::new(config).unwrap(), Limits::default());
    context.settings_json = format!("{{\"base_url\":\"{BASE}\"}}");
    let mut request = request("gpt-4o", &["hello"]);
    request.messages[0].role = Role::User;
    outcome(&mut plugin.complete(context, &request)).await
}

/// Events with neighbouring texts joined: how a text is cut is not part of what was said.
fn said(outcome: &Outcome) -> Vec<Event> {
    let mut said: Vec<Event> = Vec::new();
    for event in &outcome.events {
        match (said.last_mut(), event) {
            (Some(Event::Text(all)), Event::Text(piece))
            | (Some(Event::Thinking(all)), Event::Thinking(piece)) => all.push_str(piece),
            (Some(Event::ToolCallDelta(all)), Event::ToolCallDelta(piece))
                if all.index == piece.index =>
            {
                all.arguments_json.push_str(&piece.arguments_json);
            }
            (_, Event::Ping) => {}
            _ => said.push(event.clone()),
        }
    }
    said
}

fn built(folder: &str, file: &str) -> Vec<u8> {
    let root = std::env::var_os(folder)
        .unwrap_or_else(|| panic!("{folder} is not set: run this through `cargo xtask test`"));
    std::fs::read(PathBuf::from(root).join(file)).unwrap()
}

fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/sse");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let mut found: Vec<_> = files
        .filter_map(|file| Some((file.file_name().to_str()?.to_owned(), file.path())))
        .filter(|(name, _)| name.contains(".openai-chat.") || name.contains(".openai-chat.raw"))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_chat_gives_the_same_events_however_it_is_cut() {
    let sandbox = Sandboxed::default();
    let plugin = sandbox
        .engine
        .load(built("VALECHAT_PLUGINS", "openai/component.wasm"))
        .await
        .unwrap();
    let all = recordings();
    assert!(all.len() >= 24, "{}", all.len());
    for (name, recording) in all {
        let is_cut = name.contains(".trunc.") || name.contains(".hangup.");
        let whole = play(&plugin, &recording, usize::MAX >> 1, is_cut).await;
        for piece in [1, 7, 64] {
            let cut = play(&plugin, &recording, piece, is_cut).await;
            assert_eq!(cut.end, whole.end, "{name} by {piece}");
            assert_eq!(said(&cut), said(&whole), "{name} by {piece}");
        }
        judge(&name, &whole);
    }
}

/// What each recording is, by its name.
fn judge(name: &str, outcome: &Outcome) {
    let kind = match &outcome.end {
        Ok(finish) => {
            assert!(
                !name.contains("err-") && !outcome.events.is_empty(),
                "{name}"
            );
            if name.contains("weather") || name.contains("toolcall") {
                assert_eq!(finish.reason, FinishReason::ToolCalls, "{name}");
            }
            if name.contains("aimock") && name.contains("unicode") {
                assert_eq!(outcome.text(), "Grüße 👩‍👩‍👧 — 日本語 🇯🇵 ok");
            }
            return;
        }
        Err(Failure::Error(error)) => &error.kind,
        Err(Failure::Fault(fault)) => panic!("{name}: {fault}"),
    };
    let truncated = NetworkFailure {
        kind: NetworkKind::Truncated,
        request_sent: true,
    };
    let expected = match name {
        _ if name.contains("err-401") => matches!(kind, ErrorKind::Auth(AuthKind::Invalid)),
        _ if name.contains("err-ctx") => matches!(kind, ErrorKind::ContextLength(_)),
        _ if name.contains("err-400") => matches!(kind, ErrorKind::InvalidRequest(_)),
        _ if name.contains("429") || name.contains("rate") => {
            matches!(kind, ErrorKind::RateLimited(_))
        }
        _ if name.contains("overload") => matches!(kind, ErrorKind::Overloaded(_)),
        _ if name.contains("malformed") => matches!(kind, ErrorKind::MalformedResponse),
        _ if name.contains("trunc") || name.contains("hangup") => {
            *kind == ErrorKind::Network(truncated) && !outcome.text().is_empty()
        }
        _ => false,
    };
    assert!(expected, "{name}: {kind:?}");
}
