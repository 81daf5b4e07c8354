//! The scripted network: what lies below the gate while the suite runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use vale_egress::{HttpError, HttpErrorKind, Transport, TransportRequest, TransportResponse, Trip};

use crate::recording::{Exchange, Response};

/// How a body is cut into what the network delivers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All at once.
    Whole,
    /// Pieces of so many bytes.
    Every(usize),
    /// Pieces of one to 64 bytes, the same for the same seed.
    Random(u64),
}

impl Cut {
    fn pieces(self, mut body: Bytes) -> Vec<Bytes> {
        let mut random = Random::new(match self {
            Self::Random(seed) => seed,
            _ => 0,
        });
        let mut pieces = Vec::new();
        while !body.is_empty() {
            let size = match self {
                Self::Whole => body.len(),
                Self::Every(size) => size.max(1),
                Self::Random(_) => random.up_to(64),
            };
            pieces.push(body.split_to(size.min(body.len())));
        }
        pieces
    }
}

/// Xorshift (Marsaglia 2003): the same numbers for the same seed, which is all that is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 1 to `most`.
    fn up_to(&mut self, most: u64) -> usize {
        usize::try_from(self.next() % most + 1).unwrap_or(1)
    }
}

/// What comes after the bytes of a body.
#[derive(Debug, Clone)]
pub(crate) enum After {
    /// The end.
    End,
    /// An error.
    Error(HttpErrorKind),
    /// Nothing, for ever.
    Silence,
    /// Empty lines, for ever.
    Lines,
}

/// What a request leads to.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// An answer.
    Answer(Response, After),
    /// No answer. The flag: whether the request was sent.
    Fails(HttpErrorKind, bool),
    /// Nothing, for ever.
    Silence,
}

/// Which reply is for which request.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// The recorded ones, in order, each for its own request only.
    Recorded(Vec<Exchange>),
    /// The same for every request.
    Always(Reply),
    /// The recorded ones, but this one where the place is, and for what the recording does not have.
    FailsAt(Vec<Exchange>, usize, Reply),
}

/// A request as it reached the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) url: String,
}

/// Plays a script.
#[derive(Debug)]
pub(crate) struct Tape {
    script: Script,
    cut: Cut,
    at: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
    strays: Mutex<Vec<String>>,
}

impl Tape {
    pub(crate) fn new(script: Script, cut: Cut) -> Arc<Self> {
        Arc::new(Self {
            script,
            cut,
            at: AtomicUsize::new(0),
            asked: Mutex::default(),
            strays: Mutex::default(),
        })
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// Requests that the recording does not have, and recorded ones that were not made.
    pub(crate) fn strays(&self) -> Vec<String> {
        let strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = strays.clone();
        if let Script::Recorded(exchanges) = &self.script {
            let made = self.at.load(Ordering::Relaxed);
            all.extend(
                exchanges
                    .iter()
                    .skip(made)
                    .map(|exchange| format!("{} {} was not asked", exchange.method, exchange.url)),
            );
        }
        all
    }

    fn reply(&self, asked: &Asked) -> Reply {
        let exchanges = match &self.script {
            Script::Always(reply) => return reply.clone(),
            Script::Recorded(exchanges) | Script::FailsAt(exchanges, ..) => exchanges,
        };
        let at = self.at.fetch_add(1, Ordering::Relaxed);
        if let Script::FailsAt(_, place, reply) = &self.script
            && (at == *place
                || !exchanges
                    .get(at)
                    .is_some_and(|exchange| exchange.is_for(asked)))
        {
            return reply.clone();
        }
        let stray = match exchanges.get(at) {
            Some(exchange) if exchange.is_for(asked) => {
                let after = if exchange.is_truncated {
                    After::Error(HttpErrorKind::Truncated)
                } else {
                    After::End
                };
                return Reply::Answer(exchange.response.clone(), after);
            }
            Some(other) => format!(
                "{} {} was asked in the place of {} {}",
                asked.method, asked.url, other.method, other.url
            ),
            None => format!(
                "{} {} was asked, which the recording does not have",
                asked.method, asked.url
            ),
        };
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        strays.push(stray);
        let refusal = Response {
            status: 418,
            headers: Vec::new(),
            body: Bytes::new(),
        };
        Reply::Answer(refusal, After::End)
    }
}

impl Exchange {
    fn is_for(&self, asked: &Asked) -> bool {
        self.method == asked.method && self.url == asked.url
    }
}

impl Transport for Tape {
    fn round_trip(&self, request: TransportRequest) -> Trip {
        let asked = Asked {
            method: request.method.to_string(),
            url: request.url.to_string(),
        };
        let reply = self.reply(&asked);
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        let (response, after) = match reply {
            Reply::Silence => return std::future::pending().boxed(),
            Reply::Fails(kind, request_sent) => {
                return std::future::ready(Err(error(kind, request_sent))).boxed();
            }
            Reply::Answer(response, after) => (response, after),
        };
        let pieces = self.cut.pieces(response.body).into_iter().map(Ok);
        let tail = match after {
            After::End => stream::empty().boxed(),
            After::Error(kind) => stream::iter([Err(error(kind, true))]).boxed(),
            After::Silence => stream::pending().boxed(),
            After::Lines => stream::repeat_with(|| Ok(Bytes::from_static(&[b'\n'; 4096]))).boxed(),
        };
        let answer = TransportResponse {
            status: response.status,
            headers: headers(&response.headers),
            body: stream::iter(pieces).chain(tail).boxed(),
        };
        std::future::ready(Ok(answer)).boxed()
    }
}

fn error(kind: HttpErrorKind, request_sent: bool) -> HttpError {
    HttpError {
        message: format!("The suite made this failure: {kind:?}."),
        kind,
        request_sent,
    }
}

/// Without what a client has undone before a body is read.
fn headers(recorded: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in recorded {
        let undone = ["transfer-encoding", "content-length", "connection"];
        let parsed = (name.parse::<HeaderName>(), HeaderValue::from_str(value));
        if let (Ok(name), Ok(value)) = parsed
            && !undone.contains(&name.as_str())
        {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_loses_nothing_and_a_seed_repeats() {
        let body = Bytes::from((0..=255).collect::<Vec<u8>>());
        for cut in [Cut::Whole, Cut::Every(1), Cut::Every(7), Cut::Random(3)] {
            assert_eq!(cut.pieces(body.clone()).concat(), body, "{cut:?}");
        }
        assert_eq!(Cut::Every(1).pieces(body.clone()).len(), 256);
        let of = |seed| Cut::Random(seed).pieces(body.clone());
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
