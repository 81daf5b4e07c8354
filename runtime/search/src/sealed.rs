//! A folder whose small files carry a checksum.
//!
//! tantivy puts one under each segment file, but none under `meta.json` and `.managed.json`. A single
//! bit there can drop a list of deletions or move the index's position, and no later check would see
//! it. Both are written and read whole, so each ends in its CRC-32.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::directory::error::{
    DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError,
};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, INDEX_WRITER_LOCK, Lock, MmapDirectory, WatchCallback,
    WatchHandle, WritePtr,
};

const SEAL: usize = size_of::<u32>();

/// [`MmapDirectory`] with seals.
#[derive(Debug, Clone)]
pub(crate) struct SealedDirectory {
    files: MmapDirectory,
    /// A writer is open. The index's own lock keeps other processes out, so that no file is needed:
    /// while a process is being started, it holds every file lock of ours, released or not.
    writing: Arc<AtomicBool>,
}

struct WriterLock(Arc<AtomicBool>);

impl Drop for WriterLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl SealedDirectory {
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenDirectoryError> {
        Ok(Self {
            files: MmapDirectory::open(folder)?,
            writing: Arc::default(),
        })
    }
}

impl Directory for SealedDirectory {
    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let mut bytes = self.files.atomic_read(path)?;
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
        self.files.atomic_write(path, &[data, &seal].concat())?;
        // tantivy syncs the folder before the new name takes the old one's place, and not after: a power
        // cut would undo a commit that was confirmed.
        self.files.sync_directory()
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.files.open_write(path)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        if lock.filepath != INDEX_WRITER_LOCK.filepath {
            return self.files.acquire_lock(lock);
        }
        if self.writing.swap(true, Ordering::AcqRel) {
            return Err(LockError::LockBusy);
        }
        Ok(DirectoryLock::from(Box::new(WriterLock(Arc::clone(
            &self.writing,
        )))))
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}
