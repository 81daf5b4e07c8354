//! Histories from other apps, and our own exports.
//!
//! [`Import`] reads an export from front to back and gives one conversation after the other, in our
//! own form ([`crate::model`]): one is in memory at a time. What kind of export it is, its content
//! says. Whatever is wrong in it costs as little as can be: a field, a message, a conversation; the
//! [`Report`] says what and why.
//!
//! Ids are made from the ids in the export. So the same import, done again, names the same
//! conversations and messages: a caller that says what it [knows](Options::known) gets only what is
//! new or has changed, and an import that was cut off is resumed by doing it again.

mod any;
mod archive;
mod chatgpt;
mod chatgpt_content;
mod claude;
mod convert;
mod element;
mod files;
mod fingerprint;
mod graph;
mod input;
mod lenient;
mod librechat;
mod lines;
mod native;
pub(crate) mod neutral;
mod open_webui;
mod records;
mod report;
mod scan;
mod source;
mod split;
pub(crate) mod time;

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use crate::model::{BlobHash, BlobHashError, Conversation, Folder, Message, SourceRef};
use crate::{FolderId, MessageId};

use archive::Archive;
use convert::Converter;
pub use files::{FileStore, HashOnly, StoredFile};
use input::Meter;
pub use input::{Input, OnProgress, Progress};
use native::{NativeConversation, NativeItem, Surroundings, fetch_beside};
use neutral::Neutral;
pub use report::{ImportError, Mended, MissingFile, Report, Skipped};
use source::{Sources, Taken};

/// The name of the [`crate::model::Extra`] that stands where a file was not in the export. Its JSON
/// has `name` and `media_type`, each text or null.
pub const MISSING_FILE: &str = "missing-file";

/// The app that our own exports come from, in a [`SourceRef`].
pub const NATIVE_APP: &str = "valechat";

/// A fingerprint of a conversation in an export: equal means that nothing changed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        BlobHash::new(self.0).fmt(formatter)
    }
}

impl FromStr for Digest {
    type Err = BlobHashError;
    fn from_str(text: &str) -> Result<Self, BlobHashError> {
        text.parse().map(|hash: BlobHash| Self(*hash.as_bytes()))
    }
}

/// How large things may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Text of one message, bytes; what has more is left out.
    pub message_bytes: usize,
    /// JSON of one conversation, bytes. An import needs up to about three times the largest
    /// conversation in memory.
    pub conversation_bytes: usize,
    /// JSON values in one conversation.
    pub conversation_values: usize,
    /// Brackets within brackets.
    pub depth: usize,
    /// One file, bytes.
    pub file_bytes: u64,
    /// Text that stays within a message, bytes; longer text becomes a file.
    pub inline_text: usize,
    /// Text of all kinds that stays within one message, bytes; what is beyond becomes files. A
    /// record must hold it.
    pub inline_message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            conversation_bytes: 256 << 20,
            conversation_values: 2_000_000,
            depth: 10_000,
            file_bytes: 1 << 30,
            inline_text: 64 << 10,
            inline_message: 4 << 20,
        }
    }
}

/// Says with which digest a conversation came, if it is there.
pub type Known = Box<dyn FnMut(&SourceRef) -> Option<Digest> + Send>;

/// How to import.
pub struct Options {
    /// What is there already of a conversation in the export: the digest it came with. Of our own
    /// exports `app` is [`NATIVE_APP`] and `id` the conversation's.
    pub known: Known,
    /// Told of each piece read; may stop the import.
    pub progress: OnProgress,
    /// How large things may be.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            known: Box::new(|_| None),
            progress: Box::new(|_| ControlFlow::Continue(())),
            limits: Limits::default(),
        }
    }
}

/// Why a conversation is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It was not there.
    New,
    /// It was there with another digest. Messages that were there have the ids they had.
    Changed,
}

/// A conversation from an export. Its files are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The conversation.
    pub conversation: Conversation,
    /// Its messages. Of other apps' exports parents come first and the parents are there; of our own
    /// they come as they were.
    pub messages: Vec<Message>,
    /// Messages at the top of branches that were hidden.
    pub pruned: Vec<MessageId>,
    /// What it is called where it comes from: to be kept with `digest`.
    pub source: SourceRef,
    /// Its fingerprint.
    pub digest: Digest,
    /// Whether it was there.
    pub novelty: Novelty,
}

/// What an import gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A folder, before the first conversation in it. It may be there already, by its id.
    Folder(Folder),
    /// A conversation.
    Conversation(Box<Imported>),
}

/// An import under way: an iterator. After an error it ends; what it gave before stands.
pub struct Import<F> {
    sources: Sources,
    archive: Option<Archive>,
    files: F,
    options: Options,
    report: Report,
    folders: HashSet<FolderId>,
    ready: VecDeque<Item>,
    done: bool,
}

impl<F: FileStore> Import<F> {
    /// Looks at the beginning and gets ready. `files` gets the files of the conversations.
    ///
    /// # Errors
    /// Where it cannot be read, or is no export in a form that is known.
    pub fn open(input: Input, files: F, mut options: Options) -> Result<Self, ImportError> {
        let progress = std::mem::replace(
            &mut options.progress,
            Box::new(|_| ControlFlow::Continue(())),
        );
        let meter = Meter::new(input.len(), progress);
        let (sources, archive) = Sources::open(input, meter, &options.limits)?;
        Ok(Self {
            sources,
            archive,
            files,
            options,
            report: Report::default(),
            folders: HashSet::new(),
            ready: VecDeque::new(),
            done: false,
        })
    }

