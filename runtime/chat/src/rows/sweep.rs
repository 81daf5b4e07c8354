//! Which records are still needed: rows of what stays equal rows of all.

use std::collections::{HashMap, HashSet};

use vale_store::{Frame, Lsn, Sweep};

use crate::record::{Record, kind};
use crate::{ConversationId, MessageId};

/// The sweep of conversations. Records of others stay.
#[derive(Debug, Default)]
pub struct ChatSweep {
    ended: HashSet<MessageId>,
    purged: HashSet<ConversationId>,
    purged_messages: HashSet<MessageId>,
    /// The newest record of each draft.
    drafts: HashMap<Option<ConversationId>, Lsn>,
}

impl Sweep for ChatSweep {
    fn see(&mut self, frame: &Frame<'_>) {
        // Only these say that something else is of no use any more.
        if !matches!(
            frame.kind,
            kind::MESSAGE_ENDED
                | kind::CONVERSATION_PURGED
                | kind::MESSAGES_PURGED
                | kind::DRAFT_SAVED
                | kind::DRAFT_CLEARED
        ) {
            return;
        }
        match Record::decode(frame.kind, frame.version, frame.payload) {
            Ok(Record::MessageEnded(ended)) => drop(self.ended.insert(ended.message)),
            Ok(Record::ConversationPurged(purge)) => {
                self.purged.insert(purge.conversation);
            }
            Ok(Record::MessagesPurged(purge)) => self.purged_messages.extend(purge.messages),
            Ok(Record::DraftSaved(draft)) => {
                self.drafts.insert(draft.conversation, frame.lsn);
            }
            Ok(Record::DraftCleared(draft)) => {
                self.drafts.insert(draft.conversation, frame.lsn);
            }
            _ => {}
        }
    }

    fn keeps(&self, frame: &Frame<'_>) -> bool {
        // What cannot be read here may be a later app's.
        let Ok(record) = Record::decode(frame.kind, frame.version, frame.payload) else {
            return true;
        };
        if let Some(id) = record.conversation()
            && self.purged.contains(&id)
        {
            return matches!(record, Record::ConversationPurged(_));
        }
        if record
            .message()
            .is_some_and(|id| self.purged_messages.contains(&id))
        {
            return false;
        }
        match &record {
            Record::TextDelta(delta) => !self.ended.contains(&delta.message),
            Record::DraftSaved(draft) => self.drafts.get(&draft.conversation) == Some(&frame.lsn),
            Record::DraftCleared(draft) => self.drafts.get(&draft.conversation) == Some(&frame.lsn),
            _ => true,
        }
    }
}
