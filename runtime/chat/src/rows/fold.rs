//! From records to rows.

use vale_store::{Fold, Frame, Range, RowsMut, StoreError};

use super::{
    CHILD, CONVERSATION, ConversationRow, DRAFT, FOLDER, LIST, ListRow, MESSAGE, MESSAGE_AT,
    MessageRow, OPEN, OTHER, PREVIEW, PURGED, SCHEMA, SOURCE, USES, after, child_key, decode,
    encode, list_key, message_key, source_key, uses_key,
};
use crate::model::{Attachment, Media, Message, Part, ResultPart, State};
use crate::record::{MessageEnded, MessagesPurged, Record, RecordError};
use crate::{ConversationId, MessageId};

/// The fold of conversations. Kinds outside of its range are others'.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChatFold;

/// Kinds of conversations.
const KINDS: std::ops::RangeInclusive<u16> = 0x0101..=0x01FF;

impl Fold for ChatFold {
    fn schema(&self) -> u32 {
        SCHEMA
    }

    fn fold(&self, frame: &Frame<'_>, rows: &mut dyn RowsMut) -> Result<(), StoreError> {
        if !KINDS.contains(&frame.kind) {
            return Ok(());
        }
        // A piece of text is for whoever shows it; the end of the answer holds all of them.
        if frame.kind == crate::record::kind::TEXT_DELTA {
            return Ok(());
        }
        let record = match Record::decode(frame.kind, frame.version, frame.payload) {
            // A newer app's: it said itself whether an older one may go on.
            Err(RecordError::UnknownKind { .. }) => return Ok(()),
            Err(error) => return Err(strange(frame, error.to_string())),
            Ok(record) => record,
        };
        Step { frame, rows }.apply(&record)
    }
}

fn strange(frame: &Frame<'_>, why: impl Into<String>) -> StoreError {
    StoreError::Record {
        lsn: frame.lsn,
        kind: frame.kind,
        why: why.into(),
    }
}

struct Step<'a, 'f> {
    frame: &'a Frame<'f>,
    rows: &'a mut dyn RowsMut,
}

impl Step<'_, '_> {
    fn apply(mut self, record: &Record) -> Result<(), StoreError> {
        let purged =
            |id: [u8; 16], rows: &dyn RowsMut| rows.get(PURGED, &id).map(|found| found.is_some());
        if let Some(id) = record.conversation()
            && purged(id.to_bytes(), self.rows)?
        {
            return Ok(());
        }
        if let Some(id) = record.message()
            && purged(id.to_bytes(), self.rows)?
        {
            return Ok(());
        }
        let lsn = self.frame.lsn;
        match record {
            Record::ConversationCreated(record) => {
                let id = record.conversation.id;
                if self.rows.get(CONVERSATION, &id.to_bytes())?.is_some() {
                    return Err(self.strange("this conversation was begun before"));
                }
                let row = ConversationRow {
                    conversation: record.conversation.clone(),
                    messages: 0,
                    preview: String::new(),
                };
                self.put_conversation(None, &row)?;
                self.rows.put(OTHER, message_key(id, lsn), Vec::new());
            }
            Record::ConversationChanged(change) => {
                self.other(change.conversation, |row| {
                    change.patch.apply(&mut row.conversation)
                })?;
            }
            Record::ConversationDeleted(change) => self.other(change.conversation, |row| {
                row.conversation.deleted_ms = Some(change.at_ms);
            })?,
            Record::ConversationUndeleted(change) => {
                self.other(change.conversation, |row| {
                    row.conversation.deleted_ms = None
                })?;
            }
            Record::LeafChosen(change) => self.other(change.conversation, |row| {
                row.conversation.active_leaf = change.leaf;
            })?,
            Record::MessageAdded(added) => self.insert(added.conversation, &added.message)?,
            Record::AttemptBegan(began) => {
                match &began.placeholder {
                    Some(placeholder) => self.insert(began.conversation, placeholder)?,
                    None => self.about(began.message, |_| {})?,
                }
                self.touch(began.conversation, began.attempt.started_ms, None)?;
            }
            Record::AttemptEnded(ended) => self.about(ended.message, |_| {})?,
            Record::MessageEnded(ended) => self.ended(ended)?,
            Record::BranchPruned(change) => {
                self.flag(change.conversation, change.message, |row| row.hidden = true)?;
            }
            Record::BranchRestored(change) => {
                self.flag(change.conversation, change.message, |row| {
                    row.hidden = false
                })?;
            }
            Record::BranchMoved(change) => {
                self.other(change.conversation, |_| {})?;
                self.hang(change.message, change.parent)?;
            }
            Record::MessagesPurged(purge) => self.purge_messages(purge)?,
            Record::ConversationPurged(purge) => self.purge(purge.conversation)?,
            Record::DraftSaved(draft) => {
                let key = draft_key(draft.conversation);
                self.forget_draft(&key)?;
                self.uses(&draft.attachments, draft_owner(draft.conversation));
                let mut value = lsn.to_be_bytes().to_vec();
                for attachment in &draft.attachments {
                    value.extend(attachment.blake3.as_bytes());
                    value.extend(attachment.text.iter().flat_map(|text| *text.as_bytes()));
                }
                self.rows.put(DRAFT, key, value);
            }
            Record::DraftCleared(draft) => {
                let key = draft_key(draft.conversation);
                self.forget_draft(&key)?;
                self.rows.remove(DRAFT, key);
            }
            Record::FolderCreated(made) => {
                let key = made.folder.id.to_bytes().to_vec();
                if self.rows.get(FOLDER, &key)?.is_none() {
                    self.rows.put(FOLDER, key, encode(&made.folder)?);
                }
            }
            Record::FolderChanged(change) => {
                let key = change.folder.to_bytes().to_vec();
                if let Some(row) = self.rows.get(FOLDER, &key)? {
                    let mut folder = decode(&row)?;
                    change.patch.apply(&mut folder);
                    self.rows.put(FOLDER, key, encode(&folder)?);
                }
            }
            Record::FolderRemoved(change) => {
                self.rows.remove(FOLDER, change.folder.to_bytes().to_vec());
            }
            Record::SourceImported(imported) => {
                let key = source_key(&imported.source.app, &imported.source.id);
                self.rows.put(SOURCE, key, encode(imported)?);
            }
            Record::TextDelta(_) => {}
        }
        Ok(())
    }

