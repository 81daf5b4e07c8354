//! The [`Secret`] type and the places where keys live.
//!
//! A [`Vault`] looks in the environment first ([`EnvStore`]), then in the store that the person
//! chose: the system keyring ([`KeyringStore`]) or, by explicit choice where there is none, a file
//! sealed by a passphrase ([`FileStore`]). Plaintext is never written.
//!
//! Everything here blocks (the keyring for up to its time limit, the file for the length of one
//! Argon2id run), so async callers use a blocking thread.
//!
//! **Must not know:** providers, manifests, HTTP, the sandbox, any user interface. A prompt is a
//! function that the caller hands in.
//!
//! **Invariant** (design.md §2.2): a secret leaves this crate only inside a [`Secret`]; no error,
//! description or name carries one.

mod env;
mod error;
mod file;
mod keyring;
mod name;
mod passphrase;
mod secret;
mod vault;

pub use env::{EnvLookup, EnvStore, process_env};
pub use error::SecretError;
pub use file::FileStore;
pub use keyring::KeyringStore;
pub use name::SecretName;
pub use passphrase::{Ask, Passphrase, PassphraseUse, Passphrases};
pub use secret::Secret;
pub use vault::{Backend, Source, Vault, VaultConfig};

/// A place where secrets are kept. All calls block.
pub trait SecretStore: Send + Sync {
    /// The secret of that name, or `None` where none was set.
    ///
    /// # Errors
    /// When the store cannot tell; see [`SecretError`].
    fn get(&self, name: &SecretName) -> Result<Option<Secret>, SecretError>;

    /// Keeps `secret` under `name` in place of what was there; durable on return.
    ///
    /// # Errors
    /// When nothing was stored; what was there before is then untouched.
    fn set(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError>;

    /// Removes the secret of that name; `false` where there was none.
    ///
    /// # Errors
    /// When it could not be removed.
    fn remove(&self, name: &SecretName) -> Result<bool, SecretError>;

    /// Where keys live, in words for the person (`valechat doctor`). Touches nothing.
    fn describe(&self) -> String;
}
