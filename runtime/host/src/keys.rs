//! Keys of providers, through the vault.

use std::sync::atomic::Ordering;

use vale_secrets::{Secret, SecretError, Source};
use vale_types::Failure;

use crate::profile::Profile;
use crate::provider::secret_name;

impl Profile {
    /// Keys were set or removed by somebody: what was prepared with the old ones is not used any
    /// more.
    pub fn keys_changed(&self) {
        self.0.key_changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Where keys live, in words.
    #[must_use]
    pub fn key_stores(&self) -> String {
        self.0.vault.describe()
    }

    /// Finds the key of a provider, or of a tool as [`tool_owner`](crate::tool_owner) names it; for whether it is set and where, never to show it.
    ///
    /// # Errors
    /// When the store cannot tell. Blocks: call it on a blocking thread.
    pub fn key_source(
        &self,
        owner: &str,
        credential: &str,
        first: bool,
    ) -> Result<Option<Source>, KeyError> {
        let name = secret_name(owner, credential, first).map_err(KeyError::Name)?;
        Ok(self.0.vault.get(&name)?.map(|(_, source)| source))
    }

    /// Keeps a key. Blocks.
    ///
    /// # Errors
    /// When nothing was stored.
    pub fn set_key(
        &self,
        owner: &str,
        credential: &str,
        first: bool,
        secret: &Secret,
    ) -> Result<(), KeyError> {
        let name = secret_name(owner, credential, first).map_err(KeyError::Name)?;
        self.0.vault.set(&name, secret)?;
        self.keys_changed();
        Ok(())
    }

    /// Forgets a key; false when there was none. Blocks.
    ///
    /// # Errors
    /// When it could not be removed.
    pub fn remove_key(&self, owner: &str, credential: &str, first: bool) -> Result<bool, KeyError> {
        let name = secret_name(owner, credential, first).map_err(KeyError::Name)?;
        let removed = self.0.vault.remove(&name)?;
        self.keys_changed();
        Ok(removed)
    }
}

/// Why a key could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] SecretError),
    /// The name.
    #[error(transparent)]
    Name(Failure),
}