    fn strange(&self, why: impl Into<String>) -> StoreError {
        strange(self.frame, why)
    }

    fn conversation(&self, id: ConversationId) -> Result<ConversationRow, StoreError> {
        let row = self.rows.get(CONVERSATION, &id.to_bytes())?;
        let row = row.ok_or_else(|| self.strange(format!("there is no conversation {id}")))?;
        decode(&row)
    }

    /// Writes a conversation's row and its place in the list, where `old` was before.
    fn put_conversation(
        &mut self,
        old: Option<Vec<u8>>,
        row: &ConversationRow,
    ) -> Result<(), StoreError> {
        let key = list_key(row);
        if let Some(old) = old.filter(|old| *old != key) {
            self.rows.remove(LIST, old);
        }
        let conversation = &row.conversation;
        let shown = ListRow {
            id: conversation.id,
            title: conversation.title.clone(),
            preview: row.preview.clone(),
            updated_ms: conversation.updated_ms,
            folder: conversation.folder,
            model: conversation.model.clone(),
            messages: row.messages,
        };
        self.rows.put(LIST, key, encode(&shown)?);
        let id = conversation.id.to_bytes().to_vec();
        self.rows.put(CONVERSATION, id, encode(row)?);
        Ok(())
    }

    fn change(
        &mut self,
        id: ConversationId,
        change: impl FnOnce(&mut ConversationRow),
    ) -> Result<(), StoreError> {
        let mut row = self.conversation(id)?;
        let old = list_key(&row);
        change(&mut row);
        self.put_conversation(Some(old), &row)
    }

    /// A record that changes the conversation and no message.
    fn other(
        &mut self,
        id: ConversationId,
        change: impl FnOnce(&mut ConversationRow),
    ) -> Result<(), StoreError> {
        self.change(id, change)?;
        let key = message_key(id, self.frame.lsn);
        self.rows.put(OTHER, key, Vec::new());
        Ok(())
    }

    fn touch(
        &mut self,
        id: ConversationId,
        at_ms: u64,
        preview: Option<String>,
    ) -> Result<(), StoreError> {
        self.change(id, |row| {
            let conversation = &mut row.conversation;
            conversation.updated_ms = conversation.updated_ms.max(at_ms);
            if let Some(preview) = preview {
                row.preview = preview;
            }
        })
    }

