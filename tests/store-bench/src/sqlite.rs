//! SQLite as an engine: write-ahead log, a sync with every commit, the same cache as the view has.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::Result;
use crate::data::{Message, beginning};
use crate::engine::Engine;

/// The same tables and indexes as the store's. Messages in the order of their writing, which makes
/// SQLite smaller and faster than clustered by conversation.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS conversation (
        id BLOB PRIMARY KEY, title TEXT, preview TEXT, created INTEGER, updated INTEGER, model TEXT,
        flags INTEGER, head BLOB, count INTEGER, section INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_time ON conversation (section, updated DESC);
    CREATE TABLE IF NOT EXISTS message (
        number INTEGER PRIMARY KEY, id BLOB UNIQUE, conversation BLOB, parent BLOB, role INTEGER,
        time INTEGER, model TEXT, tokens INTEGER, cost INTEGER, text TEXT
    );
    CREATE INDEX IF NOT EXISTS of_conversation ON message (conversation);
    CREATE INDEX IF NOT EXISTS child ON message (parent);
    CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY, message BLOB, operation INTEGER);
";

pub(crate) struct Sqlite {
    connection: Mutex<Connection>,
    /// The last number of the last group.
    group: i64,
}

/// What SQLite can hold.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn insert(connection: &Connection, message: &Message) -> Result<i64> {
    let text = message.text.as_str();
    let (id, conversation) = (message.id.as_bytes(), message.conversation.as_bytes());
    connection
        .prepare_cached(
            "INSERT INTO conversation VALUES (?1, ?2, ?3, ?4, ?4, ?5, 0, ?6, 1, 1)
             ON CONFLICT (id) DO UPDATE SET preview = excluded.preview, updated = excluded.updated,
                model = excluded.model, head = excluded.head, count = count + 1",
        )?
        .execute(params![
            conversation,
            beginning(text, 40),
            beginning(text, 120),
            integer(message.time_ms),
            message.model,
            id
        ])?;
    let above = message.parent.unwrap_or(message.conversation);
    connection
        .prepare_cached("INSERT INTO message VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            id,
            conversation,
            above.as_bytes(),
            message.role,
            integer(message.time_ms),
            message.model,
            message.tokens,
            integer(message.cost),
            text
        ])?;
    let number = connection.last_insert_rowid();
    connection
        .prepare_cached("INSERT INTO outbox VALUES (?1, ?2, 1)")?
        .execute(params![number, id])?;
    Ok(number)
}

impl Sqlite {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let connection = Connection::open(folder.join("store.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self {
            connection: Mutex::new(connection),
            group: 0,
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes messages in one transaction.
    pub(crate) fn append_all<'a>(
        &self,
        messages: impl IntoIterator<Item = &'a Message>,
    ) -> Result<i64> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let mut last = 0;
        for message in messages {
            last = insert(&transaction, message)?;
        }
        transaction.commit()?;
        Ok(last)
    }
}

impl Engine for Sqlite {
    fn append(&self, message: Message) -> Result<()> {
        self.append_all([&message])?;
        Ok(())
    }

    fn append_group(&mut self, messages: Vec<Message>) -> Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        transaction
            .prepare_cached("DELETE FROM outbox WHERE number <= ?1")?
            .execute([self.group])?;
        let mut last = 0;
        for message in &messages {
            last = insert(&transaction, message)?;
        }
        transaction.commit()?;
        drop(connection);
        self.group = last;
        Ok(())
    }

    fn last(&self, conversation: Uuid, most: usize) -> Result<usize> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT number, id, parent, role, time, model, tokens, cost, text FROM message
             WHERE conversation = ?1 ORDER BY number DESC LIMIT ?2",
        )?;
        let mut rows = query.query(params![conversation.as_bytes(), integer(most as u64)])?;
        let (mut bytes, mut count) = (0, 0);
        while let Some(row) = rows.next()? {
            let _: (i64, [u8; 16], [u8; 16]) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let _: (u8, i64, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
            let _: (i64, i64) = (row.get(6)?, row.get(7)?);
            bytes += row.get::<_, String>(8)?.len();
            count += 1;
        }
        if count < most {
            return Err(format!("only {count} messages were found").into());
        }
        Ok(bytes)
    }

    fn first_page(&self, most: usize) -> Result<usize> {
        let connection = self.connection();
        let mut query = connection.prepare_cached(
            "SELECT id, updated, title, preview, model FROM conversation
             WHERE section = 1 ORDER BY updated DESC LIMIT ?1",
        )?;
        let mut rows = query.query([integer(most as u64)])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let _: ([u8; 16], i64) = (row.get(0)?, row.get(1)?);
            let (title, preview): (String, String) = (row.get(2)?, row.get(3)?);
            let _: String = row.get(4)?;
            count += usize::from(!title.is_empty() && preview.len() <= 120);
        }
        Ok(count)
    }

    fn count(&self, conversation: Uuid) -> Result<u64> {
        let connection = self.connection();
        let mut query = connection.prepare("SELECT count FROM conversation WHERE id = ?1")?;
        let count: i64 = query.query_row([conversation.as_bytes()], |row| row.get(0))?;
        Ok(u64::try_from(count)?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        let connection = self.connection.into_inner();
        let connection = connection.unwrap_or_else(PoisonError::into_inner);
        connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}
