//! What the records come to as rows of the store: enough to show a list, a page or a branch without
//! reading the rest. Texts are not in the rows; a row names the records that hold them.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | [`CONVERSATION`] | conversation | [`ConversationRow`] |
//! | [`LIST`] | group, time of the last change (newest first), conversation | [`ListRow`] |
//! | [`MESSAGE`] | conversation, number of the record that began it | [`MessageRow`] |
//! | [`MESSAGE_AT`] | message | conversation, number |
//! | [`CHILD`] | conversation, parent (zeroes: none), number | message |
//! | [`OTHER`] | conversation, number | nothing: a record that is of no message |
//! | [`OPEN`] | message | number: an answer that has not ended |
//! | [`DRAFT`] | conversation (empty: the next one) | number |
//! | [`FOLDER`] | folder | the folder |
//! | [`SOURCE`] | app, 0, id | the import |
//! | [`USES`] | BLAKE3 hash, message or conversation | nothing: a blob that is in use |
//! | [`PURGED`] | conversation or message | nothing, or the message's conversation |
//!
//! Numbers are big-endian, ids their 16 bytes. There is no queue for the search index: it reads the journal
//! itself, from the number that it knows last.

mod fold;
mod read;
mod sweep;

pub use fold::ChatFold;
pub use read::{
    Page, blobs_in_use, children, conversation, draft, is_on_branch, list, load, message,
    message_at, open_answers, page, path, place, source,
};
pub use sweep::ChatSweep;

use serde::{Deserialize, Serialize};
use vale_store::{Lsn, StoreError, Table};

use crate::model::{Conversation, ModelName, Role, State};
use crate::record::{Record, RecordError};
use crate::{ConversationId, FolderId, GroupId, MessageId};

/// Conversations.
pub const CONVERSATION: Table = 1;
/// Conversations in the order in which they are shown.
pub const LIST: Table = 2;
/// Messages.
pub const MESSAGE: Table = 3;
/// Where a message is.
pub const MESSAGE_AT: Table = 4;
/// What follows a message.
pub const CHILD: Table = 5;
/// Records of a conversation that are of none of its messages.
pub const OTHER: Table = 6;
/// Answers that have not ended.
pub const OPEN: Table = 7;
/// Drafts.
pub const DRAFT: Table = 8;
/// Folders.
pub const FOLDER: Table = 9;
/// What was imported.
pub const SOURCE: Table = 10;
/// Blobs in use.
pub const USES: Table = 11;
/// What is gone for ever.
pub const PURGED: Table = 12;

/// The shape of the rows; another number makes them anew.
pub const SCHEMA: u32 = 1;

/// Most bytes of a list row's preview.
const PREVIEW: usize = 120;

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConversationRow {
    /// All of it that is no message.
    pub conversation: Conversation,
    /// Messages in it, on all branches.
    pub messages: u64,
    /// The beginning of its newest text.
    pub preview: String,
}

/// Which part of the list a conversation is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListGroup {
    /// On top.
    Pinned,
    /// As usual.
    Recent,
    /// Out of the way.
    Archived,
    /// Deleted, and can come back.
    Deleted,
}

impl ListGroup {
    fn of(conversation: &Conversation) -> Self {
        if conversation.deleted_ms.is_some() {
            Self::Deleted
        } else if conversation.archived {
            Self::Archived
        } else if conversation.pinned {
            Self::Pinned
        } else {
            Self::Recent
        }
    }

    fn byte(self) -> u8 {
        self as u8
    }
}

/// What the list shows of a conversation, without a second read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// Which.
    pub id: ConversationId,
    /// Its title; empty while it has none.
    pub title: String,
    /// The beginning of its newest text.
    pub preview: String,
    /// Last change, milliseconds since 1970.
    pub updated_ms: u64,
    /// Where it lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderId>,
    /// Whom it is with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Messages in it, on all branches.
    pub messages: u64,
}

/// A message without what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Which.
    pub id: MessageId,
    /// What it follows now; it may have been moved.
    pub parent: Option<MessageId>,
    /// Who speaks.
    pub role: Role,
    /// How it is.
    pub state: State,
    /// When it began, milliseconds since 1970.
    pub created_ms: u64,
    /// Answers that are compared.
    pub group: Option<GroupId>,
    /// Who answered.
    pub model: Option<ModelName>,
    /// The branch that begins here is hidden.
    pub hidden: bool,
    /// The records about it after the first, in order.
    pub records: Vec<Lsn>,
    /// Files in it.
    #[serde(with = "serde_bytes_list")]
    pub files: Vec<[u8; 32]>,
}

/// Hashes as bytes, which is half of what hexadecimal digits take.
mod serde_bytes_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        files: &[[u8; 32]],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        files.concat().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<[u8; 32]>, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let hashes = bytes
            .chunks_exact(32)
            .filter_map(|hash| hash.try_into().ok());
        Ok(hashes.collect())
    }
}

/// Records as one command of the store: they count together or not at all.
///
/// # Errors
/// [`RecordError::Unwritable`].
pub fn command(records: &[Record]) -> Result<vale_store::Command, RecordError> {
    let records = records.iter().map(|record| {
        Ok(vale_store::Record {
            kind: record.kind(),
            version: record.version(),
            // A program that does not know what is gone would show it.
            must_understand: matches!(
                record,
                Record::ConversationPurged(_) | Record::MessagesPurged(_)
            ),
            payload: record.encode()?,
        })
    });
    Ok(vale_store::Command {
        records: records.collect::<Result<_, RecordError>>()?,
    })
}

fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(row).map_err(|error| StoreError::ViewDead(error.to_string()))
}

fn decode<'a, T: Deserialize<'a>>(row: &'a [u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(row)
        .map_err(|error| StoreError::ViewDead(format!("a row cannot be read: {error}")))
}

fn message_key(conversation: ConversationId, lsn: Lsn) -> Vec<u8> {
    [&conversation.to_bytes()[..], &lsn.to_be_bytes()].concat()
}

fn child_prefix(conversation: ConversationId, parent: Option<MessageId>) -> Vec<u8> {
    let parent = parent.map_or([0; 16], MessageId::to_bytes);
    [conversation.to_bytes(), parent].concat()
}

fn child_key(conversation: ConversationId, parent: Option<MessageId>, lsn: Lsn) -> Vec<u8> {
    let mut key = child_prefix(conversation, parent);
    key.extend(lsn.to_be_bytes());
    key
}

fn list_key(row: &ConversationRow) -> Vec<u8> {
    let conversation = &row.conversation;
    let mut key = vec![ListGroup::of(conversation).byte()];
    key.extend((!conversation.updated_ms).to_be_bytes());
    key.extend(conversation.id.to_bytes());
    key
}

fn source_key(app: &str, id: &str) -> Vec<u8> {
    [app.as_bytes(), b"\0", id.as_bytes()].concat()
}

fn uses_key(blob: &[u8; 32], owner: [u8; 16]) -> Vec<u8> {
    [&blob[..], &owner].concat()
}

/// The key behind all keys with this beginning.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xFF {
            end.push(last + 1);
            break;
        }
    }
    end
}

/// The number at the end of a key.
fn lsn_of(key: &[u8]) -> Option<Lsn> {
    let (_, lsn) = key.split_last_chunk::<8>()?;
    Some(Lsn::from_be_bytes(*lsn))
}
