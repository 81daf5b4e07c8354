//! Asking the rows, and the journal for what they name.

use std::collections::BTreeSet;
use std::ops::Bound;

use vale_store::{Frame, Lsn, OwnedFrame, Range, Rows, Store, StoreError};

use super::{
    CHILD, CONVERSATION, ConversationRow, DRAFT, LIST, ListGroup, ListRow, MESSAGE, MESSAGE_AT,
    MessageRow, OPEN, OTHER, SOURCE, USES, after, child_prefix, decode, lsn_of, message_key,
    source_key,
};
use crate::model::{Message, SourceRef};
use crate::record::{DraftSaved, Record, SourceImported, kind};
use crate::{ConversationId, MessageId, Tree};

/// A conversation without its messages; none when it is not there.
///
/// # Errors
/// When the view cannot be read.
pub fn conversation(
    rows: &dyn Rows,
    id: ConversationId,
) -> Result<Option<ConversationRow>, StoreError> {
    let row = rows.get(CONVERSATION, &id.to_bytes())?;
    row.map(|row| decode(&row)).transpose()
}

/// A part of the list, newest change first, beginning behind `behind`.
///
/// # Errors
/// When the view cannot be read.
pub fn list(
    rows: &dyn Rows,
    group: ListGroup,
    behind: Option<&ListRow>,
    limit: usize,
) -> Result<Vec<ListRow>, StoreError> {
    let start = match behind {
        Some(row) => {
            let mut key = vec![group as u8];
            key.extend((!row.updated_ms).to_be_bytes());
            key.extend(row.id.to_bytes());
            key
        }
        None => vec![group as u8],
    };
    let end = [group as u8 + 1];
    let range = Range {
        from: Bound::Excluded(&start),
        ..Range::between(LIST, &start, &end).limit(limit)
    };
    let found = rows.range(range)?;
    found.iter().map(|(_, row)| decode(row)).collect()
}

/// What follows a message, or begins the conversation, oldest first.
///
/// # Errors
/// When the view cannot be read.
pub fn children(
    rows: &dyn Rows,
    conversation: ConversationId,
    parent: Option<MessageId>,
) -> Result<Vec<MessageId>, StoreError> {
    let prefix = child_prefix(conversation, parent);
    let end = after(&prefix);
    let found = rows.range(Range::between(CHILD, &prefix, &end))?;
    let ids = found
        .iter()
        .filter_map(|(_, id)| id.as_slice().try_into().ok());
    Ok(ids.map(MessageId::from_bytes).collect())
}

/// The row of a message and the number of the record that began it.
fn row(rows: &dyn Rows, id: MessageId) -> Result<Option<(Lsn, MessageRow)>, StoreError> {
    let Some(key) = rows.get(MESSAGE_AT, &id.to_bytes())? else {
        return Ok(None);
    };
    let Some(row) = rows.get(MESSAGE, &key)? else {
        return Ok(None);
    };
    Ok(lsn_of(&key).zip(Some(decode(&row)?)))
}

/// The conversation of a message, and the number of the record that began it; none when it is not there.
///
/// # Errors
/// When the view cannot be read.
pub fn place(rows: &dyn Rows, id: MessageId) -> Result<Option<(ConversationId, Lsn)>, StoreError> {
    let key = rows.get(MESSAGE_AT, &id.to_bytes())?;
    let place = key.as_deref().and_then(|key| {
        let (conversation, _) = key.split_first_chunk::<16>()?;
        Some((ConversationId::from_bytes(*conversation), lsn_of(key)?))
    });
    Ok(place)
}

/// The message that this record began; none when it is not there.
///
/// # Errors
/// When the view cannot be read.
pub fn message_at(
    rows: &dyn Rows,
    conversation: ConversationId,
    lsn: Lsn,
) -> Result<Option<MessageRow>, StoreError> {
    let row = rows.get(MESSAGE, &message_key(conversation, lsn))?;
    row.map(|row| decode(&row)).transpose()
}

/// Whether a message is on the branch that ends with `leaf`.
///
/// # Errors
/// When the view cannot be read.
pub fn is_on_branch(
    rows: &dyn Rows,
    leaf: MessageId,
    message: MessageId,
) -> Result<bool, StoreError> {
    let mut met = BTreeSet::new();
    let mut next = Some(leaf);
    while let Some(id) = next.filter(|id| met.insert(*id)) {
        if id == message {
            return Ok(true);
        }
        next = row(rows, id)?.and_then(|(_, row)| row.parent);
    }
    Ok(false)
}

