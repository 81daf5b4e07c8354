//! ValeChat's store. See `runtime/README.md`, “The store”.
//!
//! The [`Journal`] is the truth; everything else is derived from it.

mod backup;
mod blobs;
pub mod disk;
mod error;
mod journal;
mod lock;
mod rows;
mod store;
mod view;

pub use backup::{Backup, list_backups, make_backup, restore};
pub use blobs::{BlobHash, Blobs};
pub use error::{Damage, StoreError};
pub use journal::*;
pub use rows::{FIRST_OF_STORE, Fold, MemoryRows, Range, Row, Rows, RowsMut, Table};
pub use store::*;
