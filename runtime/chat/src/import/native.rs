//! Our own JSON Lines; see [`crate::export::format`]. A damaged line costs itself.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::files::{FileStore, Unstored, put};
use super::lines::{LineNext, next_line};
use super::report::{ImportError, Report};
use super::{Digest, Limits};
use crate::MessageId;
use crate::export::format::{FILES_FOLDER, FileLine, Line, VERSION, files_of};
use crate::model::{BlobHash, Conversation, Folder, Message};

/// What a native export holds, one after the other.
pub(super) enum NativeItem {
    Folder(Folder),
    Conversation(Box<NativeConversation>),
}

pub(super) struct NativeConversation {
    pub conversation: Conversation,
    pub messages: Vec<Message>,
    pub pruned: Vec<MessageId>,
    pub digest: Digest,
}

/// What is needed beside the lines.
pub(super) struct Surroundings<'a, F> {
    pub files: &'a mut F,
    pub beside: Option<&'a Path>,
    pub limits: &'a Limits,
    pub report: &'a mut Report,
    /// Conversations met before.
    pub index: u64,
}

/// Reads the lines after the header.
pub(super) struct Native<R> {
    reader: R,
    buffer: Vec<u8>,
    /// A line that was read and belongs to what comes next.
    pending: Option<Line>,
    /// The last line was there.
    ended: bool,
}

/// The version of a header, if this program reads it.
pub(super) fn check_version(version: f64) -> Result<(), ImportError> {
    if version <= f64::from(VERSION) {
        return Ok(());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "for a sentence only"
    )]
    let version = version as u32;
    Err(ImportError::Newer(version))
}

enum Got {
    Line(Box<Line>),
    Damaged(String),
    End,
}

impl<R: BufRead> Native<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            pending: None,
            ended: false,
        }
    }

    fn line(&mut self, limit: usize) -> io::Result<Got> {
        if let Some(line) = self.pending.take() {
            return Ok(Got::Line(Box::new(line)));
        }
        Ok(
            match next_line(&mut self.reader, &mut self.buffer, limit)? {
                LineNext::End => Got::End,
                LineNext::TooLong => {
                    Got::Damaged(format!("a line is longer than {} MiB", limit >> 20))
                }
                LineNext::Line => match serde_json::from_slice::<Line>(&self.buffer) {
                    Ok(line) => Got::Line(Box::new(line)),
                    Err(error) => Got::Damaged(format!("a line could not be read ({error})")),
                },
            },
        )
    }

    /// The next folder or conversation.
    pub(super) fn next<F: FileStore>(
        &mut self,
        around: &mut Surroundings<'_, F>,
    ) -> Result<Option<NativeItem>, ImportError> {
        loop {
            let line = match self.line(around.limits.conversation_bytes)? {
                Got::Line(line) => *line,
                Got::Damaged(why) => {
                    around
                        .report
                        .skip(around.index, None, format!("Left out: {why}."));
                    continue;
                }
                Got::End => {
                    if !self.ended {
                        around.report.cut_off = Some(
                            "The export ends before its last line. What came before is imported; export again to get the rest."
                                .to_owned(),
                        );
                    }
                    return Ok(None);
                }
            };
            if let Some(version) = line.header {
                // Two exports one after the other.
                check_version(f64::from(version))?;
                self.ended = false;
            } else if line.end.is_some() {
                self.ended = true;
            } else if let Some(folder) = line.folder {
                return Ok(Some(NativeItem::Folder(folder)));
            } else if let Some(file) = line.file {
                self.file(file, around)?;
            } else if let Some(conversation) = line.conversation {
                let promised = line.messages;
                if let Some(read) = self.conversation(conversation, promised, around)? {
                    return Ok(Some(NativeItem::Conversation(Box::new(read))));
                }
            }
            // Messages and bytes without what they belong to, and lines of a later version.
        }
    }

    /// Gathers the messages of a conversation.
    fn conversation<F: FileStore>(
        &mut self,
        mut conversation: Conversation,
        promised: Option<u64>,
        around: &mut Surroundings<'_, F>,
    ) -> Result<Option<NativeConversation>, ImportError> {
        let title = Some(conversation.title.clone()).filter(|title| !title.is_empty());
        let mut hasher = blake3::Hasher::new_derive_key("ValeChat import digest native 1");
        hasher.update(&self.buffer);
        let mut size = self.buffer.len();
        let mut messages: Vec<Message> = Vec::new();
        let mut seen = HashSet::new();
        let mut pruned = Vec::new();
        let mut met = 0_u64;
        loop {
            match self.line(around.limits.conversation_bytes)? {
                Got::End => break,
                Got::Damaged(why) => {
                    met += 1;
                    let what = format!("One message is left out: {why}.");
                    around.report.mend(around.index, title.as_deref(), what);
                }
                Got::Line(line) => {
                    if let Some(file) = line.file {
                        self.file(file, around)?;
                        continue;
                    }
                    let Some(message) = line.message else {
                        self.pending = Some(*line);
                        break;
                    };
                    met += 1;
                    hasher.update(&self.buffer);
                    size = size.saturating_add(self.buffer.len());
                    if size > around.limits.conversation_bytes {
                        // The rest goes by, so that the next conversation is found.
                        messages.clear();
                        continue;
                    }
                    if !seen.insert(message.id) {
                        let what = "A message stood in it twice; the first is kept.";
                        around.report.mend(around.index, title.as_deref(), what);
                        continue;
                    }
                    if line.pruned {
                        pruned.push(message.id);
                    }
                    messages.push(message);
                }
            }
        }
        if size > around.limits.conversation_bytes {
            let limit = around.limits.conversation_bytes >> 20;
            let why = format!("Left out: it is larger than {limit} MiB.");
            around.report.read += 1;
            around.report.skip(around.index, title, why);
            around.index += 1;
            return Ok(None);
        }
        if promised.is_some_and(|promised| promised > met) {
            let what = format!(
                "{} of its {} messages are not in the file.",
                promised.unwrap_or_default() - met,
                promised.unwrap_or_default()
            );
            around.report.mend(around.index, title.as_deref(), what);
        }
        if conversation
            .active_leaf
            .is_some_and(|leaf| !seen.contains(&leaf))
        {
            conversation.active_leaf = messages.last().map(|message| message.id);
        }
        Ok(Some(NativeConversation {
            conversation,
            messages,
            pruned,
            digest: Digest(*hasher.finalize().as_bytes()),
        }))
    }

    /// Stores a file that stands in the lines.
    fn file<F: FileStore>(
        &mut self,
        file: FileLine,
        around: &mut Surroundings<'_, F>,
    ) -> Result<(), ImportError> {
        let mut bytes = FileLines {
            native: self,
            limit: around.limits.conversation_bytes,
            decoded: Vec::new(),
            at: 0,
            left: file.size,
        };
        if around.files.has(&file.blake3) {
            return match io::copy(&mut bytes, &mut io::sink()) {
                Err(error) if error.kind() != io::ErrorKind::InvalidData => Err(error.into()),
                _ => Ok(()),
            };
        }
        match put(around.files, &mut bytes, around.limits.file_bytes) {
            Ok(stored) if stored.hash == file.blake3 => around.report.files += 1,
            Ok(_) | Err(Unstored::Unreadable) => {
                let name = format!("{} (damaged or over the limit)", file.blake3);
                around.report.missing(around.index, name);
            }
            Err(Unstored::Fatal(error)) => return Err(error),
        }
        Ok(())
    }
}

