//! What keeps a store small and sound: compaction, collection, checks, backups.

use std::collections::BTreeSet;

use super::Store;
use super::writer::Message;
use crate::backup::{self, Backup};
use crate::blobs::BlobHash;
use crate::error::{Damage, StoreError};
use crate::journal::Sweep;

/// What a compaction came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Bytes of the journal before.
    pub before: u64,
    /// And after.
    pub after: u64,
    /// Records that nothing needed any more.
    pub dropped: u64,
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// The last record's number.
    pub last: u64,
    /// Files of the journal.
    pub segments: usize,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes of the view; none while there is no view.
    pub view_bytes: Option<u64>,
    /// Attachments and long texts.
    pub blobs: usize,
    /// Bytes of these.
    pub blob_bytes: u64,
    /// Free bytes on the disk.
    pub free_bytes: Option<u64>,
    /// They are fewer than the person should have.
    pub is_space_low: bool,
}

impl Store {
    /// Drops the records that `sweep` does not keep. Blocks for as long as that takes; writing goes on.
    ///
    /// `least_dead` is the share of a segment's bytes below which it stays; with `even_newest`, what was
    /// written last is compacted too.
    ///
    /// # Errors
    /// Damage; the disk's. Then everything is as before.
    pub fn compact(
        &self,
        sweep: &mut dyn Sweep,
        least_dead: f64,
        even_newest: bool,
    ) -> Result<CompactReport, StoreError> {
        if even_newest {
            self.ask(Message::Roll)??;
        }
        let reader = self.journal();
        let before = reader.bytes();
        let segment_bytes = self.inner.options.journal.segment_bytes;
        let compacted = reader.compact(sweep, segment_bytes, least_dead)?;
        let dropped = compacted.dropped();
        self.ask(|reply| Message::Publish(compacted, reply))??;
        Ok(CompactReport {
            before,
            after: reader.bytes(),
            dropped,
        })
    }

    /// Reads every byte of the journal and every blob that is in use, and says what is not as it was
    /// written.
    ///
    /// # Errors
    /// The disk's.
    pub fn check(
        &self,
        in_use: &BTreeSet<BlobHash>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<Damage>, StoreError> {
        let mut found = self.journal().verify(progress)?;
        for hash in in_use {
            match self.blobs().get(*hash) {
                Err(StoreError::Damaged(damage)) => found.push(damage),
                other => drop(other?),
            }
        }
        Ok(found)
    }

    /// Whether the rows are those that were written; one scan of the view.
    ///
    /// # Errors
    /// When there is no view.
    pub fn check_view(&self) -> Result<bool, StoreError> {
        self.inner.slot.read(crate::view::View::is_whole)
    }

    /// Makes the view again, beside the old one, which answers meanwhile. Blocks until the new one has
    /// taken its place and the old one is gone from the disk.
    ///
    /// # Errors
    /// The disk's, or damage.
    pub fn rebuild(&self) -> Result<(), StoreError> {
        let answer = self.rebuild_beside()?;
        answer.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// Writes the view to the disk. Not needed for safety.
    ///
    /// # Errors
    /// When there is no view.
    pub fn flush_view(&self) -> Result<(), StoreError> {
        self.inner.slot.read(crate::view::View::flush)
    }

    /// What it holds.
    ///
    /// # Errors
    /// The disk's.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        use crate::disk::Disk as _;
        let blobs = self.blobs().list()?;
        let free_bytes = self.inner.disk.free_space().ok();
        Ok(Stats {
            last: self.journal().last(),
            segments: self.journal().segments(),
            journal_bytes: self.journal().bytes(),
            view_bytes: self.inner.slot.read(|view| Ok(view.bytes())).ok(),
            blobs: blobs.len(),
            blob_bytes: blobs.iter().map(|(_, bytes)| bytes).sum(),
            free_bytes,
            is_space_low: free_bytes.is_some_and(|free| free < self.inner.options.headroom.warn),
        })
    }

    /// Makes a backup in the store's own folder `backups`, and keeps the newest `keep`.
    ///
    /// # Errors
    /// The disk's; then the older ones are all still there.
    pub fn backup(&self, now_ms: u64, why: &str, keep: usize) -> Result<Backup, StoreError> {
        // What was asked is in it.
        self.ask(Message::Flush)?;
        let made = backup::make_backup(&*self.disk(), self.journal(), now_ms, why)?;
        backup::prune(&*self.disk(), keep)?;
        Ok(made)
    }

    /// The backups that are whole, oldest first.
    ///
    /// # Errors
    /// The disk's.
    pub fn backups(&self) -> Result<Vec<Backup>, StoreError> {
        backup::list_backups(&*self.disk())
    }
}
