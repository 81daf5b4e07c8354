//! The person's way to the network, and the attachments of calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use url::Url;
use vale_egress::BlobSource;

use crate::settings::NetworkSettings;

/// What every gate shares.
pub(crate) struct Network {
    pub(crate) proxy: Option<Url>,
    pub(crate) extra_roots: Vec<Vec<u8>>,
    pub(crate) blobs: Blobs,
}

impl Network {
    /// Reads the certificate files.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn open(settings: &NetworkSettings) -> Result<Self, String> {
        Ok(Self {
            proxy: settings.proxy.clone(),
            extra_roots: certificates(settings)?,
            blobs: Blobs::default(),
        })
    }
}

/// The certificates that the person trusts beside the system's, each in PEM or DER.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn certificates(settings: &NetworkSettings) -> Result<Vec<Vec<u8>>, String> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| {
            format!(
                "the certificate file {} cannot be read: {error}",
                path.display()
            )
        })
    };
    settings.ca_files.iter().map(read).collect()
}

/// Attachments by handle. They live as long as the host.
#[derive(Clone, Default)]
pub(crate) struct Blobs(Arc<Mutex<HashMap<String, Bytes>>>);

impl Blobs {
    /// Keeps bytes and gives their handle.
    pub(crate) fn keep(&self, bytes: Bytes) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), bytes);
        id
    }
}

#[cfg(feature = "conversations")]
impl crate::conversation::Handles for Blobs {
    fn keep(&self, bytes: Bytes) -> String {
        Self::keep(self, bytes)
    }

    fn forget(&self, handle: &str) {
        Self::forget(self, handle);
    }
}

impl Blobs {
    /// Lets go of bytes that nobody needs any more.
    pub(crate) fn forget(&self, id: &str) {
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.remove(id);
    }
}

impl BlobSource for Blobs {
    fn open(&self, id: &str) -> Result<Bytes, String> {
        let blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs
            .get(id)
            .cloned()
            .ok_or_else(|| format!("there is no attachment “{id}”"))
    }
}
