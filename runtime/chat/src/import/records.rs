//! From an imported conversation to the records that keep it.

use std::collections::HashMap;

use super::fingerprint::stable;
use super::{Imported, NATIVE_APP};
use crate::model::{Message, State};
use crate::record::{BranchPruned, ConversationCreated, MessageAdded, Record, SourceImported};
use crate::{MessageId, Tree};

impl Imported {
    /// The records that bring it in. `existing` is the conversation of the same id, where there is
    /// one: it keeps its title and everything else that a person may have changed, and gets the
    /// messages that it lacks. A message that has another text in the export than here comes as
    /// another version beside the one that is there, and what is new below it follows that version.
    #[must_use]
    pub fn into_records(self, existing: Option<&Tree>, at_ms: u64) -> Vec<Record> {
        let id = self.conversation.id;
        let mut records = Vec::with_capacity(self.messages.len() + 2);
        if existing.is_none() {
            records.push(Record::from(ConversationCreated {
                conversation: self.conversation,
            }));
        }
        let mut versions = HashMap::new();
        let mut added = Vec::new();
        for mut message in self.messages {
            let parent = message.parent;
            let version = parent.and_then(|parent| versions.get(&parent).copied());
            message.parent = version.or(parent);
            if let Some(there) = existing.and_then(|tree| tree.message(message.id)) {
                if self.source.app == NATIVE_APP || there.parts == message.parts {
                    continue;
                }
                let version = version_id(&message, &self.source.app, &self.source.id);
                versions.insert(message.id, version);
                if existing.is_some_and(|tree| tree.contains(version)) {
                    continue;
                }
                message.id = version;
            }
            if message.state == State::Streaming {
                // Nobody writes it any more.
                message.state = State::Interrupted;
            }
            added.push(message.id);
            records.push(Record::from(MessageAdded {
                conversation: id,
                message,
            }));
        }
        for message in self.pruned {
            if added.contains(&message) {
                records.push(Record::from(BranchPruned {
                    conversation: id,
                    at_ms,
                    message,
                }));
            }
        }
        records.push(Record::from(SourceImported {
            source: self.source,
            digest: self.digest.to_string(),
            conversation: id,
            at_ms,
        }));
        records
    }
}

/// The id of a message with just this content, the same each time.
fn version_id(message: &Message, app: &str, conversation: &str) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    // Hashing does not fail, and parts can be written as JSON.
    let _ = serde_json::to_writer(&mut hasher, &message.parts);
    let within = format!("{} {}", message.id, hasher.finalize().to_hex());
    let random = stable("version", app, conversation, &within);
    MessageId::new(message.created_ms, &mut || random)
}
