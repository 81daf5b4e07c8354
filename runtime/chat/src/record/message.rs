//! Records of messages and branches.

use serde::{Deserialize, Serialize};

use crate::model::Message;
use crate::{ConversationId, MessageId};

/// A whole message came: a person's, an imported one, a copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageAdded {
    /// Which conversation.
    pub conversation: ConversationId,
    /// The message.
    pub message: Message,
}

/// A branch was hidden: a message and all that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchPruned {
    /// Which conversation.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
    /// The branch's first message.
    pub message: MessageId,
}

/// A hidden branch came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRestored {
    /// Which conversation.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
    /// The branch's first message.
    pub message: MessageId,
}

/// A branch was hung below another message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchMoved {
    /// Which conversation.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
    /// The branch's first message.
    pub message: MessageId,
    /// What it follows now; `None` = the beginning of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
}

/// Where a message hangs after others were purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The message.
    pub message: MessageId,
    /// What it follows now; `None` = the beginning of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<MessageId>,
}

/// Messages are gone for ever: everything else that names them is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesPurged {
    /// Which conversation.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
    /// Which messages.
    pub messages: Vec<MessageId>,
    /// What followed them and stays. It is said here because the purged messages' own records,
    /// which knew what they followed, are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
}
