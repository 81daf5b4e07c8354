//! What a record is about, without looking into its content.

use super::Record;
use crate::{ConversationId, MessageId};

impl Record {
    /// The conversation that it is about. `None`: a folder, or the draft of a conversation that is
    /// not begun.
    #[must_use]
    pub fn conversation(&self) -> Option<ConversationId> {
        Some(match self {
            Self::ConversationCreated(record) => record.conversation.id,
            Self::ConversationChanged(record) => record.conversation,
            Self::MessageAdded(record) => record.conversation,
            Self::AttemptBegan(record) => record.conversation,
            Self::TextDelta(record) => record.conversation,
            Self::AttemptEnded(record) => record.conversation,
            Self::MessageEnded(record) => record.conversation,
            Self::LeafChosen(record) => record.conversation,
            Self::DraftSaved(record) => return record.conversation,
            Self::DraftCleared(record) => return record.conversation,
            Self::BranchPruned(record) => record.conversation,
            Self::BranchRestored(record) => record.conversation,
            Self::BranchMoved(record) => record.conversation,
            Self::ConversationDeleted(record) => record.conversation,
            Self::ConversationUndeleted(record) => record.conversation,
            Self::ConversationPurged(record) => record.conversation,
            Self::MessagesPurged(record) => record.conversation,
            Self::SourceImported(record) => record.conversation,
            Self::FolderCreated(_) | Self::FolderChanged(_) | Self::FolderRemoved(_) => {
                return None;
            }
        })
    }

    /// The message whose content it holds: what is void once that message is purged.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        match self {
            Self::MessageAdded(record) => Some(record.message.id),
            Self::AttemptBegan(record) => Some(record.message),
            Self::TextDelta(record) => Some(record.message),
            Self::AttemptEnded(record) => Some(record.message),
            Self::MessageEnded(record) => Some(record.message),
            _ => None,
        }
    }
}
