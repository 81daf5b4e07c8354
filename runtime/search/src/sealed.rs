//! A folder whose small files carry a checksum.
//!
//! tantivy puts one under each segment file, but none under `meta.json` and `.managed.json`. A single
//! bit there can drop a list of deletions or move the index's position, and no later check would see
//! it. Both are written and read whole, so each ends in its CRC-32.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr,
};

const SEAL: usize = size_of::<u32>();

/// [`MmapDirectory`] with seals.
#[derive(Debug, Clone)]
pub(crate) struct SealedDirectory(pub(crate) MmapDirectory);

impl Directory for SealedDirectory {
    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let mut bytes = self.0.atomic_read(path)?;
        let whole = bytes
            .split_last_chunk::<SEAL>()
            .is_some_and(|(data, seal)| crc32fast::hash(data).to_le_bytes() == *seal);
        if !whole {
            let text = format!("{} does not match its checksum", path.display());
            let error = io::Error::new(io::ErrorKind::InvalidData, text);
            return Err(OpenReadError::wrap_io_error(error, path.to_owned()));
        }
        bytes.truncate(bytes.len() - SEAL);
        Ok(bytes)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let seal = crc32fast::hash(data).to_le_bytes();
        self.0.atomic_write(path, &[data, &seal].concat())?;
        // tantivy syncs the folder before the new name takes the old one's place, and not after: a power
        // cut would undo a commit that was confirmed.
        self.0.sync_directory()
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.0.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.0.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.0.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.0.open_write(path)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.0.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.0.watch(callback)
    }
}