/// Stores the files that lie beside the export, and tells which are nowhere.
pub(super) fn fetch_beside<F: FileStore>(
    messages: &[Message],
    around: &mut Surroundings<'_, F>,
) -> Result<(), ImportError> {
    let mut seen = HashSet::new();
    for hash in messages.iter().flat_map(files_of) {
        if !seen.insert(hash) || around.files.has(&hash) {
            continue;
        }
        let found = around.beside.and_then(|folder| open_beside(folder, &hash));
        let Some(mut file) = found else {
            around.report.missing(around.index, hash.to_string());
            continue;
        };
        match put(around.files, &mut file, around.limits.file_bytes) {
            Ok(stored) if stored.hash == hash => around.report.files += 1,
            Ok(_) | Err(Unstored::Unreadable) => {
                let name = format!("{hash} (damaged or over the limit)");
                around.report.missing(around.index, name);
            }
            Err(Unstored::Fatal(error)) => return Err(error),
        }
    }
    Ok(())
}

fn open_beside(folder: &Path, hash: &BlobHash) -> Option<File> {
    File::open(folder.join(FILES_FOLDER).join(hash.to_string())).ok()
}

/// The bytes of a file from its lines.
struct FileLines<'a, R> {
    native: &'a mut Native<R>,
    limit: usize,
    decoded: Vec<u8>,
    at: usize,
    left: u64,
}

impl<R: BufRead> Read for FileLines<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the file's lines are damaged");
        while self.at >= self.decoded.len() {
            if self.left == 0 {
                return Ok(0);
            }
            let line = match self.native.line(self.limit)? {
                Got::Line(line) => *line,
                Got::Damaged(_) | Got::End => return Err(damaged()),
            };
            let Some(text) = line.bytes else {
                self.native.pending = Some(line);
                return Err(damaged());
            };
            self.decoded = STANDARD.decode(text).map_err(|_| damaged())?;
            self.at = 0;
            let decoded = self.decoded.len() as u64;
            self.left = self.left.checked_sub(decoded).ok_or_else(damaged)?;
        }
        let rest = self.decoded.get(self.at..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += read;
        Ok(read)
    }
}
