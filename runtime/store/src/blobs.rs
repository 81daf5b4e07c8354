//! Attachments and long texts: files named by the BLAKE3 hash of what they hold.
//!
//! A blob is durable before a record names it. It never changes; what no record names is collected.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Disk, read_all};
use crate::error::{Damage, StoreError};

pub(crate) const FOLDER: &str = "blobs";

/// What a blob is named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash([u8; 32]);

impl BlobHash {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the hash itself.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn folder(&self) -> String {
        let hex = self.to_string();
        format!("{FOLDER}/{}", hex.get(..2).unwrap_or_default())
    }

    pub(crate) fn path(&self) -> String {
        format!("{}/{self}", self.folder())
    }
}

impl std::fmt::Display for BlobHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl FromStr for BlobHash {
    type Err = StoreError;

    fn from_str(hex: &str) -> Result<Self, StoreError> {
        let hash = blake3::Hash::from_hex(hex).map_err(|error| StoreError::Io {
            what: format!("reading the hash {hex:?}"),
            error: error.to_string(),
            is_full: false,
        })?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// The blobs of a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    disk: Arc<dyn Disk>,
    /// Put since the store was opened: a record that names them may be on its way.
    fresh: Arc<Mutex<BTreeSet<BlobHash>>>,
}

impl Blobs {
    /// The blobs on a store's disk.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            fresh: Arc::default(),
        }
    }

    /// Keeps bytes; when this returns they are durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobHash, StoreError> {
        let hash = BlobHash::of(bytes);
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.insert(hash);
        let path = hash.path();
        match self.disk.open(&path).and_then(|file| file.len()) {
            Ok(len) if len == bytes.len() as u64 => {
                // A process that was killed may have left its name unsynced.
                return self
                    .disk
                    .sync_folder(&hash.folder())
                    .and_then(|()| self.disk.sync_folder(FOLDER))
                    .map(|()| hash)
                    .map_err(StoreError::io(format!("writing {path}")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io(format!("reading {path}"))(error)),
        }
        let write = || {
            self.disk.create_folder(FOLDER)?;
            self.disk.create_folder(&hash.folder())?;
            self.disk.sync_folder(FOLDER)?;
            crate::disk::write_whole(&*self.disk, &path, bytes)
        };
        write().map_err(StoreError::io(format!("writing {path}")))?;
        Ok(hash)
    }

    /// The bytes of a blob, checked against its name.
    ///
    /// # Errors
    /// Damage when they are not what was put, or are gone; the disk's.
    pub fn get(&self, hash: BlobHash) -> Result<Vec<u8>, StoreError> {
        let path = hash.path();
        let damaged = |what: &str| {
            StoreError::Damaged(Damage {
                segment: path.clone(),
                offset: 0,
                what: what.to_owned(),
            })
        };
        let bytes = match read_all(&*self.disk, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(damaged("the attachment is gone"));
            }
            Err(error) => return Err(StoreError::io(format!("reading {path}"))(error)),
        };
        if BlobHash::of(&bytes) == hash {
            Ok(bytes)
        } else {
            Err(damaged("the attachment is not what was put there"))
        }
    }

    /// Every blob that is there, with its size in bytes.
    ///
    /// # Errors
    /// The disk's.
    pub fn list(&self) -> Result<Vec<(BlobHash, u64)>, StoreError> {
        let listing = || StoreError::io("listing the attachments");
        let mut found = Vec::new();
        for folder in self.disk.list(FOLDER).map_err(listing())? {
            let path = format!("{FOLDER}/{}", folder.name);
            for entry in self.disk.list(&path).map_err(listing())? {
                if let Ok(hash) = entry.name.parse() {
                    found.push((hash, entry.len));
                }
            }
        }
        Ok(found)
    }

    /// Removes every blob that is not in use, but for those of this session when `even_fresh` is not
    /// said. Gives how many went, and their bytes.
    ///
    /// # Errors
    /// The disk's.
    pub fn collect(
        &self,
        in_use: &BTreeSet<BlobHash>,
        even_fresh: bool,
    ) -> Result<(usize, u64), StoreError> {
        let mut gone = (0, 0);
        for (hash, bytes) in self.list()? {
            let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            if in_use.contains(&hash) || (!even_fresh && fresh.contains(&hash)) {
                continue;
            }
            // Held while it is removed, so that nobody is told that it is there.
            let path = hash.path();
            let removed = self.disk.remove(&path);
            drop(fresh);
            removed.map_err(StoreError::io(format!("removing {path}")))?;
            self.disk
                .sync_folder(&hash.folder())
                .map_err(StoreError::io(format!("removing {path}")))?;
            gone = (gone.0 + 1, gone.1 + bytes);
        }
        Ok(gone)
    }
}
