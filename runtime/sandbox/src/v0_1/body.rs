//! A response on its way into the guest: pulled, never pushed, so that a guest that does not
//! read holds the upstream back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::oneshot;
use vale_egress::{HttpError, HttpResponse, ResponseBody};
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, FutureProducer, FutureReader, StreamProducer, StreamReader, StreamResult,
};

use super::bindings::valechat::host::http;
use super::convert::http_error;
use crate::state::{HeldBody, OpenBody, State};

type Sent = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

/// `http.send`'s future.
pub(super) struct PendingResponse {
    sent: Sent,
    /// Given back when the response's head is here, or the guest gave up.
    _held: HeldBody,
}

impl PendingResponse {
    pub(super) fn new(sent: Sent, held: HeldBody) -> Self {
        Self { sent, _held: held }
    }
}

impl FutureProducer<State> for PendingResponse {
    type Item = Result<http::Response, http::Error>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, State>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Option<Self::Item>>> {
        let response = match self.sent.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => response,
            Poll::Ready(Err(error)) => {
                store.data().check_gate()?;
                return Poll::Ready(Ok(Some(Err(http_error(&error)))));
            }
            Poll::Pending if finish => return Poll::Ready(Ok(None)),
            Poll::Pending => return Poll::Pending,
        };
        let (end, ended) = oneshot::channel();
        let body = BodyProducer {
            body: response.body,
            end: Some(end),
            open: Some(store.data().bodies.open()),
        };
        let response = http::Response {
            status: response.status,
            url: response.url,
            headers: response.headers,
            body: StreamReader::new(&mut store, body)?,
            end: FutureReader::new(&mut store, BodyEnd { ended })?,
        };
        Poll::Ready(Ok(Some(Ok(response))))
    }
}

/// The body's bytes.
struct BodyProducer {
    body: ResponseBody,
    end: Option<oneshot::Sender<Result<(), HttpError>>>,
    open: Option<OpenBody>,
}

impl BodyProducer {
    fn ended(&mut self, how: Result<(), HttpError>) {
        self.open = None;
        if let Some(end) = self.end.take() {
            // The guest may have dropped the future: then nobody wants to know.
            let _ = end.send(how);
        }
    }
}

impl StreamProducer<State> for BodyProducer {
    type Item = u8;
    type Buffer = Bytes;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, State>,
        mut destination: Destination<'a, u8, Bytes>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if destination.remaining(&mut store) == Some(0) {
            // The guest asks whether a read would succeed; a read will tell.
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        loop {
            return match Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => continue,
                Poll::Ready(Some(Ok(bytes))) => {
                    destination.set_buffer(bytes);
                    Poll::Ready(Ok(StreamResult::Completed))
                }
                Poll::Ready(Some(Err(error))) => {
                    store.data().check_gate()?;
                    self.ended(Err(error));
                    Poll::Ready(Ok(StreamResult::Dropped))
                }
                Poll::Ready(None) => {
                    self.ended(Ok(()));
                    Poll::Ready(Ok(StreamResult::Dropped))
                }
                Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}

/// Whether the body was whole.
struct BodyEnd {
    ended: oneshot::Receiver<Result<(), HttpError>>,
}

impl FutureProducer<State> for BodyEnd {
    type Item = Result<(), http::Error>;

    fn poll_produce(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _store: StoreContextMut<'_, State>,
        finish: bool,
    ) -> Poll<wasmtime::Result<Option<Self::Item>>> {
        match Pin::new(&mut self.ended).poll(cx) {
            Poll::Ready(Ok(Ok(()))) => Poll::Ready(Ok(Some(Ok(())))),
            Poll::Ready(Ok(Err(error))) => Poll::Ready(Ok(Some(Err(http_error(&error))))),
            Poll::Ready(Err(_)) => Poll::Ready(Ok(Some(Err(http::Error {
                kind: http::Kind::Other("unread".to_owned()),
                message: "The body was dropped before its end.".to_owned(),
                request_sent: true,
                extras: Vec::new(),
            })))),
            Poll::Pending if finish => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        }
    }
}
