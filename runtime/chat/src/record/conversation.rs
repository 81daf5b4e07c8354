//! Records of a conversation as a whole.

use serde::{Deserialize, Serialize};

use super::ConversationPatch;
use crate::model::Conversation;
use crate::{ConversationId, MessageId};

/// A conversation began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationCreated {
    /// As it began.
    pub conversation: Conversation,
}

/// Something of a conversation changed that is not a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationChanged {
    /// Which.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
    /// What.
    #[serde(default)]
    pub patch: ConversationPatch,
}

/// The branch that is shown was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeafChosen {
    /// Which conversation.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
    /// The branch's last message; `None` = there is no message to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<MessageId>,
}

/// A conversation was deleted, and can come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationDeleted {
    /// Which.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
}

/// A deleted conversation came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationUndeleted {
    /// Which.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
}

/// A conversation is gone for ever: everything else that names it is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationPurged {
    /// Which.
    pub conversation: ConversationId,
    /// When.
    pub at_ms: u64,
}
