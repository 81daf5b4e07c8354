//! The attachments of one tool call: what it makes, it alone may read.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use vale_egress::BlobSource as _;
use vale_sandbox::{BlobError, BlobStore};
use vale_types::Blob;

use crate::network::Blobs;

/// Over the host's attachments. What a call made lives on when its result names it.
pub(crate) struct CallBlobs {
    all: Blobs,
    /// Handles that this call made.
    made: Mutex<Vec<String>>,
}

impl CallBlobs {
    pub(crate) fn new(all: Blobs) -> Self {
        Self {
            all,
            made: Mutex::default(),
        }
    }

    /// Forgets what the call made, but for what its result names.
    pub(crate) fn keep_only(&self, named: &[&str]) {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for id in made.iter().filter(|id| !named.contains(&id.as_str())) {
            self.all.forget(id);
        }
    }
}

impl BlobStore for CallBlobs {
    // A call carries no attachments yet: its arguments are JSON alone.
    fn given(&self) -> Vec<Blob> {
        Vec::new()
    }

    fn read(&self, id: &str, offset: u64, len: usize) -> Result<Vec<u8>, BlobError> {
        let is_own = {
            let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.iter().any(|made| made == id)
        };
        if !is_own {
            return Err(BlobError::Unknown);
        }
        let bytes = self.all.open(id).map_err(|_| BlobError::Unknown)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = bytes.get(start..start.saturating_add(len));
        Ok(range.ok_or(BlobError::TooLarge)?.to_vec())
    }

    fn put(&self, media_type: &str, name: Option<&str>, bytes: Vec<u8>) -> Result<Blob, BlobError> {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let id = self.all.keep(Bytes::from(bytes));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.push(id.clone());
        Ok(Blob {
            id,
            media_type: media_type.to_owned(),
            size,
            name: name.map(str::to_owned),
        })
    }
}
