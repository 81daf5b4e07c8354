//! What can go wrong with the store, as sentences for the person.

use std::fmt;
use std::io;

/// A place in the journal where bytes are not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file, such as `journal/00000003.vcj`.
    pub segment: String,
    /// Where in the file, bytes.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} at byte {}: {}",
            self.segment, self.offset, self.what
        )
    }
}

/// Why the store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk says no.
    #[error("The disk refuses: {what} failed ({error}).")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        error: String,
        /// Whether there was no room.
        is_full: bool,
    },
    /// The headroom is reached; nothing was written.
    #[error(
        "The disk is almost full: {free} MiB are free, and ValeChat keeps {headroom} MiB. Nothing was lost; free some space and go on."
    )]
    AlmostFull {
        /// Free, MiB.
        free: u64,
        /// Kept, MiB.
        headroom: u64,
    },
    /// The journal is damaged where it must not be.
    #[error(
        "The journal is damaged ({0}). What is whole can still be read and exported; `valechat store restore` puts a backup in its place."
    )]
    Damaged(Damage),
    /// Nothing is written any more, for this reason.
    #[error("The store is open for reading only: {0}")]
    ReadOnly(String),
    /// A failed write or sync: what lies on the disk is not known until it is opened again.
    #[error(
        "The disk failed while writing ({0}). What was confirmed is safe; start ValeChat again to go on."
    )]
    Poisoned(String),
    /// The rows are being made again.
    #[error("The list of conversations is being rebuilt ({percent} %). What you write is kept.")]
    Rebuilding {
        /// How far it is.
        percent: u8,
    },
    /// The rows cannot be used until the next start.
    #[error(
        "The view of the store cannot be used ({0}). Nothing was lost: it is rebuilt at the next start."
    )]
    ViewDead(String),
    /// Another process has it.
    #[error("Another ValeChat uses this store ({0}). Close it, or use its window.")]
    Locked(String),
    /// A record is larger than a frame may be.
    #[error("This is too large to be kept as one record: {0} MiB of at most 16.")]
    TooLarge(u64),
    /// There is no such frame.
    #[error("The journal has no record {0}.")]
    NoFrame(u64),
    /// A record makes no sense.
    #[error("Record {lsn} (kind {kind}) cannot be used: {why}")]
    Record {
        /// Its sequence number.
        lsn: u64,
        /// Its kind.
        kind: u16,
        /// Why.
        why: String,
    },
    /// The store is shut.
    #[error("The store is closed.")]
    Closed,
}

impl StoreError {
    /// What an operation of the disk came to.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io {
            what,
            is_full: is_full(&error),
            error: error.to_string(),
        }
    }

    /// Whether space would help.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(
            self,
            Self::AlmostFull { .. } | Self::Io { is_full: true, .. }
        )
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
