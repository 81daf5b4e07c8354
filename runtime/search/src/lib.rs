//! The full-text index of messages: the only crate that names tantivy.
//!
//! It is derived, and may be deleted at any time without loss. It is fed [`Change`]s from the store's
//! outbox through a [`Writer`], in order, and remembers in each commit up to where
//! ([`Index::position`]); [`Index::open`] makes anew what is missing, torn or of another version and
//! says so. What is newer than the last commit is found by a plain scan of [`Recent`], under the same
//! rules, so that a message is findable at once.
//!
//! It knows nothing of the store, of conversations' trees or of a message's text once it is indexed:
//! a hit names a message, and whoever has its text makes a [`snippet`]. No async, no clock.

mod error;
mod excluded;
mod fold;
mod index;
mod opened;
mod parse;
mod plan;
mod policy;
mod query;
mod rank;
mod recent;
mod schema;
mod sealed;
mod search;
mod snippet;
mod token;
mod writer;

pub use error::SearchError;
pub use index::Index;
pub use opened::{Fresh, Opened, Position};
pub use policy::CommitPolicy;
pub use query::{ConversationKey, Filters, MAX_LIMIT, MAX_OFFSET, Mode, Query};
pub use recent::Recent;
pub use schema::{Change, Doc};
pub use search::{Hit, Hits};
pub use snippet::{Snippet, snippet};
pub use writer::Writer;
