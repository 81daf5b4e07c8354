//! Everything that can go wrong with a key, as sentences for the person.

use std::path::PathBuf;
use std::time::Duration;

/// Why a secret could not be made, found, stored or removed.
///
/// Each message says what happened and the next step. None carries a secret, a passphrase or text
/// taken from either: the values are not reachable from here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The value has no characters in it.
    #[error("the key is empty. Copy the whole key from the provider's page and enter it again.")]
    Empty,

    /// The value holds a character that cannot travel in an HTTP header.
    #[error(
        "the key holds {what} at character {position}, which no provider's key contains and no \
         request can carry. Copy the key again, without spaces, line breaks or quotation marks \
         around it."
    )]
    Unusable {
        /// The kind of character, in words; never the character itself.
        what: &'static str,
        /// Where it stands, counted in characters from 1.
        position: usize,
    },

    /// The value is longer than [`Secret::MAX_LEN`](crate::Secret::MAX_LEN).
    #[error(
        "the key is {len} characters long and at most {max} are accepted. Enter the key alone, \
         not the file or page around it."
    )]
    TooLong {
        /// Its length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },

    /// A provider or credential name that is empty, too long or holds control characters.
    #[error("`{0}` cannot name a key. Use the provider's id as `valechat provider list` shows it.")]
    BadName(String),

    /// The environment holds a variable that is not text.
    #[error("the environment variable {0} is not text (UTF-8). Set it to the key alone.")]
    EnvNotText(String),

    /// The environment holds a value that is not a key.
    #[error("the environment variable {variable} does not hold a usable key: {source}")]
    EnvUnusable {
        /// The variable's name.
        variable: String,
        /// What is wrong with its value.
        source: Box<SecretError>,
    },

    /// The environment can be read, never written.
    #[error(
        "a key in the environment variable {0} cannot be changed from here. Change or unset the \
         variable where it was set."
    )]
    EnvReadOnly(String),

    /// The system keyring did not answer, is locked or does not exist.
    #[error(
        "the system keyring is not available: {reason}. Unlock it or log in to a desktop session \
         and try again; or keep the key in an encrypted file instead: `valechat key set --store \
         file`."
    )]
    KeyringUnavailable {
        /// What the system said, or how long it was silent.
        reason: String,
    },

    /// The keyring works but refused or garbled this entry.
    #[error(
        "the system keyring could not handle the entry for {name}: {reason}. Remove the entry with \
         the system's keyring application and set the key again."
    )]
    KeyringEntry {
        /// Provider and credential.
        name: String,
        /// What the system said.
        reason: String,
    },

    /// A file or folder could not be read or written.
    #[error(
        "{action} {} failed: {source}. {}",
        path.display(),
        io_advice(source)
    )]
    Io {
        /// What was being done, as in "writing".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// Another process holds the lock of the secrets file.
    #[error(
        "another program has kept {} locked for {} seconds. Close the other ValeChat window or \
         command and try again.",
        path.display(),
        waited.as_secs()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long this call waited.
        waited: Duration,
    },

    /// The secrets file belongs to somebody else or is no ordinary file.
    #[error(
        "{} {problem}, so it is not used. Make it an ordinary file of your own that nobody else may \
         read, or name another file.",
        path.display()
    )]
    UnsafeFile {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The file is not one of ours, or a newer ValeChat wrote it.
    #[error(
        "{} is not a secrets file that this version can read: {problem}. Update ValeChat, or move \
         the file away and set the keys again.",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// What did not fit.
        problem: &'static str,
    },

    /// The passphrase does not open this file.
    #[error(
        "the passphrase does not open {}. Try again; if it is surely right, the first part of the \
         file is damaged: restore a copy, or move the file away and set the keys again.",
        path.display()
    )]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },

    /// The content was changed or cut short since it was written.
    #[error(
        "{} is damaged: its content is not what ValeChat wrote. Restore a copy of the file, or \
         move it away and set the keys again.",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },

    /// No passphrase was found anywhere.
    #[error(
        "the secrets file needs a passphrase and there is none. Run the command in a terminal that \
         can ask for it, put its path in VALECHAT_PASSPHRASE_FILE, or give the service a credential \
         named valechat-passphrase."
    )]
    NoPassphrase,

    /// The passphrase is too short, too long or not text.
    #[error("the passphrase cannot be used: {0}. Choose another one.")]
    BadPassphrase(&'static str),

    /// The passphrase file lies beside the file that it opens.
    #[error(
        "the passphrase file {} lies in the same folder as the secrets file, which protects \
         nothing: whoever copies one copies both. Move it to another folder, best on another disk \
         or in the service manager's credential store.",
        path.display()
    )]
    PassphraseBesideFile {
        /// The passphrase file.
        path: PathBuf,
    },

    /// The operating system gave no random bytes, or the memory that sealing needs.
    #[error("the system could not provide {0}. Close other programs and try again.")]
    System(&'static str),

    /// The store holds more than it may.
    #[error(
        "the secrets file would grow over {max} bytes. Remove keys that are no longer used with \
         `valechat key remove`."
    )]
    Full {
        /// The limit, in bytes.
        max: usize,
    },
}

impl SecretError {
    /// Whether another store may work where this one does not.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeyringUnavailable { .. })
    }
}

fn io_advice(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => {
            "The disk is full: free some space and try again; what was stored before is untouched."
        }
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
            "Check that you may write to this folder, or name another one."
        }
        Kind::NotFound => "Check that the path exists.",
        _ => "Check the disk and the path, then try again.",
    }
}
