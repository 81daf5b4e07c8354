//! A response as the plugin receives it: capped, timed and scanned while it streams.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::Stream;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::call::CallState;
use crate::leak::BodyScan;
use crate::tap::Watched;
use crate::{ByteStream, HttpError, HttpErrorKind, LeakSite};

/// The answer to a request.
pub struct HttpResponse {
    /// Three digits.
    pub status: u16,
    /// The address that answered: another than was asked for after redirects.
    pub url: String,
    /// Names in lower case, in the order they came; without cookies.
    pub headers: Vec<(String, String)>,
    /// Must be read or dropped; dropping it ends the exchange.
    pub body: ResponseBody,
}

/// A response body. Nothing is read from the network while nobody polls it. After the first error,
/// or the end, it yields nothing more.
pub struct ResponseBody {
    /// `None` once it is over.
    inner: Option<ByteStream>,
    call: Arc<CallState>,
    scan: BodyScan,
    /// Waits for the bytes that came before it to be handed out.
    failure: Option<HttpError>,
    deadline: Instant,
    /// Made when there is first something to wait for.
    waiting: Option<Waiting>,
    /// Who watches, for a plugin's author.
    watched: Option<Watched>,
}

struct Waiting {
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The idle limit or the deadline, whichever comes first.
    timer: Pin<Box<Sleep>>,
    /// Whether the timer belongs to the wait going on now.
    armed: bool,
}

impl ResponseBody {
    pub(crate) fn new(
        inner: ByteStream,
        call: Arc<CallState>,
        deadline: Instant,
        watched: Option<Watched>,
    ) -> Self {
        Self {
            inner: Some(inner),
            call,
            scan: BodyScan::default(),
            failure: None,
            deadline,
            waiting: None,
            watched,
        }
    }

    /// The body failed. What the scanner holds may be the beginning of a secret, so it is dropped:
    /// a plugin could choose where a reflected key is cut, by what it has left of its byte cap or
    /// by reading slowly, and piece the key together over several requests.
    fn end_with(&mut self, error: HttpError) -> Poll<Option<Result<Bytes, HttpError>>> {
        self.inner = None;
        self.waiting = None;
        self.scan = BodyScan::default();
        Poll::Ready(Some(Err(error)))
    }

    /// The body is whole: hands out what was held back.
    fn wind_up(&mut self) -> Poll<Option<Result<Bytes, HttpError>>> {
        self.inner = None;
        self.waiting = None;
        let held = self.scan.finish();
        Poll::Ready((!held.is_empty()).then_some(Ok(held)))
    }

    /// Counts and scans a chunk. `None`: all of it is held back for now.
    fn admit(&mut self, mut chunk: Bytes) -> Option<Result<Bytes, HttpError>> {
        let granted = self.call.take_response_bytes(chunk.len());
        if granted < chunk.len() {
            chunk.truncate(granted);
            self.failure = Some(self.call.response_too_large());
        }
        let out = match self.call.scanner() {
            None => chunk,
            Some(scanner) => match self.scan.push(scanner, chunk) {
                Ok(out) => out,
                Err(leak) => return Some(Err(self.call.violate(leak, LeakSite::Body))),
            },
        };
        (!out.is_empty()).then_some(Ok(out))
    }

    /// Ready when waiting any longer is pointless.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<HttpError> {
        let now = Instant::now();
        let idle = self.call.timeouts().idle;
        let until = now
            .checked_add(idle)
            .map_or(self.deadline, |idle| idle.min(self.deadline));
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            ended: Box::pin(self.call.ended().cancelled_owned()),
            timer: Box::pin(tokio::time::sleep_until(until)),
            armed: true,
        });
        if !waiting.armed {
            waiting.timer.as_mut().reset(until);
            waiting.armed = true;
        }
        if std::future::Future::poll(waiting.ended.as_mut(), cx).is_ready() {
            return Poll::Ready(self.call.violation_error());
        }
        ready!(std::future::Future::poll(waiting.timer.as_mut(), cx));
        Poll::Ready(if Instant::now() >= self.deadline {
            self.call.total_timeout()
        } else {
            HttpError::sent(
                HttpErrorKind::Timeout,
                format!(
                    "The server sent nothing for {} s in the middle of its answer.",
                    idle.as_secs_f32()
                ),
            )
        })
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let item = ready!(this.poll_item(cx));
        if let Some(watched) = &mut this.watched {
            match &item {
                Some(Ok(bytes)) => watched.body(bytes),
                Some(Err(error)) => watched.failed(error),
                None => watched.end(),
            }
        }
        Poll::Ready(item)
    }
}

impl ResponseBody {
    /// The next item, as the plugin gets it.
    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpError>>> {
        let this = self;
        loop {
            if this.call.is_violated() && (this.inner.is_some() || this.failure.is_some()) {
                this.failure = None;
                let error = this.call.violation_error();
                return this.end_with(error);
            }
            if let Some(failure) = this.failure.take() {
                return this.end_with(failure);
            }
            let Some(inner) = this.inner.as_mut() else {
                return Poll::Ready(None);
            };
            match inner.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    if let Some(waiting) = &mut this.waiting {
                        waiting.armed = false;
                    }
                    if Instant::now() >= this.deadline {
                        this.failure = Some(this.call.total_timeout());
                        continue;
                    }
                    match this.admit(chunk) {
                        None => {}
                        Some(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                        Some(Err(error)) => return this.end_with(error),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = this.call.scrub(error);
                    this.failure = Some(error);
                }
                Poll::Ready(None) => return this.wind_up(),
                Poll::Pending => {
                    let failure = ready!(this.poll_wait(cx));
                    this.failure = Some(failure);
                }
            }
        }
    }
}
