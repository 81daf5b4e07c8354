//! Power cuts for what does its own I/O: sled in the store's view, tantivy in the search index.
//!
//! A process works under `preload/preload.c`, which logs every change below one folder, every sync, and
//! what the process prints ([`Log`]). [`Power`] replays the log up to a chosen record, as a disk that keeps
//! what was synced and any part of what was not, and writes out what a machine finds when power is back.
//! Another process opens that and says whether everything is there.
//!
//! What a cut may do is at least as bad as on a real disk: each file keeps any part of its unsynced writes,
//! and each folder keeps any beginning of its unsynced names, whatever the others keep.

mod disk;
mod log;
mod run;

pub use disk::{Keep, Power};
pub use log::{Event, Log, LogError};
pub use run::{Exit, Preload, Run, SyncMode};
