//! From the journal to what the index is told.

use vale_chat::model::{Media, Message, Part};
use vale_chat::record::{Record, kind};
use vale_chat::rows;
use vale_chat::{ConversationId, MessageId};
use vale_search::{Change, Doc};
use vale_store::{Frame, Lsn, Store, StoreError};

/// What the journal holds for the index behind a number.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// The changes, each with the record that it comes from.
    pub(super) changes: Vec<(Lsn, Change)>,
    /// The last record that was looked at.
    pub(super) through: Lsn,
}

/// Reads on behind `after`, until there are `most` changes or nothing more.
///
/// # Errors
/// When the journal or the view cannot be read; while the view is made again there is nothing to tell.
pub(super) fn feed(store: &Store, after: Lsn, most: usize) -> Result<Fed, StoreError> {
    let mut fed = Fed {
        changes: Vec::new(),
        through: after,
    };
    // A message is told from its rows: a record whose rows are still to come would be told without it.
    let until = store.applied()?;
    store.journal().each(after + 1, &mut |frame| {
        if frame.lsn > until {
            return Ok(false);
        }
        if let Some(record) = told(frame) {
            changes(store, frame.lsn, record, &mut fed.changes)?;
        }
        fed.through = frame.lsn;
        Ok(fed.changes.len() < most)
    })?;
    Ok(fed)
}

/// The records that say something of texts.
fn told(frame: &Frame<'_>) -> Option<Record> {
    let is_told = matches!(
        frame.kind,
        kind::MESSAGE_ADDED
            | kind::MESSAGE_ENDED
            | kind::MESSAGES_PURGED
            | kind::CONVERSATION_PURGED
    );
    let record = is_told.then(|| Record::decode(frame.kind, frame.version, frame.payload));
    // What this app cannot read it cannot show either.
    record?.ok()
}

fn changes(
    store: &Store,
    lsn: Lsn,
    record: Record,
    changes: &mut Vec<(Lsn, Change)>,
) -> Result<(), StoreError> {
    match record {
        Record::MessageAdded(added) => {
            let doc = doc(store, lsn, added.conversation, &added.message)?;
            changes.extend(doc.map(|doc| (lsn, Change::Put(doc))));
        }
        Record::MessageEnded(ended) => {
            let put = ended_doc(store, ended.message)?;
            changes.extend(put.map(|doc| (lsn, Change::Put(doc))));
        }
        Record::ConversationPurged(purge) => {
            let key = purge.conversation.to_bytes();
            changes.push((lsn, Change::RemoveConversation(key)));
        }
        Record::MessagesPurged(purge) => {
            // Their numbers are gone with them: the conversation is told anew.
            let key = purge.conversation.to_bytes();
            changes.push((lsn, Change::RemoveConversation(key)));
            let tree = rows::load(store, purge.conversation)?;
            for message in tree.iter().flat_map(|tree| tree.messages()) {
                let put = ended_doc(store, message.id)?;
                changes.extend(put.map(|doc| (lsn, Change::Put(doc))));
            }
        }
        _ => {}
    }
    Ok(())
}

/// A message by its id, as it is now.
fn ended_doc(store: &Store, id: MessageId) -> Result<Option<Doc>, StoreError> {
    let begun = store.read(|rows| rows::place(rows, id))?;
    let Some((conversation, lsn)) = begun else {
        return Ok(None);
    };
    match rows::message(store, id)? {
        Some((_, message)) => doc(store, lsn, conversation, &message),
        None => Ok(None),
    }
}

/// None when there are no words in it.
fn doc(
    store: &Store,
    ord: Lsn,
    conversation: ConversationId,
    message: &Message,
) -> Result<Option<Doc>, StoreError> {
    let text = text(store, message)?;
    if text.is_empty() {
        return Ok(None);
    }
    let model = message.model.as_ref();
    Ok(Some(Doc {
        ord,
        conversation: conversation.to_bytes(),
        time_ms: message.created_ms,
        role: message.role.as_str().to_owned(),
        provider: model.map(|model| model.provider.clone()),
        model: model.map(|model| model.model.clone()),
        has_attachment: message.parts.iter().any(is_attachment),
        text,
    }))
}

fn is_attachment(part: &Part) -> bool {
    matches!(part, Part::Image(_) | Part::File(_) | Part::Audio(_))
}

/// All words of a message: its text, the names of its files, and the text that was taken out of them.
pub(super) fn text(store: &Store, message: &Message) -> Result<String, StoreError> {
    let mut text = String::new();
    let mut add = |more: &str| {
        if !text.is_empty() && !more.is_empty() {
            text.push('\n');
        }
        text.push_str(more);
    };
    for part in &message.parts {
        match part {
            Part::Text(words) => add(words),
            Part::LongText(file) => add(&blob_text(store, file.blake3.as_bytes())?),
            Part::Image(Media::Stored(file))
            | Part::File(Media::Stored(file))
            | Part::Audio(Media::Stored(file)) => {
                add(file.name.as_deref().unwrap_or_default());
                if let Some(words) = &file.text {
                    add(&blob_text(store, words.as_bytes())?);
                }
            }
            _ => {}
        }
    }
    Ok(text)
}

/// A text that is a blob; nothing when it is damaged, which the store's check tells.
fn blob_text(store: &Store, hash: &[u8; 32]) -> Result<String, StoreError> {
    match store.blobs().get(vale_store::BlobHash::from_bytes(*hash)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(StoreError::Damaged(_)) => Ok(String::new()),
        Err(error) => Err(error),
    }
}
