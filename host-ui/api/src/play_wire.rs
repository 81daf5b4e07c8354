//! What the author of a plugin sees while it runs: its log, the wire, its events.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use vale_host::{LogLevel, LogSink, Tap, Tapped, TappedHeader};
use vale_suite::Recorder;
use vale_types::Event;

/// The most of a request's body that is shown, bytes; attachments are in it.
const SHOWN_BODY: usize = 16 << 10;

/// Something that was seen while a plugin ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Seen {
    /// The plugin wrote to its log.
    Log {
        /// `error`, `warn`, `info`, `debug` or `trace`.
        level: &'static str,
        /// The line.
        text: String,
    },
    /// A request is about to leave. Exchanges are numbered from 1; a redirect leads to another one.
    Request {
        /// Its number.
        exchange: u64,
        /// Its method.
        method: String,
        /// Its address.
        url: String,
        /// Its headers; a value of none is a credential or a cookie, which nobody is shown.
        headers: Vec<TappedHeader>,
        /// Size of its body, bytes.
        bytes: u64,
        /// The beginning of its body.
        body: String,
        /// The body is longer than that.
        is_cut: bool,
    },
    /// An answer has begun.
    Response {
        /// Of this exchange.
        exchange: u64,
        /// Its status.
        status: u16,
        /// Its headers; a value of none is a cookie.
        headers: Vec<TappedHeader>,
    },
    /// The next piece of an answer's body, as the plugin gets it.
    Body {
        /// Of this exchange.
        exchange: u64,
        /// The piece, as text.
        text: String,
    },
    /// An answer's body is over, or the plugin has read enough of it.
    BodyEnd {
        /// Of this exchange.
        exchange: u64,
        /// Bytes of it.
        bytes: u64,
    },
    /// An exchange failed.
    ExchangeFailed {
        /// This one.
        exchange: u64,
        /// Why.
        why: String,
    },
    /// The plugin said something.
    Event {
        /// What.
        event: Event,
    },
}

/// Where everything that is seen goes. What may come is bounded by the limits of a call.
pub(crate) type Sender = mpsc::UnboundedSender<Seen>;

/// Watches the gate of a playground.
pub(crate) struct Watcher {
    sender: Sender,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bodies: std::collections::HashMap<u64, Body>,
    received: u64,
    recorder: Option<Arc<Recorder>>,
}

/// An answer's body so far.
#[derive(Default)]
struct Body {
    bytes: u64,
    text: Utf8,
}

