//! The files of messages on their way to where the caller keeps them.

use std::io::{self, Read};

use crate::model::BlobHash;

use super::report::ImportError;

/// Where files go. The caller's: the store's blobs, in the product.
pub trait FileStore {
    /// Stores what `bytes` gives, to its end, under its BLAKE3 hash.
    ///
    /// # Errors
    /// What kept it from being stored, or what `bytes` failed with; then nothing is stored.
    fn put(&mut self, bytes: &mut dyn Read) -> io::Result<StoredFile>;

    /// Whether the file is there already.
    fn has(&self, hash: &BlobHash) -> bool;
}

impl<T: FileStore + ?Sized> FileStore for &mut T {
    fn put(&mut self, bytes: &mut dyn Read) -> io::Result<StoredFile> {
        (**self).put(bytes)
    }
    fn has(&self, hash: &BlobHash) -> bool {
        (**self).has(hash)
    }
}

/// A file that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name.
    pub hash: BlobHash,
    /// Bytes.
    pub size: u64,
}

/// Keeps nothing: for a look at what an import would bring.
#[derive(Debug, Clone, Copy, Default)]
pub struct HashOnly;

impl FileStore for HashOnly {
    fn put(&mut self, bytes: &mut dyn Read) -> io::Result<StoredFile> {
        let mut hasher = blake3::Hasher::new();
        let size = io::copy(bytes, &mut hasher)?;
        let hash = BlobHash::new(*hasher.finalize().as_bytes());
        Ok(StoredFile { hash, size })
    }
    fn has(&self, _: &BlobHash) -> bool {
        false
    }
}

/// Why a file did not come in although the import goes on.
#[derive(Debug)]
pub(super) enum Unstored {
    /// The export's side failed: it is damaged, or over the limit.
    Unreadable,
    /// Our side failed.
    Fatal(ImportError),
}

/// Stores `bytes`, at most `limit` of them, and tells whose fault a failure is.
pub(super) fn put<F: FileStore>(
    files: &mut F,
    bytes: &mut dyn Read,
    limit: u64,
) -> Result<StoredFile, Unstored> {
    let mut watched = Watched {
        inner: bytes,
        left: limit,
        failure: None,
    };
    match files.put(&mut watched) {
        Ok(stored) => Ok(stored),
        Err(error) => match watched.failure {
            // The callback's wish comes through the reader, and is no fault of the file.
            Some(failure) => match ImportError::from(failure) {
                ImportError::Stopped => Err(Unstored::Fatal(ImportError::Stopped)),
                _ => Err(Unstored::Unreadable),
            },
            None => Err(Unstored::Fatal(ImportError::Store(error))),
        },
    }
}

/// Remembers its own failure, and ends at a limit.
struct Watched<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    failure: Option<io::Error>,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(error);
                return Err(told);
            }
        };
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                let over = "the file is over the limit";
                self.failure = Some(io::Error::other(over));
                return Err(io::Error::other(over));
            }
        }
        Ok(read)
    }
}
