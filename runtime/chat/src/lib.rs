//! Conversations: the records that a journal keeps of them, the tree of messages that the records
//! fold into, and what a person does to it. Pure values, but for [`rows`], which keeps them in the store.
//!
//! This crate reads no clock and makes no randomness of its own where a test must
//! repeat; it knows no store, no actor and no network. What is written down is its own set of types
//! ([`model`]), which grow by one rule and convert to and from `vale_types`.

mod change;
pub mod export;
pub mod ids;
pub mod import;
pub mod library;
pub mod model;
pub mod ops;
pub mod record;
pub mod rows;
pub mod title;
pub mod tree;
mod word;

pub use change::Change;
pub use ids::{AttemptId, ConversationId, FolderId, GroupId, IdSource, MessageId, SystemIds};
pub use library::Library;
pub use record::{Record, RecordError};
pub use tree::{Oddity, Tree};
