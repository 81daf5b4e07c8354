//! The journal: the truth of the store. Checksummed frames in segments, synced before anything is
//! acknowledged, never changed afterwards.
//!
//! - A write holds the frames of every command that queued, is synced as a whole, and then counts.
//! - A segment is sealed once it is large; the next one begins with the next number.
//! - Compaction writes new segments beside the old ones and puts a manifest in place that names them.
//! - What lies behind the last whole command of the last segment was never acknowledged and is cut off.
//!   Anything else that is broken is damage, and is told, never skipped.

mod append;
mod compact;
mod frame;
mod manifest;
mod open;
mod read;
mod segment;
mod sidecar;

pub use append::{Command, Record};
pub use compact::{Compacted, Sweep};
pub use frame::{Frame, Lsn, MAX_PAYLOAD, MORE, MUST_UNDERSTAND, OwnedFrame};
pub use open::Recovery;
pub use read::{Item, JournalReader};

pub(crate) use manifest::{Listed, Manifest, PATH as MANIFEST_PATH};
pub(crate) use segment::FOLDER;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use uuid::Uuid;

use crate::disk::Disk;
use segment::Segment;

/// How the journal is cut.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// A segment of at least so many bytes is sealed before the next write.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 32 << 20,
        }
    }
}

/// The segments in their order, shared by the writer and by readers.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) segments: RwLock<Vec<Arc<Segment>>>,
    /// The next segment's number, whoever makes it.
    pub(crate) next_number: AtomicU64,
    pub(crate) store: Uuid,
}

impl Table {
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        let segments = self.segments.read();
        segments.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, segments: Vec<Arc<Segment>>) {
        *self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner) = segments;
    }
}

/// The journal, held by its one writer.
#[derive(Debug)]
pub struct Journal {
    table: Arc<Table>,
    options: JournalOptions,
    next: Lsn,
    /// Of the frames in the last segment, for its seal.
    crc: u32,
    read_only: Option<String>,
    poisoned: Option<String>,
}

impl Journal {
    /// The store's id, made when the journal was.
    #[must_use]
    pub fn store(&self) -> Uuid {
        self.table.store
    }

    /// The last number that was written; 0 while there is none.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.next - 1
    }

    /// Why nothing is written any more, if so.
    #[must_use]
    pub fn read_only(&self) -> Option<&str> {
        self.read_only.as_deref().or(self.poisoned.as_deref())
    }

    /// Nothing is written from now on, for this reason.
    pub fn set_read_only(&mut self, why: impl Into<String>) {
        self.read_only.get_or_insert(why.into());
    }

    /// For whoever reads beside the writer.
    #[must_use]
    pub fn reader(&self) -> JournalReader {
        JournalReader::new(self.table.clone())
    }
}