    fn insert(&mut self, id: ConversationId, message: &Message) -> Result<(), StoreError> {
        let key = message.id.to_bytes().to_vec();
        if self.rows.get(MESSAGE_AT, &key)?.is_some() {
            return Err(self.strange("this message came before"));
        }
        let lsn = self.frame.lsn;
        let files = files(&message.parts);
        let row = MessageRow {
            id: message.id,
            parent: message.parent,
            role: message.role.clone(),
            state: message.state.clone(),
            created_ms: message.created_ms,
            group: message.group,
            model: message.model.clone(),
            hidden: false,
            records: Vec::new(),
            files: files.iter().map(|file| *file.blake3.as_bytes()).collect(),
        };
        self.uses(&files, message.id.to_bytes());
        let preview = preview(&message.parts);
        self.change(id, |row| {
            row.messages += 1;
            let conversation = &mut row.conversation;
            conversation.updated_ms = conversation.updated_ms.max(message.created_ms);
            if let Some(preview) = preview {
                row.preview = preview;
            }
        })?;
        self.rows.put(MESSAGE, message_key(id, lsn), encode(&row)?);
        self.rows.put(MESSAGE_AT, key.clone(), message_key(id, lsn));
        self.rows
            .put(CHILD, child_key(id, row.parent, lsn), key.clone());
        if message.state == State::Streaming {
            self.rows.put(OPEN, key, lsn.to_be_bytes().to_vec());
        }
        Ok(())
    }

    /// The row of a message and its key.
    fn message(&self, id: MessageId) -> Result<(Vec<u8>, MessageRow), StoreError> {
        let missing = || self.strange(format!("there is no message {id}"));
        let key = self
            .rows
            .get(MESSAGE_AT, &id.to_bytes())?
            .ok_or_else(missing)?;
        let row = self.rows.get(MESSAGE, &key)?.ok_or_else(missing)?;
        Ok((key, decode(&row)?))
    }

    /// A record about a message.
    fn about(
        &mut self,
        id: MessageId,
        change: impl FnOnce(&mut MessageRow),
    ) -> Result<(), StoreError> {
        let (key, mut row) = self.message(id)?;
        row.records.push(self.frame.lsn);
        change(&mut row);
        self.rows.put(MESSAGE, key, encode(&row)?);
        Ok(())
    }

    /// A message that was purged is not there any more, and what was done to it still stands.
    fn flag(
        &mut self,
        conversation: ConversationId,
        message: MessageId,
        change: impl FnOnce(&mut MessageRow),
    ) -> Result<(), StoreError> {
        if self.rows.get(MESSAGE_AT, &message.to_bytes())?.is_some() {
            let (key, mut row) = self.message(message)?;
            change(&mut row);
            self.rows.put(MESSAGE, key, encode(&row)?);
        }
        self.other(conversation, |_| {})
    }

    fn ended(&mut self, ended: &MessageEnded) -> Result<(), StoreError> {
        let (_, before) = self.message(ended.message)?;
        if before.state != State::Streaming {
            return Err(self.strange("this message has ended before"));
        }
        let owner = ended.message.to_bytes();
        for old in &before.files {
            self.rows.remove(USES, uses_key(old, owner));
        }
        let files = files(&ended.parts);
        self.uses(&files, owner);
        self.about(ended.message, |row| {
            row.state = match &ended.state {
                // What ended does not go on.
                State::Streaming => State::Interrupted,
                state => state.clone(),
            };
            row.files = files.iter().map(|file| *file.blake3.as_bytes()).collect();
            if ended.model.is_some() {
                row.model.clone_from(&ended.model);
            }
        })?;
        self.rows.remove(OPEN, owner.to_vec());
        self.touch(ended.conversation, ended.at_ms, preview(&ended.parts))
    }

    /// Hangs a message below another one.
    fn hang(&mut self, message: MessageId, parent: Option<MessageId>) -> Result<(), StoreError> {
        if self.rows.get(MESSAGE_AT, &message.to_bytes())?.is_none() {
            return Ok(());
        }
        let (key, mut row) = self.message(message)?;
        let (Some(conversation), Some(lsn)) = (conversation_of(&key), super::lsn_of(&key)) else {
            return Err(self.strange("the place of a message makes no sense"));
        };
        let old = child_key(conversation, row.parent, lsn);
        self.rows.remove(CHILD, old);
        row.parent = parent;
        let id = message.to_bytes().to_vec();
        self.rows
            .put(CHILD, child_key(conversation, parent, lsn), id);
        self.rows.put(MESSAGE, key, encode(&row)?);
        Ok(())
    }

    fn purge_messages(&mut self, purge: &MessagesPurged) -> Result<(), StoreError> {
        let mut gone = 0;
        for id in &purge.messages {
            if self.rows.get(MESSAGE_AT, &id.to_bytes())?.is_some() {
                let (key, row) = self.message(*id)?;
                self.drop_message(purge.conversation, &key, &row);
                gone += 1;
            }
            let of = purge.conversation.to_bytes().to_vec();
            self.rows.put(PURGED, id.to_bytes().to_vec(), of);
        }
        for moved in &purge.moved {
            self.hang(moved.message, moved.parent)?;
        }
        self.other(purge.conversation, |row| {
            row.messages = row.messages.saturating_sub(gone);
            row.conversation.updated_ms = purge.at_ms;
            // It may be of what went.
            row.preview.clear();
        })
    }