impl Watcher {
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            sender,
            state: Mutex::default(),
        }
    }

    /// Who takes exchanges down from now on.
    pub(crate) fn record(&self, recorder: Option<Arc<Recorder>>) {
        self.state().recorder = recorder;
    }

    /// Bytes of all answers since this was last asked.
    pub(crate) fn take_received(&self) -> u64 {
        std::mem::take(&mut self.state().received)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Watcher {
    fn seen(&self, exchange: u64, what: Tapped<'_>) {
        let mut state = self.state();
        // Fails when nobody looks any more, which is their business.
        let tell = |seen| drop(self.sender.send(seen));
        match &what {
            Tapped::Request {
                method,
                url,
                headers,
                body,
            } => {
                let (text, is_cut) = beginning(body.pieces());
                tell(Seen::Request {
                    exchange,
                    method: method.to_string(),
                    url: url.to_string(),
                    headers: headers.clone(),
                    bytes: body.len(),
                    body: text,
                    is_cut,
                });
            }
            Tapped::Head { status, headers } => tell(Seen::Response {
                exchange,
                status: *status,
                headers: headers.clone(),
            }),
            Tapped::Body(bytes) => {
                state.received += bytes.len() as u64;
                let body = state.bodies.entry(exchange).or_default();
                body.bytes += bytes.len() as u64;
                let text = body.text.push(bytes);
                if !text.is_empty() {
                    tell(Seen::Body { exchange, text });
                }
            }
            Tapped::End | Tapped::Failed(_) => {
                let mut body = state.bodies.remove(&exchange).unwrap_or_default();
                let text = body.text.end();
                if !text.is_empty() {
                    tell(Seen::Body { exchange, text });
                }
                tell(match &what {
                    Tapped::Failed(error) => Seen::ExchangeFailed {
                        exchange,
                        why: error.message.clone(),
                    },
                    _ => Seen::BodyEnd {
                        exchange,
                        bytes: body.bytes,
                    },
                });
            }
        }
        if let Some(recorder) = &state.recorder {
            recorder.seen(exchange, what);
        }
    }
}

/// The beginning of a body as text, and whether there is more.
fn beginning(pieces: impl Iterator<Item = bytes::Bytes>) -> (String, bool) {
    let (mut text, mut utf8, mut left) = (String::new(), Utf8::default(), SHOWN_BODY);
    for piece in pieces {
        let shown = piece.get(..left.min(piece.len())).unwrap_or_default();
        text.push_str(&utf8.push(shown));
        if shown.len() < piece.len() {
            // A character that was cut in two is part of what is left out.
            return (text, true);
        }
        left -= shown.len();
    }
    text.push_str(&utf8.end());
    (text, false)
}

/// Bytes that come in pieces, as text: a character may be cut in two.
#[derive(Debug, Default)]
struct Utf8(Vec<u8>);

impl Utf8 {
    fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        // What is no text at all is shown as such; a character that may still be whole waits.
        let last = self
            .0
            .utf8_chunks()
            .last()
            .map_or(&[][..], |chunk| chunk.invalid());
        let waits = match std::str::from_utf8(last) {
            Err(error) if error.error_len().is_none() => last.len(),
            _ => 0,
        };
        let whole = self.0.len() - waits;
        let rest = self.0.split_off(whole);
        let text = String::from_utf8_lossy(&self.0).into_owned();
        self.0 = rest;
        text
    }

    fn end(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

/// A plugin's log, shown. Dropped with the store that holds it: only then the call is over altogether.
pub(crate) struct ShownLog {
    sender: Sender,
    lines: Arc<std::sync::atomic::AtomicU64>,
    _alive: watch::Sender<()>,
}

impl ShownLog {
    pub(crate) fn new(
        sender: Sender,
        lines: Arc<std::sync::atomic::AtomicU64>,
        alive: watch::Sender<()>,
    ) -> Self {
        Self {
            sender,
            lines,
            _alive: alive,
        }
    }
}

impl LogSink for ShownLog {
    fn line(&self, level: LogLevel, text: &str) {
        self.lines
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let level = match level {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        };
        let text = text.to_owned();
        drop(self.sender.send(Seen::Log { level, text }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn characters_that_are_cut_in_two_are_whole_again() {
        let text = "a 🇯🇵 ü";
        for size in 1..5 {
            let mut utf8 = Utf8::default();
            let pieces = text.as_bytes().chunks(size).map(|piece| utf8.push(piece));
            let mut shown: String = pieces.collect();
            shown.push_str(&utf8.end());
            assert_eq!(shown, text, "{size}");
        }
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.push(b"a\xffb\xc3"), "a\u{fffd}b");
        assert_eq!(utf8.end(), "\u{fffd}");
    }

    #[test]
    fn a_long_body_is_cut_and_a_short_one_is_not() {
        let piece = Bytes::from("x".repeat(SHOWN_BODY / 2));
        let (text, is_cut) = beginning([piece.clone(), piece.clone()].into_iter());
        assert_eq!((text.len(), is_cut), (SHOWN_BODY, false));
        let more = [piece.clone(), piece, Bytes::from_static(b"y")];
        let (text, is_cut) = beginning(more.into_iter());
        assert_eq!((text.len(), is_cut), (SHOWN_BODY, true));
    }
}
