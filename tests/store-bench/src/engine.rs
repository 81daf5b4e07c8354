//! What each engine is asked.

use std::path::Path;

use uuid::Uuid;

use crate::Result;
use crate::data::Message;
use crate::fold::Text;
use crate::sqlite::Sqlite;
use crate::store::OurStore;

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Sqlite,
    InRows,
    ByLsn,
}

impl Kind {
    /// Its name among the arguments, and of its folder.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::InRows => "text-in-rows",
            Self::ByLsn => "text-by-lsn",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Sqlite, Self::InRows, Self::ByLsn];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// Where its text is, for the store.
    pub(crate) fn text(self) -> Option<Text> {
        match self {
            Self::Sqlite => None,
            Self::InRows => Some(Text::InRows),
            Self::ByLsn => Some(Text::ByLsn),
        }
    }

    pub(crate) fn open(self, folder: &Path) -> Result<Box<dyn Engine>> {
        Ok(match self.text() {
            None => Box::new(Sqlite::open(folder)?),
            Some(text) => Box::new(OurStore::open(folder, text, false)?),
        })
    }
}

/// An engine that is open.
pub(crate) trait Engine: Send + Sync {
    /// Writes one message; it is on the disk when this returns.
    fn append(&self, message: Message) -> Result<()>;
    /// Writes many at once, and forgets what the search index has of the group before.
    fn append_group(&mut self, messages: Vec<Message>) -> Result<()>;
    /// The last messages of a conversation, newest first, with their texts; gives the bytes of text.
    fn last(&self, conversation: Uuid, most: usize) -> Result<usize>;
    /// The conversations that changed last, as the list shows them; gives how many there are.
    fn first_page(&self, most: usize) -> Result<usize>;
    /// Messages in a conversation, as its row says.
    fn count(&self, conversation: Uuid) -> Result<u64>;
    /// Ends it in order.
    fn close(self: Box<Self>) -> Result<()>;
}
