//! What a tool may use of the host.

use std::future::Future;

use super::{BlobError, KvError, Level};
use crate::context::Context;
use crate::http::HttpReply;
use crate::types::{Blob, HttpError, HttpRequest};

/// A reply of which at most a stated number of bytes was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// Status, headers, and the body up to the cap.
    pub reply: HttpReply,
    /// False when the body went on beyond the cap.
    pub is_whole: bool,
}

/// The host, as a tool sees it: the real one in a component, a
/// [`FakeHost`](super::testkit::FakeHost) in a test. What the manifest does not ask for or the
/// person did not grant is refused by the host.
pub trait Host {
    /// Settings, and which credentials are set.
    fn context(&self) -> &Context;

    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_unix_ms(&self) -> u64;

    /// Random bytes fit for cryptography; at most 65,536.
    fn random(&self, len: u32) -> Vec<u8>;

    /// A line for the plugin's log.
    fn log(&self, level: Level, message: &str);

    /// Sends a request and reads at most `max_bytes` of the reply's body, whatever its status.
    ///
    /// # Errors
    /// What the host says: no such host, refused, cut off. A body beyond the cap is no error.
    fn send(
        &self,
        request: HttpRequest,
        max_bytes: usize,
    ) -> impl Future<Output = Result<Received, HttpError>>;

    /// A value that this plugin kept.
    fn kv_get(&self, key: &str) -> Option<Vec<u8>>;

    /// Keeps a value between calls.
    ///
    /// # Errors
    /// The caps of the manifest.
    fn kv_set(&self, key: &str, value: &[u8]) -> Result<(), KvError>;

    /// Forgets a value; that there is none is fine.
    fn kv_delete(&self, key: &str);

    /// Keys with this prefix, in byte order, after `after`; at most `limit`.
    fn kv_list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String>;

    /// At most `len` bytes of an attachment of this call.
    ///
    /// # Errors
    /// No such attachment, or `len` is more than the host gives at once.
    fn blob_read(&self, id: &str, offset: u64, len: u32) -> Result<Vec<u8>, BlobError>;

    /// Makes an attachment, for a result too big for a message.
    ///
    /// # Errors
    /// More than the host takes.
    fn blob_put(
        &self,
        media_type: &str,
        name: Option<&str>,
        bytes: &[u8],
    ) -> Result<Blob, BlobError>;
}
