//! Taking exchanges down at a gate, for a recording: what was asked, and what the plugin got.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use vale_egress::{HttpErrorKind, Tap, Tapped, TappedHeader};

use crate::recording::MAX_FILE_BYTES;

/// Most exchanges of one call: more than any gate lets it make.
const MAX_EXCHANGES: usize = 100;

/// Why what was seen makes no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecorderError {
    /// A server did not answer, or not to an end that a replay could repeat.
    #[error("{url} gave no answer that can be played again: {why}")]
    NoAnswer {
        /// Which address.
        url: String,
        /// What happened.
        why: String,
    },
    /// More than a file of a recording may hold.
    #[error("the answer of {0} is larger than 16 MiB, the most that a recording holds")]
    TooLarge(String),
    /// More requests than a recording is for.
    #[error("the call made more than {MAX_EXCHANGES} requests")]
    TooMany,
}

/// One exchange, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenExchange {
    /// The request's method.
    pub method: String,
    /// The request's address, with its query.
    pub url: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's headers that a recording keeps.
    pub headers: Vec<(String, String)>,
    /// The answer's body.
    pub body: Bytes,
    /// The connection broke where the body ends.
    pub truncated: bool,
}

/// Watches a gate. Credentials never reach it: a tap does not see them.
#[derive(Debug)]
pub struct Recorder {
    /// Headers that carry the plugin's credentials, in lower case.
    dropped: Vec<String>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    exchanges: BTreeMap<u64, Exchange>,
    error: Option<RecorderError>,
}

#[derive(Debug)]
struct Exchange {
    method: String,
    url: String,
    status: Option<u16>,
    headers: Vec<(String, String)>,
    body: BytesMut,
    failed: Option<(HttpErrorKind, String)>,
}

