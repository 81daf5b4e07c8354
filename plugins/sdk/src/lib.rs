//! Write a ValeChat plugin: a model provider is a request builder and an event mapper, a tool
//! plugin is a list of tools and what they do ([`tool`]).
//!
//! For a provider, implement [`Provider`] and [`EventMapper`], end the crate with [`export_provider!`], build for
//! `wasm32-unknown-unknown`. The SDK checks credentials, sends the request, splits the answer
//! into frames at any byte, turns failures into the contract's error kinds and keeps the
//! contract's rules. [`testkit`] replays recorded answers natively, so a provider is tested
//! without wasm, without a host and without a network.
//!
//! What this crate must not know: any particular provider's wire format, beyond the shapes of
//! error that several of them share ([`errors`]).
#![doc = include_str!("../README.md")]

#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated; `wit/` is its documentation"
)]
pub mod bindings;

pub mod decimal;
pub mod errors;
pub mod frame;
pub mod json;
pub mod testkit;
pub mod text;
pub mod tool;
pub mod types;
pub mod usage;

mod context;
#[doc(hidden)]
pub mod guest;
mod http;
mod provider;
mod session;

pub use context::Context;
pub use frame::{Flow, Frame, Framing};
pub use http::HttpReply;
pub use provider::{EventMapper, Listing, Provider};
pub use session::Session;
pub use types::*;
