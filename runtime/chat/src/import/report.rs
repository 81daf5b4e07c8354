//! What came of an import.

use std::io;

use super::input::Stopped;

/// Entries that a list of a report holds at most; the counts go on.
const LISTED: usize = 10_000;

/// A conversation that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its place in the export, from 0; in a zip with several files of conversations, over all.
    pub index: u64,
    /// Its title, where it could be read.
    pub title: Option<String>,
    /// Why, as a sentence for the person.
    pub why: String,
}

/// Something that came in, though not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// Its place in the export.
    pub index: u64,
    /// Its title.
    pub title: Option<String>,
    /// What was mended, as a sentence for the person.
    pub what: String,
}

/// A file that a message speaks of and the export does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingFile {
    /// The place of its conversation in the export.
    pub index: u64,
    /// Its name, or what the export calls it.
    pub name: String,
}

/// What came of an import, so far or in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Conversations met.
    pub read: u64,
    /// New ones given out.
    pub imported: u64,
    /// Those that were there already, unchanged.
    pub already_there: u64,
    /// Those that were there and have changed since.
    pub updated: u64,
    /// Those left out; `skipped` lists the first ten thousand.
    pub skipped_count: u64,
    /// Which were left out, and why.
    pub skipped: Vec<Skipped>,
    /// Messages given out.
    pub messages: u64,
    /// What was mended, the first ten thousand.
    pub mended: Vec<Mended>,
    /// Files stored.
    pub files: u64,
    /// Files that were not there; `missing_files` lists the first ten thousand.
    pub missing_count: u64,
    /// Which files were not there.
    pub missing_files: Vec<MissingFile>,
    /// The export ends too early or is damaged, as a sentence for the person; what came before is
    /// imported.
    pub cut_off: Option<String>,
}

impl Report {
    pub(super) fn skip(&mut self, index: u64, title: Option<String>, why: impl Into<String>) {
        self.skipped_count += 1;
        if self.skipped.len() < LISTED {
            let why = why.into();
            self.skipped.push(Skipped { index, title, why });
        }
    }

    pub(super) fn mend(&mut self, index: u64, title: Option<&str>, what: impl Into<String>) {
        if self.mended.len() < LISTED {
            let title = title.map(str::to_owned);
            let what = what.into();
            self.mended.push(Mended { index, title, what });
        }
    }

    pub(super) fn missing(&mut self, index: u64, name: impl Into<String>) {
        self.missing_count += 1;
        if self.missing_files.len() < LISTED {
            let name = name.into();
            self.missing_files.push(MissingFile { index, name });
        }
    }
}

/// Why an import ended before its end, or did not begin. What was given out before stands.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export could not be read.
    #[error(
        "The export could not be read: {0}. What came before it is imported; try again from the same file, and only the rest is taken."
    )]
    Read(#[source] io::Error),
    /// A file of a message could not be stored.
    #[error(
        "A file of a conversation could not be stored: {0}. Make room or check the disk, then import again: only what is missing is taken."
    )]
    Store(#[source] io::Error),
    /// It is no zip, or a damaged one.
    #[error(
        "The zip file could not be read: {0}. Download the export again, or unpack it and import the conversations.json in it."
    )]
    Zip(#[source] zip::result::ZipError),
    /// A zip came through a pipe.
    #[error("A zip file cannot be read from a pipe. Give its path instead.")]
    ZipStream,
    /// An entry of the zip is in a form that this version does not read.
    #[error(
        "“{0}” in the zip file is encrypted or packed in a way that ValeChat does not read. Unpack the zip file and import the file from the folder."
    )]
    Entry(String),
    /// Nothing in it is known.
    #[error(
        "No conversation was found in it. ValeChat reads exports of ChatGPT, Claude, LibreChat and Open WebUI and its own JSON Lines, as they were downloaded."
    )]
    UnknownFormat,
    /// Text in two-byte units.
    #[error("The file is text in UTF-16. Save it as UTF-8 and import it again.")]
    Utf16,
    /// Our own format, of a later version.
    #[error(
        "The export was written by a newer version of ValeChat (format {0}). Update ValeChat, then import it again."
    )]
    Newer(u32),
    /// The progress callback said so.
    #[error("The import was stopped. Import again to go on: what is there is not taken twice.")]
    Stopped,
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Stopped>()) {
            Self::Stopped
        } else {
            Self::Read(error)
        }
    }
}
