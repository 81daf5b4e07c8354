//! Conversations out of ValeChat: [JSON Lines](json_lines) that lose nothing, [Markdown](markdown)
//! and [HTML](html) for people.
//!
//! The writers take a [`Source`], which gives one message after the other, and write as they go, so
//! that a million messages need no more memory than one conversation's list of ids.

pub(crate) mod format;
mod html;
mod json_lines;
mod markdown;
mod name;
mod parts;
mod paths;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use crate::model::{BlobHash, Conversation, Folder, Message};
use crate::{ConversationId, MessageId, Tree};

pub use format::FILES_FOLDER;
pub use html::html;
pub use json_lines::{Files, json_lines};
pub use markdown::markdown;
pub use name::page_name;

/// What a source failed with.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// A conversation and how its messages hang together.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// The conversation.
    pub conversation: Conversation,
    /// Its messages, in the order in which they are to be written.
    pub links: Vec<Link>,
}

/// A message's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The message.
    pub id: MessageId,
    /// What it follows; `None` = the beginning.
    pub parent: Option<MessageId>,
    /// The branch that begins here is hidden.
    pub pruned: bool,
}

impl Exported {
    /// A conversation in memory, with its messages in the order in which they came.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        let link = |message: &Message| Link {
            id: message.id,
            parent: tree.parent(message.id).flatten(),
            pruned: tree.is_pruned(message.id),
        };
        Self {
            conversation: tree.conversation().clone(),
            links: tree.messages().into_iter().map(link).collect(),
        }
    }
}

/// A file of a message, to be read.
pub struct OpenFile<'a> {
    /// What is in it.
    pub bytes: Box<dyn Read + 'a>,
    /// Bytes.
    pub size: u64,
}

/// Where an export takes its conversations from.
pub trait Source {
    /// All folders, parents before children.
    ///
    /// # Errors
    /// Whatever keeps it from giving them.
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError>;

    /// The next conversation; `None` after the last.
    ///
    /// # Errors
    /// Whatever keeps it from giving it; the export then ends.
    fn next_conversation(&mut self) -> Result<Option<Exported>, SourceError>;

    /// A message of a conversation that was given. `None` where it cannot be read any more: the
    /// export goes on without it and counts it.
    ///
    /// # Errors
    /// Whatever else keeps it from giving it; the export then ends.
    fn message(
        &mut self,
        conversation: ConversationId,
        message: MessageId,
    ) -> Result<Option<Message>, SourceError>;

    /// A file. `None` where it is not there any more.
    ///
    /// # Errors
    /// Whatever else keeps it from giving it; the export then ends.
    fn file(&mut self, hash: BlobHash) -> Result<Option<OpenFile<'_>>, SourceError>;
}

/// Where the pages and files of an export go.
pub trait Pages {
    /// Whether `path` is there already.
    fn has(&self, path: &str) -> bool;

    /// Writes what `write` gives to `path`: one name, or `files/` and one name.
    ///
    /// # Errors
    /// What kept it from being written; then nothing is there under that name.
    fn write(
        &mut self,
        path: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()>;
}

/// A folder on the disk. A page appears under its name when it is whole.
#[derive(Debug, Clone)]
pub struct FolderPages(PathBuf);

impl FolderPages {
    /// Writes into `folder`, which is made if need be.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }
}

impl Pages for FolderPages {
    fn has(&self, path: &str) -> bool {
        self.0.join(path).exists()
    }

    fn write(
        &mut self,
        path: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.0.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let written = (|| {
            let mut out = BufWriter::new(File::create(&part)?);
            write(&mut out)?;
            out.into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()?;
            fs::rename(&part, &path)
        })();
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&part);
        }
        written
    }
}

/// Which messages a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branches {
    /// The branch that is on the screen.
    Visible,
    /// All of them, the visible one first.
    All,
}

/// What came of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportReport {
    /// Conversations written.
    pub conversations: u64,
    /// Messages written.
    pub messages: u64,
    /// Messages that could not be read.
    pub missing_messages: u64,
    /// Files written.
    pub files: u64,
    /// Files that were not there.
    pub missing_files: u64,
}

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It could not be written.
    #[error(
        "The export could not be written: {0}. Make room or choose another place, then export again."
    )]
    Write(#[from] io::Error),
    /// What was to be exported could not be read.
    #[error(
        "A conversation could not be read for the export: {0}. Run a check of the store, then export again."
    )]
    Source(#[source] SourceError),
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        Self::Write(error.into())
    }
}
