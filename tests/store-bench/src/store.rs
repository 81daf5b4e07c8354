//! Our store as an engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use vale_store::{Command, OwnedFrame, Range, Store, StoreOptions, ViewState};

use crate::Result;
use crate::data::Message;
use crate::engine::Engine;
use crate::fold::{self, ConversationRow, Conversations, ListRow, MessageRow, Text};

pub(crate) struct OurStore {
    pub(crate) store: Store,
    /// The numbers of the last group.
    group: Option<(u64, u64)>,
}

impl OurStore {
    /// Opens it and waits for its view.
    pub(crate) fn open(folder: &Path, text: Text, rebuild: bool) -> Result<Self> {
        let options = StoreOptions {
            rebuild,
            ..StoreOptions::default()
        };
        let opened = Store::open(folder, options, Arc::new(Conversations(text)))?;
        let store = opened.store;
        if let Some(why) = opened.read_only {
            return Err(why.into());
        }
        loop {
            match store.view() {
                ViewState::Ready => break,
                ViewState::Rebuilding(_) => std::thread::sleep(Duration::from_millis(2)),
                ViewState::Dead => return Err("the view is dead".into()),
            }
        }
        Ok(Self { store, group: None })
    }
}

fn number(key: &[u8]) -> u64 {
    let bytes = key.last_chunk::<8>();
    u64::from_be_bytes(bytes.copied().unwrap_or_default())
}

fn text(frame: &OwnedFrame) -> Result<String> {
    let message: Message = rmp_serde::from_slice(&frame.payload)?;
    Ok(message.text)
}

impl Engine for OurStore {
    fn append(&self, message: Message) -> Result<()> {
        let record = fold::message(&message)?;
        self.store.commit_blocking(Command::from(record))?;
        Ok(())
    }

    fn append_group(&mut self, messages: Vec<Message>) -> Result<()> {
        let count = messages.len() as u64;
        let mut command = Command::default();
        if let Some((from, to)) = self.group {
            command.records.push(fold::indexed(from, to));
        }
        for message in &messages {
            command.records.push(fold::message(message)?);
        }
        let last = self.store.commit_blocking(command)?;
        self.group = Some((last + 1 - count, last));
        Ok(())
    }

    fn last(&self, conversation: Uuid, most: usize) -> Result<usize> {
        let from = fold::numbered(conversation, 0);
        let to = fold::numbered(conversation, u64::MAX);
        let range = Range::between(fold::MESSAGES, &from, &to);
        let rows = self
            .store
            .read(|rows| rows.range(range.reversed().limit(most)))?;
        if rows.len() < most {
            return Err(format!("only {} messages were found", rows.len()).into());
        }
        let mut bytes = 0;
        for (key, row) in rows {
            let row: MessageRow = fold::decode(&row)?;
            bytes += match row.text {
                Some(text) => text.len(),
                None => text(&self.store.frame(number(&key))?)?.len(),
            };
        }
        Ok(bytes)
    }

    fn first_page(&self, most: usize) -> Result<usize> {
        let range = Range::between(fold::BY_TIME, &[fold::NORMAL], &[fold::NORMAL + 1]);
        let rows = self.store.read(|rows| rows.range(range.limit(most)))?;
        let mut count = 0;
        for (_, row) in rows {
            let row: ListRow = fold::decode(&row)?;
            count += usize::from(!row.title.is_empty() && row.preview.len() <= 120);
        }
        Ok(count)
    }

    fn count(&self, conversation: Uuid) -> Result<u64> {
        let row = self
            .store
            .read(|rows| rows.get(fold::CONVERSATION, conversation.as_bytes()))?;
        let row: ConversationRow = fold::decode(&row.ok_or("there is no such conversation")?)?;
        Ok(u64::from(row.count))
    }

    fn close(self: Box<Self>) -> Result<()> {
        // As after an import: without a limit of time.
        self.store.flush_view()?;
        self.store.close();
        Ok(())
    }
}
