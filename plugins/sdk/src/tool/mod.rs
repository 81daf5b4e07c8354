//! Write a tool plugin: say what the tools take, and do what they do.
//!
//! Implement [`Tools`], end the crate with [`export_tool!`](crate::export_tool). The SDK draws the
//! JSON Schema from the declared [`Param`]s and checks a call's arguments against the same
//! declaration, so the two cannot disagree. [`testkit`] calls a tool natively.
//!
//! A failure is one of two things, see [`Failure`]: the tool ran and says in words what is wrong
//! (the model reads it and may do better), or the call itself failed.

#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated; `wit/` is its documentation"
)]
pub mod bindings;

mod answer;
mod arguments;
#[doc(hidden)]
pub mod guest;
mod host;
mod run;
mod spec;
pub mod testkit;

pub use crate::bindings::valechat::host::log::Level;
pub use answer::{Answer, Failure};
pub use arguments::Arguments;
pub use bindings::exports::valechat::tool::tool::{Described, Hints};
pub use bindings::valechat::host::blobs::Error as BlobError;
pub use bindings::valechat::host::kv::Error as KvError;
pub use host::{Host, Received};
pub use run::{described, invoke};
pub use spec::{Param, ToolSpec};

use std::future::Future;

use crate::context::Context;

/// The tools of one plugin.
pub trait Tools: Sized + 'static {
    /// What the tools are called and what they take. The settings may change what is offered.
    fn list(context: &Context) -> Vec<ToolSpec>;

    /// Does what the tool called `name` does. The name is one of the list's and the arguments are
    /// checked; write it as an `async fn`.
    ///
    /// # Errors
    /// See [`Failure`].
    fn invoke<H: Host>(
        host: &H,
        name: &str,
        arguments: &Arguments,
    ) -> impl Future<Output = Result<Answer, Failure>>;
}
