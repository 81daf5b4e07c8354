//! What is written down of a conversation.
//!
//! These types are stored for ever, so they grow by one rule: a field is only ever added, as an
//! `Option` or with a default, and is never renamed, given another type or used for something else.
//! No enum is stored by position. Times are milliseconds since 1970.

mod attachment;
mod conversation;
mod convert;
mod message;
mod part;
mod usage;

pub use attachment::{Attachment, BlobHash, BlobHashError};
pub use conversation::{
    Conversation, Folder, ModelName, Settings, SourceRef, Thinking, ThinkingMode, TitleSource,
};
pub use convert::ConvertError;
pub use message::{Attempt, AttemptError, AttemptReason, Finish, Message, Outcome, Role, State};
pub use part::{Extra, Media, Part, ResultPart, ThinkingBlock, ToolCall, ToolResult};
pub use usage::{Cost, Usage, Use};

/// `skip_serializing_if` of a flag.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
