//! What the whole-system tests share: hostile guests and the sandbox that runs them, a server
//! whose every byte the test decides, and the note of a test that was skipped.
//!
//! Its functions fail the test that calls them rather than return errors.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "for tests only: a failure here fails the test"
)]

mod guests;
pub mod packages;
mod sandboxed;
mod skip;
mod upstream;

pub use guests::guest;
pub use sandboxed::{Outcome, Sandboxed, closed_gate, context, outcome, request, run};
pub use skip::skip;
pub use upstream::{Held, Seen, Upstream, ok, read_request};

use std::future::Future;
use std::time::Duration;

/// Long enough that a loaded machine never reaches it; a test that does has hung.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Awaits what must happen, and fails the test if it does not.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {} s", PATIENCE.as_secs()),
    }
}
