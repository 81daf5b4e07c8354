//! What each record does to the tree.

use super::{Node, Oddity, Streamed, Tree};
use crate::MessageId;
use crate::model::{Message, State};
use crate::record::{AttemptBegan, AttemptEnded, MessageEnded, MessagesPurged, Record, TextDelta};

/// Whether the links must be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Good,
    Stale,
}

impl Tree {
    /// Folds a record in, but for the links.
    pub(super) fn fold(&mut self, record: &Record) -> Result<Links, Oddity> {
        if record.conversation() != Some(self.conversation.id) {
            return Err(Oddity::Elsewhere);
        }
        // What is purged leaves no trace, whatever still speaks of it.
        if record.message().is_some_and(|id| self.purged.contains(&id)) {
            return Ok(Links::Good);
        }
        let name = record.name();
        match record {
            Record::ConversationCreated(_) => {
                return Err(Oddity::BegunTwice(self.conversation.id));
            }
            Record::ConversationChanged(record) => record.patch.apply(&mut self.conversation),
            Record::ConversationDeleted(record) => {
                self.conversation.deleted_ms = Some(record.at_ms);
            }
            Record::ConversationUndeleted(_) => self.conversation.deleted_ms = None,
            Record::MessageAdded(record) => return self.insert(record.message.clone()),
            Record::AttemptBegan(record) => return self.attempt_began(record),
            Record::TextDelta(record) => self.text_came(record, name)?,
            Record::AttemptEnded(record) => self.attempt_ended(record, name)?,
            Record::MessageEnded(record) => self.message_ended(record, name)?,
            Record::LeafChosen(record) => self.conversation.active_leaf = record.leaf,
            Record::BranchPruned(record) => {
                self.pruned.insert(record.message);
                self.rehide(&[record.message]);
            }
            Record::BranchRestored(record) => {
                self.pruned.remove(&record.message);
                self.rehide(&[record.message]);
            }
            Record::BranchMoved(record) => {
                self.node(record.message, name)?.link = record.parent;
                return Ok(Links::Stale);
            }
            Record::MessagesPurged(record) => return Ok(self.messages_purged(record)),
            // Nothing of the tree.
            Record::DraftSaved(_)
            | Record::DraftCleared(_)
            | Record::ConversationPurged(_)
            | Record::SourceImported(_) => {}
            Record::FolderCreated(_) | Record::FolderChanged(_) | Record::FolderRemoved(_) => {
                return Err(Oddity::Elsewhere);
            }
        }
        Ok(Links::Good)
    }

    /// Puts a message in its place.
    pub(super) fn insert(&mut self, message: Message) -> Result<Links, Oddity> {
        let (id, link) = (message.id, message.parent);
        if self.nodes.contains_key(&id) {
            return Err(Oddity::Twice(id));
        }
        self.touch(message.created_ms);
        if message.state == State::Streaming {
            self.open.insert(id);
        }
        let up = link.filter(|link| self.nodes.contains_key(link));
        let hidden = up.is_some_and(|up| !self.is_visible(up)) || self.is_pruned(id);
        let node = Node {
            message,
            ord: self.next,
            link,
            up,
            children: Vec::new(),
            hidden,
            streamed: Streamed::default(),
        };
        self.next = self.next.saturating_add(1);
        self.nodes.insert(id, node);
        if up.is_none() {
            self.wanted.extend(link);
        }
        self.attach(id, up);
        // Something came before what it follows.
        if self.wanted.contains(&id) {
            return Ok(Links::Stale);
        }
        Ok(Links::Good)
    }

    fn touch(&mut self, at_ms: u64) {
        self.conversation.updated_ms = self.conversation.updated_ms.max(at_ms);
    }

    fn node(&mut self, message: MessageId, record: &'static str) -> Result<&mut Node, Oddity> {
        let node = self.nodes.get_mut(&message);
        node.ok_or(Oddity::Unknown { message, record })
    }

    /// A message that has not ended.
    fn unended(&mut self, message: MessageId, record: &'static str) -> Result<&mut Node, Oddity> {
        let node = self.node(message, record)?;
        if node.message.state == State::Streaming {
            Ok(node)
        } else {
            Err(Oddity::Ended { message, record })
        }
    }

    fn attempt_began(&mut self, record: &AttemptBegan) -> Result<Links, Oddity> {
        let (links, node) = match &record.placeholder {
            Some(placeholder) => {
                let links = self.insert(placeholder.clone())?;
                (links, self.node(placeholder.id, "attempt began")?)
            }
            None => (Links::Good, self.unended(record.message, "attempt began")?),
        };
        node.message.attempts.push(record.attempt.clone());
        self.touch(record.attempt.started_ms);
        Ok(links)
    }

    fn text_came(&mut self, record: &TextDelta, name: &'static str) -> Result<(), Oddity> {
        self.unended(record.message, name)?.streamed.add(record);
        Ok(())
    }

    fn attempt_ended(&mut self, record: &AttemptEnded, name: &'static str) -> Result<(), Oddity> {
        let message = record.message;
        let node = self.node(message, name)?;
        let mut attempts = node.message.attempts.iter_mut();
        let attempt = attempts.find(|attempt| attempt.id == record.attempt);
        let attempt = attempt.ok_or(Oddity::Unknown {
            message,
            record: name,
        })?;
        if attempt.outcome.is_some() {
            return Err(Oddity::Ended {
                message,
                record: name,
            });
        }
        attempt.outcome = Some(record.outcome.clone());
        attempt.ended_ms = Some(record.at_ms);
        attempt.request_sent = record.request_sent;
        attempt.request_id.clone_from(&record.request_id);
        attempt.usage_json.clone_from(&record.usage_json);
        attempt.error.clone_from(&record.error);
        Ok(())
    }

    fn message_ended(&mut self, record: &MessageEnded, name: &'static str) -> Result<(), Oddity> {
        let node = self.unended(record.message, name)?;
        node.streamed = Streamed::default();
        let message = &mut node.message;
        message.parts.clone_from(&record.parts);
        message.state = match &record.state {
            // What ended does not go on.
            State::Streaming => State::Interrupted,
            state => state.clone(),
        };
        message.finish.clone_from(&record.finish);
        message.usage.clone_from(&record.usage);
        if record.model.is_some() {
            message.model.clone_from(&record.model);
        }
        self.touch(record.at_ms);
        self.open.remove(&record.message);
        Ok(())
    }

    fn messages_purged(&mut self, record: &MessagesPurged) -> Links {
        for id in &record.messages {
            self.nodes.remove(id);
            self.pruned.remove(id);
            self.open.remove(id);
            self.purged.insert(*id);
        }
        // Not the latest of what is left and what went: a tree without the records that went must be the same.
        self.conversation.updated_ms = record.at_ms;
        // Records of theirs are void, also those that found nothing to be about.
        let purged = &self.purged;
        self.oddities.retain(|oddity| match oddity {
            Oddity::Twice(message)
            | Oddity::Unknown { message, .. }
            | Oddity::Ended { message, .. }
            | Oddity::Gap { message, .. } => !purged.contains(message),
            _ => true,
        });
        for moved in &record.moved {
            if let Some(node) = self.nodes.get_mut(&moved.message) {
                node.link = moved.parent;
            }
        }
        Links::Stale
    }
}
