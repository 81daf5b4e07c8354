//! Everything, as our own JSON Lines.

use std::collections::HashSet;
use std::io::{self, BufWriter, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::format::{EndLine, FILES_FOLDER, FileLine, LineRef, VERSION, files_of};
use super::{ExportError, ExportReport, Exported, OpenFile, Pages, Source};
use crate::model::BlobHash;

/// Bytes of a file in one line.
const PIECE: usize = 192 << 10;

/// Where the files of the conversations go.
pub enum Files<'a> {
    /// Into the lines, as base64.
    Inline,
    /// Beside it, into the folder [`super::FILES_FOLDER`].
    Beside(&'a mut dyn Pages),
    /// Nowhere.
    Left,
}

/// Writes everything that `source` gives. `now_ms` stands in the first line.
///
/// # Errors
/// Where `out` cannot be written or `source` fails; what was written is then cut off, and a reader
/// is told so by the missing last line.
pub fn json_lines(
    source: &mut dyn Source,
    out: &mut dyn Write,
    files: Files<'_>,
    now_ms: u64,
) -> Result<ExportReport, ExportError> {
    let mut export = Export {
        out: BufWriter::with_capacity(256 << 10, out),
        files,
        written: HashSet::new(),
        report: ExportReport::default(),
    };
    export.line(&LineRef::Header {
        version: VERSION,
        exported_ms: now_ms,
    })?;
    for folder in source.folders().map_err(ExportError::Source)? {
        export.line(&LineRef::Folder(&folder))?;
    }
    while let Some(exported) = source.next_conversation().map_err(ExportError::Source)? {
        export.conversation(source, &exported)?;
    }
    export.line(&LineRef::End(EndLine {
        conversations: export.report.conversations,
        messages: export.report.messages,
    }))?;
    export.out.flush()?;
    Ok(export.report)
}

struct Export<'a, 'f> {
    out: BufWriter<&'a mut dyn Write>,
    files: Files<'f>,
    /// Files that are there already, or that nobody has.
    written: HashSet<BlobHash>,
    report: ExportReport,
}

impl Export<'_, '_> {
    fn line(&mut self, line: &LineRef<'_>) -> Result<(), ExportError> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    fn conversation(
        &mut self,
        source: &mut dyn Source,
        exported: &Exported,
    ) -> Result<(), ExportError> {
        let Exported {
            conversation,
            links,
        } = exported;
        self.line(&LineRef::Conversation {
            conversation,
            messages: links.len() as u64,
        })?;
        for link in links {
            let message = source
                .message(conversation.id, link.id)
                .map_err(ExportError::Source)?;
            let Some(mut message) = message else {
                self.report.missing_messages += 1;
                continue;
            };
            // Where it hangs now, if its branch was moved.
            message.parent = link.parent;
            for hash in files_of(&message) {
                if self.written.insert(hash) {
                    self.file(source, hash)?;
                }
            }
            self.line(&LineRef::Message {
                message: &message,
                pruned: link.pruned,
            })?;
            self.report.messages += 1;
        }
        self.report.conversations += 1;
        Ok(())
    }

    fn file(&mut self, source: &mut dyn Source, hash: BlobHash) -> Result<(), ExportError> {
        if let Files::Left = self.files {
            return Ok(());
        }
        let Some(OpenFile { mut bytes, size }) = source.file(hash).map_err(ExportError::Source)?
        else {
            self.report.missing_files += 1;
            return Ok(());
        };
        self.report.files += 1;
        if let Files::Beside(pages) = &mut self.files {
            let path = format!("{FILES_FOLDER}/{hash}");
            if !pages.has(&path) {
                pages.write(&path, &mut |out| io::copy(&mut bytes, out).map(drop))?;
            }
            return Ok(());
        }
        self.line(&LineRef::File(FileLine { blake3: hash, size }))?;
        let mut piece = Vec::with_capacity(PIECE);
        loop {
            piece.clear();
            bytes.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            if piece.is_empty() {
                return Ok(());
            }
            let text = STANDARD.encode(&piece);
            self.line(&LineRef::Bytes(&text))?;
        }
    }
}