/// The branch that ends with `leaf`: at most `limit` messages of it, oldest first.
///
/// # Errors
/// When the view cannot be read.
pub fn path(
    rows: &dyn Rows,
    leaf: MessageId,
    limit: usize,
) -> Result<Vec<(Lsn, MessageRow)>, StoreError> {
    let mut found: Vec<(Lsn, MessageRow)> = Vec::new();
    let mut met = BTreeSet::new();
    let mut next = Some(leaf);
    while let Some(id) = next.filter(|id| found.len() < limit && met.insert(*id)) {
        let Some((lsn, row)) = row(rows, id)? else {
            break;
        };
        next = row.parent;
        found.push((lsn, row));
    }
    found.reverse();
    Ok(found)
}

/// A screen of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Its messages, oldest first, each with how many versions its turn has and which one it is, from 1.
    pub messages: Vec<(Message, usize, usize)>,
    /// What stands before the first of them.
    pub before: Option<MessageId>,
}

/// The last `limit` messages of the branch that ends with `leaf`.
///
/// # Errors
/// When the view or the journal cannot be read.
pub fn page(
    store: &Store,
    conversation: ConversationId,
    leaf: MessageId,
    limit: usize,
) -> Result<Page, StoreError> {
    // The rows are of one moment; the records that they name never change.
    let (rows, places) = store.read(|rows| {
        let found = path(rows, leaf, limit)?;
        let mut places = Vec::with_capacity(found.len());
        for (_, row) in &found {
            let versions = children(rows, conversation, row.parent)?;
            let at = versions.iter().position(|id| *id == row.id);
            places.push((versions.len().max(1), at.map_or(1, |at| at + 1)));
        }
        Ok((found, places))
    })?;
    let before = rows.first().and_then(|(_, row)| row.parent);
    let mut messages = Vec::with_capacity(rows.len());
    for ((lsn, row), (versions, at)) in rows.into_iter().zip(places) {
        messages.push((content(store, conversation, lsn, &row)?, versions, at));
    }
    Ok(Page { messages, before })
}

/// One message with what is in it; none when it is not there.
///
/// # Errors
/// When the view or the journal cannot be read.
pub fn message(
    store: &Store,
    id: MessageId,
) -> Result<Option<(ConversationId, Message)>, StoreError> {
    let found = store.read(|rows| {
        let key = rows.get(MESSAGE_AT, &id.to_bytes())?;
        let conversation = key.as_deref().and_then(|key| key.split_first_chunk::<16>());
        let conversation = conversation.map(|(id, _)| ConversationId::from_bytes(*id));
        Ok(conversation.zip(row(rows, id)?))
    })?;
    let Some((conversation, (lsn, row))) = found else {
        return Ok(None);
    };
    Ok(Some((
        conversation,
        content(store, conversation, lsn, &row)?,
    )))
}

/// A message as its records say.
fn content(
    store: &Store,
    conversation: ConversationId,
    lsn: Lsn,
    row: &MessageRow,
) -> Result<Message, StoreError> {
    let mut records = vec![record(&store.frame(lsn)?)?];
    for lsn in &row.records {
        records.push(record(&store.frame(*lsn)?)?);
    }
    let only = crate::model::Conversation::new(conversation, 0);
    let tree = Tree::from_records(only, &records);
    let mut message = tree
        .message(row.id)
        .cloned()
        .ok_or_else(|| StoreError::Record {
            lsn,
            kind: kind::MESSAGE_ADDED,
            why: format!("it does not hold message {}", row.id),
        })?;
    // It may hang elsewhere by now.
    message.parent = row.parent;
    Ok(message)
}

fn record(frame: &OwnedFrame) -> Result<Record, StoreError> {
    read_record(&frame.as_frame())
}

fn read_record(frame: &Frame<'_>) -> Result<Record, StoreError> {
    Record::decode(frame.kind, frame.version, frame.payload).map_err(|error| StoreError::Record {
        lsn: frame.lsn,
        kind: frame.kind,
        why: error.to_string(),
    })
}

