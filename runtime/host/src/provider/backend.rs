//! What runs a provider's calls: the one seam between actors and the sandbox.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use vale_sandbox::Step;
use vale_types::{Failure, Model, ProviderInfo, Request};

use crate::supervise::words;

/// An answer under way: batches of events, then one end. Dropping it cancels the call and closes
/// its connection.
pub type Answer = BoxStream<'static, Step>;

/// A provider's way to its calls. The real one is a plugin in the sandbox; a simulation brings
/// its own.
pub trait Backend: Send + Sync + 'static {
    /// Gets ready: plugin, settings, keys, and the local model's process where it is needed.
    fn prepare(&self) -> BoxFuture<'static, Result<Arc<dyn Calls>, Failure>>;

    /// Forgets what was prepared, for a provider's actor that starts anew.
    fn forget(&self) {}

    /// How often keys were set or removed; a number that only grows.
    fn key_changes(&self) -> u64 {
        0
    }

    /// Processor time and memory that calls used, seconds and bytes.
    fn used(&self) -> Option<(f64, u64)> {
        None
    }
}

/// Calls that can be made at once.
pub trait Calls: Send + Sync {
    /// Starts one answer.
    ///
    /// # Errors
    /// What refuses the call before anything is sent, such as a missing key.
    fn complete(&self, request: &Request) -> Result<Answer, Failure>;

    /// The provider's models.
    fn models(&self) -> BoxFuture<'static, Result<Vec<Model>, Failure>>;

    /// What the plugin says about itself.
    fn describe(&self) -> BoxFuture<'static, Result<ProviderInfo, Failure>>;

    /// Input tokens of a request, counted without generating.
    fn count_tokens(&self, request: &Request) -> BoxFuture<'static, Result<u64, Failure>>;
}

/// A future whose panic is a failure of the host: it runs beside an actor, in a task of its own.
pub(crate) async fn caught<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(Failure::host(format!("it crashed: {}", words(&*panic)))))
}
