//! An encrypted file, for machines without a keyring, by the person's explicit choice.

mod disk;
mod entries;
mod format;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use entries::Entries;
use format::{Cost, HEADER_LEN, Key, Lock, Sealed, TAG_LEN};

use crate::{PassphraseUse, Passphrases, Secret, SecretError, SecretName, SecretStore};

/// Secrets in one file, sealed with XChaCha20-Poly1305 under a key that Argon2id makes from a
/// passphrase.
///
/// The passphrase is asked for once: the derived key (not the passphrase) is kept, zeroed on drop,
/// for as long as the file's salt stays the same. Several processes may use one file: readers see
/// the old or the new whole, writers take turns under a lock and read again before they write.
///
/// On Unix the file has mode 0600 (a looser one is corrected when it is next read) in a folder that
/// is made with 0700; a file of another user, a link, and a folder open to everybody are refused.
pub struct FileStore {
    path: PathBuf,
    passphrases: Passphrases,
    cost: Cost,
    unlocked: Mutex<Option<(Lock, Key)>>,
}

impl FileStore {
    /// A store in the file at `path`, which is created by the first [`SecretStore::set`].
    #[must_use]
    pub fn new(path: PathBuf, passphrases: Passphrases) -> Self {
        Self {
            path,
            passphrases,
            cost: Cost::STANDARD,
            unlocked: Mutex::new(None),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's content and the key it is under; `None` where there is no file.
    fn load(&self, unlocked: &mut Option<(Lock, Key)>) -> Result<Option<Entries>, SecretError> {
        let Some(bytes) = disk::read(&self.path)? else {
            return Ok(None);
        };
        let sealed = Sealed::parse(&bytes, &self.path)?;
        let key = match unlocked {
            Some((lock, key)) if *lock == sealed.lock => &*key,
            _ => {
                let passphrase = self.passphrases.find(PassphraseUse::Open, &self.path)?;
                let key = sealed.lock.open(&passphrase, &self.path)?;
                &unlocked.insert((sealed.lock.clone(), key)).1
            }
        };
        let content = sealed.unseal(key, &self.path)?;
        let damaged = || SecretError::Damaged {
            path: self.path.clone(),
        };
        Entries::decode(&content).map(Some).ok_or_else(damaged)
    }

    fn store(&self, (lock, key): &(Lock, Key), entries: &Entries) -> Result<(), SecretError> {
        let full = || SecretError::Full {
            max: disk::MAX_FILE_LEN,
        };
        let content = entries.encode().ok_or_else(full)?;
        if HEADER_LEN + content.len() + TAG_LEN > disk::MAX_FILE_LEN {
            return Err(full());
        }
        disk::replace(&self.path, &format::seal(lock, key, content)?)
    }

    fn unlocked(&self) -> MutexGuard<'_, Option<(Lock, Key)>> {
        self.unlocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecretStore for FileStore {
    fn get(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        let entries = self.load(&mut self.unlocked())?;
        Ok(entries.and_then(|mut entries| entries.take(name)))
    }

    fn set(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        disk::prepare_folder(&self.path)?;
        let mut unlocked = self.unlocked();
        // Before taking the lock: whoever is asked for a passphrase may take long to answer.
        if self.load(&mut unlocked)?.is_none() {
            let passphrase = self.passphrases.find(PassphraseUse::Create, &self.path)?;
            *unlocked = Some(Lock::create(&passphrase, self.cost)?);
        }
        let _writing = disk::lock(&self.path)?;
        let mut entries = self.load(&mut unlocked)?.unwrap_or_else(Entries::new);
        entries.insert(name, secret.duplicate());
        let open = unlocked.as_ref().ok_or(SecretError::NoPassphrase)?;
        self.store(open, &entries)
    }

    fn remove(&self, name: &SecretName) -> Result<bool, SecretError> {
        let mut unlocked = self.unlocked();
        if self.load(&mut unlocked)?.is_none() {
            return Ok(false);
        }
        let _writing = disk::lock(&self.path)?;
        let Some(mut entries) = self.load(&mut unlocked)? else {
            return Ok(false);
        };
        let Some(open) = unlocked.as_ref() else {
            return Ok(false);
        };
        if entries.take(name).is_none() {
            return Ok(false);
        }
        self.store(open, &entries)?;
        Ok(true)
    }

    fn describe(&self) -> String {
        format!(
            "the file {}, encrypted with a passphrase (Argon2id, XChaCha20-Poly1305)",
            self.path.display()
        )
    }
}

#[cfg(test)]
mod tests;