/// A whole conversation as a tree; none when it is not there. Answers that have not ended hold what had
/// come of them.
///
/// # Errors
/// When the view or the journal cannot be read.
pub fn load(store: &Store, id: ConversationId) -> Result<Option<Tree>, StoreError> {
    let prefix = id.to_bytes();
    let end = after(&prefix);
    let (begun, mut numbers, open) = store.read(|rows| {
        let mut numbers = BTreeSet::new();
        let mut open: Option<Lsn> = None;
        let others = rows.range(Range::between(OTHER, &prefix, &end))?;
        numbers.extend(others.iter().filter_map(|(key, _)| lsn_of(key)));
        for (key, row) in rows.range(Range::between(MESSAGE, &prefix, &end))? {
            let row: MessageRow = decode(&row)?;
            let lsn = lsn_of(&key).unwrap_or_default();
            if rows.get(OPEN, &row.id.to_bytes())?.is_some() {
                open = Some(open.map_or(lsn, |open| open.min(lsn)));
            }
            numbers.insert(lsn);
            numbers.extend(row.records);
        }
        Ok((rows.get(CONVERSATION, &prefix)?.is_some(), numbers, open))
    })?;
    let Some(first) = numbers.pop_first().filter(|_| begun) else {
        return Ok(None);
    };
    let Record::ConversationCreated(created) = record(&store.frame(first)?)? else {
        return Ok(None);
    };
    let mut records = Vec::with_capacity(numbers.len());
    for lsn in numbers {
        records.push((lsn, record(&store.frame(lsn)?)?));
    }
    if let Some(from) = open {
        store.journal().each(from, &mut |frame| {
            if frame.kind == kind::TEXT_DELTA
                && let Ok(delta @ Record::TextDelta(_)) = read_record(frame)
                && delta.conversation() == Some(id)
            {
                records.push((frame.lsn, delta));
            }
            Ok(true)
        })?;
        records.sort_by_key(|(lsn, _)| *lsn);
    }
    let records = records.iter().map(|(_, record)| record);
    Ok(Some(Tree::from_records(created.conversation, records)))
}

/// Every conversation in which an answer has not ended: after a start, those that were interrupted.
///
/// # Errors
/// When the view cannot be read.
pub fn open_answers(rows: &dyn Rows) -> Result<BTreeSet<ConversationId>, StoreError> {
    let mut found = BTreeSet::new();
    for (message, _) in rows.range(Range::all(OPEN))? {
        if let Some(key) = rows.get(MESSAGE_AT, &message)?
            && let Some((id, _)) = key.split_first_chunk::<16>()
        {
            found.insert(ConversationId::from_bytes(*id));
        }
    }
    Ok(found)
}

/// What is being written in a conversation, or for the next one.
///
/// # Errors
/// When the view or the journal cannot be read.
pub fn draft(store: &Store, of: Option<ConversationId>) -> Result<Option<DraftSaved>, StoreError> {
    let key = of.map_or(Vec::new(), |id| id.to_bytes().to_vec());
    let row = store.read(|rows| rows.get(DRAFT, &key))?;
    let lsn = row
        .as_deref()
        .and_then(|row| row.first_chunk::<8>().copied());
    let Some(lsn) = lsn.map(u64::from_be_bytes) else {
        return Ok(None);
    };
    match record(&store.frame(lsn)?)? {
        Record::DraftSaved(draft) => Ok(Some(draft)),
        _ => Ok(None),
    }
}

/// What was imported from another app's conversation; none when it was not.
///
/// # Errors
/// When the view cannot be read.
pub fn source(rows: &dyn Rows, of: &SourceRef) -> Result<Option<SourceImported>, StoreError> {
    let row = rows.get(SOURCE, &source_key(&of.app, &of.id))?;
    row.map(|row| decode(&row)).transpose()
}

/// Every blob that a message or a draft names.
///
/// # Errors
/// When the view cannot be read.
pub fn blobs_in_use(rows: &dyn Rows) -> Result<BTreeSet<vale_store::BlobHash>, StoreError> {
    let found = rows.range(Range::all(USES))?;
    let hashes = found
        .iter()
        .filter_map(|(key, _)| key.first_chunk::<32>().copied());
    Ok(hashes.map(vale_store::BlobHash::from_bytes).collect())
}
