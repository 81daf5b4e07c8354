//! What one plugin call has used of its caps, and what ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::exchange::Attempt;
use crate::gate::Shared;
use crate::leak::{Leak, Scanner};
use crate::tap::Watched;
use crate::{
    HttpError, HttpErrorKind, HttpResponse, LeakSite, ResponseBody, Timeouts, TransportRequest,
    TransportResponse, Violation, headers,
};

/// What one call has used, and whether it is over.
pub(crate) struct CallState {
    shared: Arc<Shared>,
    requests_left: AtomicU64,
    response_bytes_left: AtomicU64,
    violation: OnceLock<Violation>,
    /// Cancelled when `violation` is set.
    ended: CancellationToken,
}

impl CallState {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            requests_left: AtomicU64::new(shared.caps.requests),
            response_bytes_left: AtomicU64::new(shared.caps.response_bytes),
            shared,
            violation: OnceLock::new(),
            ended: CancellationToken::new(),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.violation.get().cloned()
    }

    pub(crate) fn count_request(&self, sent: bool) -> Result<(), HttpError> {
        let counted =
            self.requests_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                });
        counted.map(drop).map_err(|_| HttpError {
            kind: HttpErrorKind::TooLarge,
            message: format!(
                "This call has made {} requests, as many as are allowed.",
                self.shared.caps.requests
            ),
            request_sent: sent,
        })
    }

    pub(crate) async fn round_trip(
        &self,
        attempt: &Attempt,
        headers: HeaderMap,
        deadline: Instant,
    ) -> Result<TransportResponse, HttpError> {
        let timeouts = &self.shared.timeouts;
        // The client ends a slow connect by itself, so past this the request was sent.
        let patience = timeouts.connect.saturating_add(timeouts.first_byte);
        let until = Instant::now()
            .checked_add(patience)
            .map_or(deadline, |at| at.min(deadline));
        let trip = self.shared.transport.round_trip(TransportRequest {
            method: attempt.method.clone(),
            url: attempt.url.clone(),
            headers,
            body: attempt.body.clone(),
        });
        timeout_at(until, trip).await.unwrap_or_else(|_| {
            Err(if until == deadline {
                self.total_timeout()
            } else {
                HttpError::sent(
                    HttpErrorKind::Timeout,
                    format!(
                        "The server did not begin to answer within {} s.",
                        patience.as_secs_f32()
                    ),
                )
            })
        })
    }

    pub(crate) fn scan_headers(&self, headers: &HeaderMap) -> Result<(), HttpError> {
        let Some(scanner) = &self.shared.scanner else {
            return Ok(());
        };
        let leak = headers.iter().find_map(|(name, value)| {
            scanner
                .find_in_name(name.as_str())
                .or_else(|| scanner.find(value.as_bytes()))
        });
        leak.map_or(Ok(()), |leak| Err(self.violate(leak, LeakSite::Header)))
    }

    pub(crate) fn deliver(
        self: &Arc<Self>,
        method: &Method,
        url: &Url,
        answer: TransportResponse,
        deadline: Instant,
        watched: Option<Watched>,
    ) -> Result<HttpResponse, HttpError> {
        if answer.status < 200 {
            return Err(HttpError::sent(
                HttpErrorKind::Protocol,
                format!(
                    "The server answered with status {}, which ends nothing.",
                    answer.status
                ),
            ));
        }
        let has_body = *method != Method::HEAD && !matches!(answer.status, 204 | 304);
        let left = self.response_bytes_left.load(Ordering::Relaxed);
        let headers = headers::receive(&answer.headers, &self.shared.caps, has_body, left)?;
        Ok(HttpResponse {
            status: answer.status,
            url: url.to_string(),
            headers,
            body: ResponseBody::new(answer.body, Arc::clone(self), deadline, watched),
        })
    }

    /// Takes up to `wanted` bytes off what the call may still receive.
    pub(crate) fn take_response_bytes(&self, wanted: usize) -> usize {
        let wanted = wanted as u64;
        let before =
            self.response_bytes_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    Some(left.saturating_sub(wanted))
                });
        let left = before.unwrap_or_else(|left| left);
        usize::try_from(left.min(wanted)).unwrap_or(usize::MAX)
    }

    pub(crate) fn response_too_large(&self) -> HttpError {
        HttpError::sent(
            HttpErrorKind::TooLarge,
            format!(
                "The answers of this call passed the limit of {} bytes.",
                self.shared.caps.response_bytes
            ),
        )
    }

    pub(crate) fn total_timeout(&self) -> HttpError {
        HttpError::sent(
            HttpErrorKind::Timeout,
            format!(
                "The request took longer than the limit of {} s.",
                self.shared.timeouts.total.as_secs_f32()
            ),
        )
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.shared.timeouts
    }

    pub(crate) fn scanner(&self) -> Option<&Scanner> {
        self.shared.scanner.as_ref()
    }

    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    pub(crate) fn is_violated(&self) -> bool {
        self.violation.get().is_some()
    }

    /// Ends the call: every send and body of it, now and later.
    pub(crate) fn violate(&self, leak: Leak, where_: LeakSite) -> HttpError {
        tracing::warn!(
            plugin = self.shared.plugin, credential = leak.credential, %where_,
            "a response held a credential; the call was ended"
        );
        let credential = leak.credential;
        self.violation
            .get_or_init(|| Violation::SecretLeak { credential, where_ });
        self.ended.cancel();
        self.violation_error()
    }

    pub(crate) fn violation_error(&self) -> HttpError {
        let message = self
            .violation
            .get()
            .map_or_else(String::new, ToString::to_string);
        HttpError::sent(HttpErrorKind::Other("secret-leak".to_owned()), message)
    }

    /// Keeps credentials out of an error's text, and the text short.
    pub(crate) fn scrub(&self, error: HttpError) -> HttpError {
        let other = match &error.kind {
            HttpErrorKind::Other(text) => text.as_str(),
            _ => "",
        };
        let leak = self.scanner().and_then(|scanner| {
            scanner
                .find(error.message.as_bytes())
                .or_else(|| scanner.find(other.as_bytes()))
        });
        match leak {
            Some(leak) => self.violate(leak, LeakSite::Error),
            None => shortened(error),
        }
    }
}

/// What a plugin or server wrote may be quoted in a message, but not at any length.
fn shortened(mut error: HttpError) -> HttpError {
    const MAX_MESSAGE_CHARS: usize = 500;
    if let Some((at, _)) = error.message.char_indices().nth(MAX_MESSAGE_CHARS) {
        error.message.truncate(at);
        error.message.push('…');
    }
    error
}