impl Recorder {
    /// Begins with nothing. `credential_headers`: the headers that the manifest names for credentials.
    #[must_use]
    pub fn new<'h>(credential_headers: impl IntoIterator<Item = &'h str>) -> Self {
        let names = credential_headers.into_iter();
        Self {
            dropped: names.map(str::to_ascii_lowercase).collect(),
            seen: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The exchanges so far, in the order in which they began.
    ///
    /// # Errors
    /// [`RecorderError`], of the first exchange that cannot be played again.
    pub fn taken(&self) -> Result<Vec<TakenExchange>, RecorderError> {
        let seen = self.state();
        if let Some(error) = &seen.error {
            return Err(error.clone());
        }
        let taken = seen.exchanges.values().map(|exchange| {
            let no_answer = |why: &str| RecorderError::NoAnswer {
                url: exchange.url.clone(),
                why: why.to_owned(),
            };
            let truncated = match &exchange.failed {
                None => false,
                Some((HttpErrorKind::Truncated, _)) => true,
                Some((_, why)) => return Err(no_answer(why)),
            };
            Ok(TakenExchange {
                method: exchange.method.clone(),
                url: exchange.url.clone(),
                status: exchange
                    .status
                    .ok_or_else(|| no_answer("it never began."))?,
                headers: exchange.headers.clone(),
                body: exchange.body.clone().freeze(),
                truncated,
            })
        });
        taken.collect()
    }

    fn kept(&self, headers: Vec<TappedHeader>) -> Vec<(String, String)> {
        let kept = headers.into_iter().filter_map(|(name, value)| {
            let is_own = self.dropped.contains(&name.to_ascii_lowercase());
            (!is_own && is_kept(&name)).then_some((name, value?))
        });
        kept.collect()
    }
}

impl Tap for Recorder {
    fn seen(&self, exchange: u64, what: Tapped<'_>) {
        let mut seen = self.state();
        if let Tapped::Request { method, url, .. } = &what {
            if seen.exchanges.len() >= MAX_EXCHANGES {
                seen.error.get_or_insert(RecorderError::TooMany);
                return;
            }
            let begun = Exchange {
                method: method.to_string(),
                url: url.to_string(),
                status: None,
                headers: Vec::new(),
                body: BytesMut::new(),
                failed: None,
            };
            seen.exchanges.insert(exchange, begun);
            return;
        }
        // One that began before this recorder did is none of its.
        let Some(found) = seen.exchanges.get_mut(&exchange) else {
            return;
        };
        match what {
            Tapped::Head { status, headers } => {
                found.status = Some(status);
                found.headers = self.kept(headers);
            }
            Tapped::Body(bytes) => {
                if (found.body.len() + bytes.len()) as u64 > MAX_FILE_BYTES {
                    let too_large = RecorderError::TooLarge(found.url.clone());
                    seen.error.get_or_insert(too_large);
                } else {
                    found.body.extend_from_slice(bytes);
                }
            }
            Tapped::Failed(error) => {
                found.failed = Some((error.kind.clone(), error.message.clone()));
            }
            Tapped::Request { .. } | Tapped::End => {}
        }
    }
}

/// Whether a recording keeps a header of an answer: not what the client has undone, what lets somebody
/// in, or whose account it was.
fn is_kept(name: &str) -> bool {
    const UNDONE: [&str; 5] = [
        "connection",
        "content-length",
        "keep-alive",
        "trailer",
        "transfer-encoding",
    ];
    const PRIVATE: [&str; 11] = [
        "auth",
        "cookie",
        "api-key",
        "apikey",
        "secret",
        "credential",
        "password",
        "session",
        "organization",
        "project",
        "account",
    ];
    let name = name.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    // What is left of a limit counts tokens of text.
    let is_token = has("token") && !has("ratelimit") && !has("rate-limit");
    !UNDONE.contains(&name.as_str()) && !is_token && !PRIVATE.iter().any(|part| has(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vale_egress::{HttpError, RequestBody};

    fn ask(recorder: &Recorder, exchange: u64, url: &str) {
        let body = RequestBody::default();
        recorder.seen(
            exchange,
            Tapped::Request {
                method: &http::Method::POST,
                url: &url.parse().unwrap(),
                headers: vec![("authorization".to_owned(), None)],
                body: &body,
            },
        );
    }

    fn head(recorder: &Recorder, exchange: u64, headers: &[(&str, &str)]) {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())));
        let headers = headers.collect();
        recorder.seen(
            exchange,
            Tapped::Head {
                status: 200,
                headers,
            },
        );
    }

    fn fail(recorder: &Recorder, exchange: u64, kind: HttpErrorKind) {
        let error = HttpError {
            kind,
            message: "it broke".to_owned(),
            request_sent: true,
        };
        recorder.seen(exchange, Tapped::Failed(&error));
    }

    #[test]
    fn answers_are_put_together_in_the_order_of_the_requests() {
        let recorder = Recorder::new([]);
        recorder.seen(1, Tapped::Body(&Bytes::from_static(b"of before")));
        ask(&recorder, 2, "https://a.example/one?x=1");
        ask(&recorder, 3, "https://a.example/two");
        head(&recorder, 3, &[]);
        head(&recorder, 2, &[("content-type", "text/plain")]);
        for piece in [&b"he"[..], b"llo"] {
            recorder.seen(2, Tapped::Body(&Bytes::from_static(piece)));
        }
        recorder.seen(2, Tapped::End);
        fail(&recorder, 3, HttpErrorKind::Truncated);
        let taken = recorder.taken().unwrap();
        let short: Vec<_> = taken
            .iter()
            .map(|taken| (taken.url.as_str(), &taken.body[..], taken.truncated))
            .collect();
        assert_eq!(
            short,
            [
                ("https://a.example/one?x=1", &b"hello"[..], false),
                ("https://a.example/two", &b""[..], true),
            ]
        );
    }

    #[test]
    fn what_cannot_be_played_again_is_refused() {
        let unanswered = Recorder::new([]);
        ask(&unanswered, 1, "https://a.example/");
        assert!(matches!(
            unanswered.taken(),
            Err(RecorderError::NoAnswer { .. })
        ));
        for kind in [HttpErrorKind::Timeout, HttpErrorKind::Connect] {
            let recorder = Recorder::new([]);
            ask(&recorder, 1, "https://a.example/");
            head(&recorder, 1, &[]);
            fail(&recorder, 1, kind);
            let error = recorder.taken().unwrap_err().to_string();
            assert!(error.contains("it broke"), "{error}");
        }
        let large = Recorder::new([]);
        ask(&large, 1, "https://a.example/");
        head(&large, 1, &[]);
        let piece = Bytes::from(vec![0; 9 << 20]);
        large.seen(1, Tapped::Body(&piece));
        large.seen(1, Tapped::Body(&piece));
        assert!(matches!(large.taken(), Err(RecorderError::TooLarge(_))));
    }

    #[test]
    fn headers_that_let_somebody_in_are_dropped_and_limits_are_kept() {
        let kept = [
            "content-type",
            "date",
            "retry-after",
            "x-ratelimit-remaining-tokens",
            "anthropic-ratelimit-input-tokens-reset",
            "x-rate-limit-tokens",
            "x-request-id",
        ];
        let dropped = [
            "Content-Length",
            "transfer-encoding",
            "connection",
            "set-cookie",
            "Authorization",
            "x-auth-token",
            "x-api-key",
            "x-amz-security-token",
            "openai-organization",
            "x-own",
        ];
        let recorder = Recorder::new(["X-Own"]);
        ask(&recorder, 1, "https://a.example/");
        let all: Vec<_> = kept
            .iter()
            .chain(&dropped)
            .map(|name| (*name, "v"))
            .collect();
        head(&recorder, 1, &all);
        let taken = recorder.taken().unwrap();
        let names: Vec<_> = taken[0].headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, kept);
    }
}
