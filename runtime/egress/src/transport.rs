//! The seam below all policy: one request out, one response back, nothing judged.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::{HeaderMap, Method};
use url::Url;

use crate::{HttpError, RequestBody};

/// A response body as it arrives.
pub type ByteStream = BoxStream<'static, Result<Bytes, HttpError>>;

/// The answer to one request, once its head is there.
pub type Trip = BoxFuture<'static, Result<TransportResponse, HttpError>>;

/// Carries requests that policy let pass. Dropping the returned future or body must end the
/// exchange. Must not follow redirects, retry, or decode bodies.
pub trait Transport: Send + Sync {
    /// Sends one request.
    fn round_trip(&self, request: TransportRequest) -> Trip;
}

/// A request as it goes on the wire.
#[derive(Clone, Debug)]
pub struct TransportRequest {
    /// Judged.
    pub method: Method,
    /// The very value that was judged, without a fragment.
    pub url: Url,
    /// Everything the gate decides on. Attached credentials are marked
    /// [sensitive](http::HeaderValue::is_sensitive); whoever records requests must leave them out.
    pub headers: HeaderMap,
    /// May be read more than once.
    pub body: RequestBody,
}

/// A response as it came.
pub struct TransportResponse {
    /// Three digits.
    pub status: u16,
    /// Unfiltered.
    pub headers: HeaderMap,
    /// Not decoded.
    pub body: ByteStream,
}
