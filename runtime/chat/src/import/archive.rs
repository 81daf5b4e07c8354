//! A zip with conversations and the files that belong to them.
//!
//! The conversations are read while files are taken out of the same zip, so an entry of
//! conversations has a reader of its own; where it lies is what the zip's directory says.

use std::collections::BTreeMap;
use std::io::{self, Read, SeekFrom};
use std::ops::Bound;

use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::input::{Input, Meter, Metered, ReadSeek};
use super::report::ImportError;

/// An entry that may hold conversations.
#[derive(Debug, Clone)]
pub(super) struct JsonEntry {
    pub name: String,
    index: usize,
    pub compressed: u64,
}

/// An open zip.
pub(super) struct Archive {
    zip: ZipArchive<Box<dyn ReadSeek>>,
    /// Entries by the last part of their names.
    names: BTreeMap<String, usize>,
}

impl Archive {
    /// Reads the directory. Returns also the entries that may hold conversations, by name.
    pub(super) fn open(reader: Box<dyn ReadSeek>) -> Result<(Self, Vec<JsonEntry>), ImportError> {
        let mut zip = ZipArchive::new(reader).map_err(ImportError::Zip)?;
        let mut names = BTreeMap::new();
        let mut entries = Vec::new();
        for index in 0..zip.len() {
            // One entry with a broken header costs that entry.
            let Ok(entry) = zip.by_index_raw(index) else {
                continue;
            };
            let name = entry.name().to_owned();
            let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
            if entry.is_dir() || last.is_empty() || last.starts_with('.') {
                continue;
            }
            names.insert(last.to_owned(), index);
            let lower = last.to_lowercase();
            if [".json", ".jsonl", ".ndjson"]
                .iter()
                .any(|end| lower.ends_with(end))
            {
                entries.push(JsonEntry {
                    index,
                    compressed: entry.compressed_size(),
                    name,
                });
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok((Self { zip, names }, entries))
    }

    /// A reader of one entry, from a reader of the zip of its own.
    pub(super) fn entry(
        &mut self,
        entry: &JsonEntry,
        input: &Input,
        meter: &Meter,
    ) -> Result<Box<dyn Read + Send>, ImportError> {
        let file = self
            .zip
            .by_index_raw(entry.index)
            .map_err(ImportError::Zip)?;
        let method = file.compression();
        let (encrypted, compressed, crc) = (file.encrypted(), file.compressed_size(), file.crc32());
        let size = file.size();
        let start = file.data_start();
        drop(file);
        let (Some(start), false) = (start, encrypted) else {
            return Err(ImportError::Entry(entry.name.clone()));
        };
        let mut reader = input.seekable()?.ok_or(ImportError::ZipStream)?;
        reader.seek(SeekFrom::Start(start))?;
        let inner = Metered {
            inner: reader.take(compressed),
            meter: meter.clone(),
        };
        let inner: Box<dyn Read + Send> = match method {
            CompressionMethod::Stored => Box::new(inner),
            CompressionMethod::Deflated => Box::new(DeflateDecoder::new(inner)),
            _ => return Err(ImportError::Entry(entry.name.clone())),
        };
        Ok(Box::new(Checked {
            inner,
            hasher: crc32fast::Hasher::new(),
            crc,
            left: size,
        }))
    }

    /// The entry of a file that the export calls `id`: of just that name, or of one that goes on
    /// after it with `-`, `.` or `_`.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        let id = id.rsplit(['/', '\\']).next().unwrap_or_default();
        if id.is_empty() {
            return None;
        }
        if let Some(index) = self.names.get(id) {
            return Some(*index);
        }
        // An id of a few letters would find files that only begin alike.
        if id.len() < 8 {
            return None;
        }
        let from = (Bound::Included(id), Bound::Unbounded);
        self.names
            .range::<str, _>(from)
            .take_while(|(name, _)| name.starts_with(id))
            .find(|(name, _)| {
                let rest = name.get(id.len()..).unwrap_or_default();
                rest.starts_with(['-', '.', '_'])
            })
            .map(|(_, index)| *index)
    }

    /// Opens a file found by [`Archive::find`]. Returns its name too.
    pub(super) fn file(&mut self, index: usize) -> io::Result<(String, impl Read + '_)> {
        let file = self.zip.by_index(index).map_err(io::Error::other)?;
        let name = file
            .name()
            .rsplit(['/', '\\'])
            .next()
            .unwrap_or_default()
            .to_owned();
        Ok((name, file))
    }
}

/// Compares the checksum when all was read.
struct Checked<R> {
    inner: R,
    hasher: crc32fast::Hasher,
    crc: u32,
    /// Bytes that the directory promises and that did not come yet.
    left: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.left = self.left.saturating_sub(read as u64);
        if read == 0 && !buffer.is_empty() {
            let crc = self.hasher.clone().finalize();
            if self.left > 0 || crc != self.crc {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the zip file is damaged: its checksum does not match",
                ));
            }
        }
        Ok(read)
    }
}
