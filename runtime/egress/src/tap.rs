//! Watching a gate, for the author of a plugin: what is sent and received, without any credential.
//!
//! A tap sees a request after it was judged, with the names of attached credentials and never their
//! values, and a response as the plugin receives it: after the scan for credentials. It changes nothing
//! and is in no gate of an installed plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use crate::{HttpError, RequestBody};

/// Watches the exchanges of a gate. Called where the plugin waits: must not block.
pub trait Tap: Send + Sync {
    /// Something happened in the exchange of this number; numbers begin with 1, and a redirect's next hop
    /// is another exchange.
    fn seen(&self, exchange: u64, what: Tapped<'_>);
}

/// A header's name and value; none = a credential, which nobody is shown.
pub type TappedHeader = (String, Option<String>);

/// What happened in an exchange.
pub enum Tapped<'a> {
    /// A request is about to be sent.
    Request {
        /// Judged.
        method: &'a Method,
        /// The address that was judged.
        url: &'a Url,
        /// All that the gate decides on.
        headers: Vec<TappedHeader>,
        /// As sent.
        body: &'a RequestBody,
    },
    /// The response's head.
    Head {
        /// Three digits.
        status: u16,
        /// As they came, and without values of cookies.
        headers: Vec<TappedHeader>,
    },
    /// The next piece of the body, as the plugin gets it.
    Body(&'a Bytes),
    /// The body is over, or the plugin has read enough of it.
    End,
    /// The exchange failed.
    Failed(&'a HttpError),
}

/// One exchange that is watched. Dropped, it tells the end unless that was told.
pub(crate) struct Watched {
    tap: Arc<dyn Tap>,
    exchange: u64,
    is_over: bool,
}

/// A gate's tap and the number of the next exchange.
pub(crate) struct Watch {
    tap: Arc<dyn Tap>,
    next: AtomicU64,
}

impl Watch {
    pub(crate) fn new(tap: Arc<dyn Tap>) -> Self {
        Self {
            tap,
            next: AtomicU64::new(1),
        }
    }

    pub(crate) fn begin(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &RequestBody,
    ) -> Watched {
        let watched = Watched {
            tap: Arc::clone(&self.tap),
            exchange: self.next.fetch_add(1, Ordering::Relaxed),
            is_over: false,
        };
        let headers = shown(headers);
        watched.tell(Tapped::Request {
            method,
            url,
            headers,
            body,
        });
        watched
    }
}

impl Watched {
    fn tell(&self, what: Tapped<'_>) {
        self.tap.seen(self.exchange, what);
    }

    pub(crate) fn head(&self, status: u16, headers: &HeaderMap) {
        let headers = shown(headers);
        self.tell(Tapped::Head { status, headers });
    }

    pub(crate) fn body(&self, bytes: &Bytes) {
        self.tell(Tapped::Body(bytes));
    }

    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.tell(Tapped::End);
        }
    }

    pub(crate) fn failed(&mut self, error: &HttpError) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.tell(Tapped::Failed(error));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

fn shown(headers: &HeaderMap) -> Vec<TappedHeader> {
    let cookie = |name: &str| matches!(name, "set-cookie" | "set-cookie2" | "cookie");
    let shown = headers.iter().map(|(name, value)| {
        let is_hidden = value.is_sensitive() || cookie(name.as_str());
        let text = (!is_hidden).then(|| String::from_utf8_lossy(value.as_bytes()).into_owned());
        (name.as_str().to_owned(), text)
    });
    shown.collect()
}
