//! What came of an answer that has not ended.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Oddity, Tree};
use crate::MessageId;
use crate::model::{Message, Outcome, Part, State, ThinkingBlock};
use crate::record::{AttemptEnded, Channel, MessageEnded, Record, TextDelta};

/// The pieces of one channel, by the byte at which they begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pieces {
    pieces: BTreeMap<u64, String>,
}

fn len(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

impl Pieces {
    fn add(&mut self, offset: u64, text: &str) {
        if text.is_empty() {
            return;
        }
        // Mostly a piece begins where the last one ended.
        if let Some(mut last) = self.pieces.last_entry()
            && last.key().saturating_add(len(last.get())) == offset
        {
            last.get_mut().push_str(text);
            return;
        }
        match self.pieces.entry(offset) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(text.to_owned());
            }
            // The same piece again, or the same and more.
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                if text.len() > entry.get().len() {
                    entry.insert(text.to_owned());
                }
            }
        }
    }

    /// The text in order, each byte once, and how many bytes are missing in it.
    fn whole(&self) -> (Cow<'_, str>, u64) {
        if let (1, Some((0, only))) = (self.pieces.len(), self.pieces.first_key_value()) {
            return (Cow::Borrowed(only), 0);
        }
        let mut text = String::new();
        let mut at: u64 = 0;
        let mut missing: u64 = 0;
        for (offset, piece) in &self.pieces {
            if *offset > at {
                missing = missing.saturating_add(offset - at);
                at = *offset;
            }
            if at - offset >= len(piece) {
                continue;
            }
            // A piece that overlaps within a character is from somewhere else: the character goes.
            let mut skip = usize::try_from(at - offset).unwrap_or(usize::MAX);
            while !piece.is_char_boundary(skip) && skip < piece.len() {
                skip += 1;
                missing = missing.saturating_add(1);
            }
            text.push_str(piece.get(skip..).unwrap_or_default());
            at = offset.saturating_add(len(piece));
        }
        (Cow::Owned(text), missing)
    }
}

/// What came of an answer since it began, without what it began with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streamed {
    text: Pieces,
    thinking: Pieces,
    /// Channels of a later version.
    other: BTreeMap<String, Pieces>,
}

impl Streamed {
    pub(super) fn add(&mut self, delta: &TextDelta) {
        let pieces = match &delta.channel {
            Channel::Text => &mut self.text,
            Channel::Thinking => &mut self.thinking,
            Channel::Unknown(word) => self.other.entry(word.clone()).or_default(),
        };
        pieces.add(delta.offset, &delta.text);
    }

    /// The text of the answer.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        self.text.whole().0
    }

    /// The thinking before it.
    #[must_use]
    pub fn thinking(&self) -> Cow<'_, str> {
        self.thinking.whole().0
    }

    /// How many bytes are missing between the pieces.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let all = [&self.text, &self.thinking];
        let all = all.into_iter().chain(self.other.values());
        all.fold(0, |sum, pieces| sum.saturating_add(pieces.whole().1))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What an answer that began with `parts` holds now. What no field is known for is shown as
    /// text: it was written by a later version, and is not lost.
    fn onto(&self, mut parts: Vec<Part>) -> Vec<Part> {
        let thinking = self.thinking();
        if !thinking.is_empty() {
            parts.push(Part::Thinking(ThinkingBlock {
                text: thinking.into_owned(),
                ..ThinkingBlock::default()
            }));
        }
        let others = self.other.values().map(|pieces| pieces.whole().0);
        for text in std::iter::once(self.text()).chain(others) {
            match parts.last_mut() {
                _ if text.is_empty() => {}
                Some(Part::Text(begun)) => begun.push_str(&text),
                _ => parts.push(Part::Text(text.into_owned())),
            }
        }
        parts
    }
}

impl Tree {
    /// The message with what has come of it so far.
    #[must_use]
    pub fn shown(&self, id: MessageId) -> Option<Cow<'_, Message>> {
        let node = self.nodes.get(&id)?;
        if node.streamed.is_empty() {
            return Some(Cow::Borrowed(&node.message));
        }
        let mut message = node.message.clone();
        message.parts = node.streamed.onto(message.parts);
        Some(Cow::Owned(message))
    }

    /// What has come of a message that has not ended.
    #[must_use]
    pub fn streamed(&self, id: MessageId) -> Option<&Streamed> {
        let node = self.nodes.get(&id)?;
        (node.message.state == State::Streaming).then_some(&node.streamed)
    }

    /// After the app ended in the middle of answers: ends them as interrupted, with the text that
    /// had come, and returns the records that say so. The tree is right whether or not they can be
    /// written.
    pub fn recover(&mut self, now_ms: u64) -> Vec<Record> {
        let mut records = Vec::new();
        for id in self.streaming() {
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            let bytes = node.streamed.missing();
            let attempts = node.message.attempts.iter();
            for attempt in attempts.filter(|attempt| attempt.outcome.is_none()) {
                records.push(Record::from(AttemptEnded {
                    conversation: self.conversation.id,
                    message: id,
                    attempt: attempt.id,
                    at_ms: now_ms,
                    outcome: Outcome::Interrupted,
                    request_sent: None,
                    request_id: None,
                    usage_json: None,
                    error: None,
                }));
            }
            records.push(Record::from(MessageEnded {
                conversation: self.conversation.id,
                message: id,
                at_ms: now_ms,
                parts: node.streamed.onto(node.message.parts.clone()),
                state: State::Interrupted,
                finish: None,
                usage: None,
                model: None,
            }));
            if bytes > 0 {
                self.oddities.push(Oddity::Gap { message: id, bytes });
            }
        }
        for record in &records {
            if let Err(oddity) = self.apply(record) {
                self.oddities.push(oddity);
            }
        }
        records
    }
}