    fn drop_message(&mut self, conversation: ConversationId, key: &[u8], row: &MessageRow) {
        let id = row.id.to_bytes();
        for file in &row.files {
            self.rows.remove(USES, uses_key(file, id));
        }
        if let Some(lsn) = super::lsn_of(key) {
            self.rows
                .remove(CHILD, child_key(conversation, row.parent, lsn));
        }
        self.rows.remove(OPEN, id.to_vec());
        self.rows.remove(MESSAGE_AT, id.to_vec());
        self.rows.remove(MESSAGE, key.to_vec());
    }

    fn purge(&mut self, id: ConversationId) -> Result<(), StoreError> {
        let prefix = id.to_bytes();
        let end = after(&prefix);
        for (key, row) in self.rows.range(Range::between(MESSAGE, &prefix, &end))? {
            let row: MessageRow = decode(&row)?;
            self.drop_message(id, &key, &row);
        }
        for (key, _) in self.rows.range(Range::between(OTHER, &prefix, &end))? {
            self.rows.remove(OTHER, key);
        }
        if let Some(row) = self.rows.get(CONVERSATION, &prefix)? {
            let row: ConversationRow = decode(&row)?;
            self.rows.remove(LIST, list_key(&row));
            self.rows.remove(CONVERSATION, prefix.to_vec());
        }
        self.forget_draft(&prefix)?;
        self.rows.remove(DRAFT, prefix.to_vec());
        for (key, row) in self.rows.range(Range::all(SOURCE))? {
            let imported: crate::record::SourceImported = decode(&row)?;
            if imported.conversation == id {
                self.rows.remove(SOURCE, key);
            }
        }
        // Its mark stands for those of its messages.
        for (key, of) in self.rows.range(Range::all(PURGED))? {
            if of == prefix {
                self.rows.remove(PURGED, key);
            }
        }
        self.rows.put(PURGED, prefix.to_vec(), Vec::new());
        Ok(())
    }

    /// What a draft holds is not in use any more.
    fn forget_draft(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let Some(old) = self.rows.get(DRAFT, key)? else {
            return Ok(());
        };
        let owner = key.try_into().unwrap_or([0; 16]);
        for hash in old.get(8..).unwrap_or_default().chunks_exact(32) {
            if let Ok(hash) = hash.try_into() {
                self.rows.remove(USES, uses_key(hash, owner));
            }
        }
        Ok(())
    }

    fn uses(&mut self, files: &[Attachment], owner: [u8; 16]) {
        for file in files {
            let key = uses_key(file.blake3.as_bytes(), owner);
            self.rows.put(USES, key, Vec::new());
            if let Some(text) = file.text {
                self.rows
                    .put(USES, uses_key(text.as_bytes(), owner), Vec::new());
            }
        }
    }
}

fn draft_key(conversation: Option<ConversationId>) -> Vec<u8> {
    conversation.map_or(Vec::new(), |id| id.to_bytes().to_vec())
}

fn draft_owner(conversation: Option<ConversationId>) -> [u8; 16] {
    conversation.map_or([0; 16], ConversationId::to_bytes)
}

fn conversation_of(key: &[u8]) -> Option<ConversationId> {
    let (id, _) = key.split_first_chunk::<16>()?;
    Some(ConversationId::from_bytes(*id))
}

/// Every file that parts name, and the text that was taken out of it.
fn files(parts: &[Part]) -> Vec<Attachment> {
    fn of_media(media: &Media) -> Option<&Attachment> {
        match media {
            Media::Stored(file) => Some(file),
            _ => None,
        }
    }
    let mut found = Vec::new();
    for part in parts {
        match part {
            Part::LongText(file) => found.push(file.clone()),
            Part::Image(media) | Part::File(media) | Part::Audio(media) => {
                found.extend(of_media(media).cloned());
            }
            Part::ToolResult(result) => {
                for part in &result.content {
                    if let ResultPart::Image(media) | ResultPart::File(media) = part {
                        found.extend(of_media(media).cloned());
                    }
                }
            }
            _ => {}
        }
    }
    // The text of a file is a blob of its own.
    let texts: Vec<_> = found
        .iter()
        .filter_map(|file| {
            Some(Attachment {
                blake3: file.text?,
                media_type: "text/plain".to_owned(),
                name: None,
                size: 0,
                text: None,
            })
        })
        .collect();
    found.extend(texts);
    found
}

/// The beginning of the text of a message, on one line.
fn preview(parts: &[Part]) -> Option<String> {
    let text = parts.iter().find_map(|part| match part {
        Part::Text(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    })?;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() >= PREVIEW {
            break;
        }
    }
    let mut end = line.len().min(PREVIEW);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    Some(line)
}
