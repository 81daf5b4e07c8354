//! The rows of the bench: the tables of a conversation, with an index by time, by id, by parent, and the
//! queue of the search index.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vale_store::{Fold, Frame, Record, RowsMut, StoreError};

use crate::data::{Message, beginning};

/// Kind of a record: a message.
const MESSAGE: u16 = 1;
/// Kind of a record: the search index has everything between two numbers.
const INDEXED: u16 = 2;

/// conversation → [`ConversationRow`]
pub(crate) const CONVERSATION: u8 = 1;
/// group, time of the last change (inverted), conversation → [`ListRow`]
pub(crate) const BY_TIME: u8 = 2;
/// conversation, number of the record → [`MessageRow`]
pub(crate) const MESSAGES: u8 = 3;
/// message → conversation, number
const BY_ID: u8 = 4;
/// parent (or conversation), number → message
const CHILD: u8 = 5;
/// number → message, what happened
const OUTBOX: u8 = 6;
/// Neither pinned nor archived.
pub(crate) const NORMAL: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ConversationRow {
    title: String,
    created_ms: u64,
    updated_ms: u64,
    model: String,
    flags: u8,
    head: Uuid,
    pub(crate) count: u32,
}

/// What the list shows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListRow {
    pub(crate) title: String,
    pub(crate) preview: String,
    pub(crate) model: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MessageRow {
    pub(crate) id: Uuid,
    pub(crate) parent: Option<Uuid>,
    pub(crate) role: u8,
    pub(crate) time_ms: u64,
    pub(crate) model: String,
    pub(crate) tokens: u32,
    pub(crate) cost: u64,
    /// None: it is read from the record, whose number is in the key.
    pub(crate) text: Option<String>,
}

/// Where a message's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// In its row and in its record.
    InRows,
    /// In its record only.
    ByLsn,
}

/// The record of a message.
pub(crate) fn message(message: &Message) -> Result<Record, rmp_serde::encode::Error> {
    Ok(record(MESSAGE, rmp_serde::to_vec_named(message)?))
}

/// The record that the search index has everything from a number to another.
pub(crate) fn indexed(from: u64, to: u64) -> Record {
    record(INDEXED, [from.to_le_bytes(), to.to_le_bytes()].concat())
}

fn record(kind: u16, payload: Vec<u8>) -> Record {
    Record {
        kind,
        version: 1,
        must_understand: false,
        payload,
    }
}

/// Reads a row or a part of one.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    postcard::from_bytes(bytes).map_err(|error| StoreError::ViewDead(error.to_string()))
}

fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    postcard::to_allocvec(row).map_err(|error| StoreError::ViewDead(error.to_string()))
}

fn by_time(updated_ms: u64, conversation: Uuid) -> Vec<u8> {
    [
        &[NORMAL][..],
        &(!updated_ms).to_be_bytes(),
        conversation.as_bytes(),
    ]
    .concat()
}

/// A key that begins with an id and ends with a number.
pub(crate) fn numbered(id: Uuid, number: u64) -> Vec<u8> {
    [&id.as_bytes()[..], &number.to_be_bytes()].concat()
}

/// Folds the bench's records.
#[derive(Debug)]
pub(crate) struct Conversations(pub(crate) Text);

impl Fold for Conversations {
    fn schema(&self) -> u32 {
        match self.0 {
            Text::InRows => 1,
            Text::ByLsn => 2,
        }
    }

    fn fold(&self, frame: &Frame<'_>, rows: &mut dyn RowsMut) -> Result<(), StoreError> {
        let strange = |why: String| StoreError::Record {
            lsn: frame.lsn,
            kind: frame.kind,
            why,
        };
        match frame.kind {
            MESSAGE => {
                let message: Message = rmp_serde::from_slice(frame.payload)
                    .map_err(|error| strange(error.to_string()))?;
                self.message(message, frame.lsn, rows)
            }
            INDEXED => {
                let (from, to) = frame
                    .payload
                    .split_first_chunk::<8>()
                    .and_then(|(from, to)| Some((*from, <[u8; 8]>::try_from(to).ok()?)))
                    .ok_or_else(|| strange("it is cut".to_owned()))?;
                for number in u64::from_le_bytes(from)..=u64::from_le_bytes(to) {
                    rows.remove(OUTBOX, number.to_be_bytes().to_vec());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Conversations {
    fn message(
        &self,
        message: Message,
        lsn: u64,
        rows: &mut dyn RowsMut,
    ) -> Result<(), StoreError> {
        let conversation = message.conversation;
        let key = conversation.as_bytes().to_vec();
        let row = match rows.get(CONVERSATION, &key)? {
            Some(bytes) => {
                let old: ConversationRow = decode(&bytes)?;
                rows.remove(BY_TIME, by_time(old.updated_ms, conversation));
                ConversationRow {
                    updated_ms: message.time_ms,
                    model: message.model.clone(),
                    head: message.id,
                    count: old.count + 1,
                    ..old
                }
            }
            None => ConversationRow {
                title: beginning(&message.text, 40).to_owned(),
                created_ms: message.time_ms,
                updated_ms: message.time_ms,
                model: message.model.clone(),
                flags: 0,
                head: message.id,
                count: 1,
            },
        };
        rows.put(CONVERSATION, key, encode(&row)?);
        let list = ListRow {
            title: row.title,
            preview: beginning(&message.text, 120).to_owned(),
            model: row.model,
        };
        let listed = by_time(message.time_ms, conversation);
        rows.put(BY_TIME, listed, encode(&list)?);
        let id = message.id.as_bytes().to_vec();
        let place = numbered(conversation, lsn);
        rows.put(BY_ID, id.clone(), place.clone());
        let above = message.parent.unwrap_or(conversation);
        rows.put(CHILD, numbered(above, lsn), id.clone());
        rows.put(OUTBOX, lsn.to_be_bytes().to_vec(), [&id[..], &[1]].concat());
        let row = MessageRow {
            id: message.id,
            parent: message.parent,
            role: message.role,
            time_ms: message.time_ms,
            model: message.model,
            tokens: message.tokens,
            cost: message.cost,
            text: (self.0 == Text::InRows).then_some(message.text),
        };
        rows.put(MESSAGES, place, encode(&row)?);
        Ok(())
    }
}