    /// What came of it so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the import. Gives back where the files went, and what came of it.
    #[must_use]
    pub fn finish(self) -> (F, Report) {
        (self.files, self.report)
    }

    fn step(&mut self) -> Result<Option<Item>, ImportError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let index = self.report.read;
            let mut around = Surroundings {
                files: &mut self.files,
                beside: self.sources.beside.as_deref(),
                limits: &self.options.limits,
                report: &mut self.report,
                index,
            };
            let taken = self.sources.source.next(
                &mut self.sources.shelf,
                self.archive.as_mut(),
                &mut around,
            )?;
            match taken {
                None => return Ok(None),
                Some(Taken::Foreign(neutral)) => self.foreign(*neutral)?,
                Some(Taken::Native(NativeItem::Folder(folder))) => {
                    self.folders.insert(folder.id);
                    return Ok(Some(Item::Folder(folder)));
                }
                Some(Taken::Native(NativeItem::Conversation(read))) => self.native(*read)?,
            }
        }
    }

    /// Whether a conversation is wanted, and why.
    fn wanted(&mut self, source: &SourceRef, digest: Digest) -> Option<Novelty> {
        match (self.options.known)(source) {
            Some(known) if known == digest => {
                self.report.already_there += 1;
                None
            }
            Some(_) => Some(Novelty::Changed),
            None => Some(Novelty::New),
        }
    }

    fn foreign(&mut self, mut neutral: Neutral) -> Result<(), ImportError> {
        let index = self.report.read;
        self.report.read += 1;
        let title = convert::title(neutral.title.clone());
        let limit = self.options.limits.message_bytes as u64;
        let dropped = convert::drop_too_long(&mut neutral, limit);
        let placement = graph::place(&mut neutral);
        for size in dropped {
            let what = format!(
                "One message of {} MB is left out: the limit is {} MiB.",
                size / 1_000_000,
                limit >> 20
            );
            self.report.mend(index, title.as_deref(), what);
        }
        for (count, what) in [
            (
                placement.missing_parents,
                "messages answer a message that is not in the export; they stand at the beginning",
            ),
            (
                placement.cycles,
                "times messages were the beginning of themselves; the circle was opened",
            ),
            (
                placement.doubles,
                "messages had the id of another; both are kept",
            ),
        ] {
            if count > 0 {
                self.report
                    .mend(index, title.as_deref(), format!("{count} {what}."));
            }
        }
        if placement.messages.is_empty() {
            self.report
                .skip(index, title, "Left out: there is no message in it.");
            return Ok(());
        }
        let digest = fingerprint::digest(&neutral, &placement);
        let id = neutral.id.clone().filter(|id| !id.is_empty());
        let source = SourceRef {
            app: neutral.app.to_owned(),
            // Without an id it is known by its content.
            id: id.unwrap_or_else(|| blake3::Hash::from(digest.0).to_hex().to_string()),
        };
        let Some(novelty) = self.wanted(&source, digest) else {
            return Ok(());
        };
        let folder = neutral.folder.as_ref();
        let folder = folder.map(|folder| convert::folder(neutral.app, folder));
        let mut converter = Converter {
            files: &mut self.files,
            archive: self.archive.as_mut(),
            limits: &self.options.limits,
            report: &mut self.report,
            index,
            left: 0,
        };
        let (conversation, messages) = converter.convert(neutral, placement, source.clone())?;
        if let Some(folder) = folder.filter(|folder| self.folders.insert(folder.id)) {
            self.ready.push_back(Item::Folder(folder));
        }
        self.give(Imported {
            conversation,
            messages,
            pruned: Vec::new(),
            source,
            digest,
            novelty,
        });
        Ok(())
    }

    fn native(&mut self, read: NativeConversation) -> Result<(), ImportError> {
        let index = self.report.read;
        self.report.read += 1;
        let NativeConversation {
            conversation,
            messages,
            pruned,
            digest,
        } = read;
        let source = SourceRef {
            app: NATIVE_APP.to_owned(),
            id: conversation.id.to_string(),
        };
        let Some(novelty) = self.wanted(&source, digest) else {
            return Ok(());
        };
        let mut around = Surroundings {
            files: &mut self.files,
            beside: self.sources.beside.as_deref(),
            limits: &self.options.limits,
            report: &mut self.report,
            index,
        };
        fetch_beside(&messages, &mut around)?;
        self.give(Imported {
            conversation,
            messages,
            pruned,
            source,
            digest,
            novelty,
        });
        Ok(())
    }

    fn give(&mut self, imported: Imported) {
        match imported.novelty {
            Novelty::New => self.report.imported += 1,
            Novelty::Changed => self.report.updated += 1,
        }
        self.report.messages += imported.messages.len() as u64;
        self.ready.push_back(Item::Conversation(Box::new(imported)));
    }
}

impl<F: FileStore> Iterator for Import<F> {
    type Item = Result<Item, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step();
        self.done = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
