//! One plugin on disk that can be loaded, and its component's bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::Manifest;
use crate::package::{Package, PackageError};
use crate::record::Record;
use crate::sections;

/// A component larger than this is not read, bytes. A Python guest with its interpreter has about
/// 20 MiB; ours have 0.1 to 1.
pub const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;

/// A plugin that can be loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct Installed {
    /// Its folder.
    pub path: PathBuf,
    /// Which of the scanned directories it lies in, counted from 0. Whether that is the one that
    /// came with the program, the caller knows.
    pub dir: usize,
    /// What it asks for.
    pub manifest: Manifest,
    /// Its component, possibly in another plugin's folder.
    pub component_path: PathBuf,
    /// What is kept of a plugin that the person installed; none = it came with the program.
    pub record: Option<Record>,
}

/// A component's bytes and their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The file.
    pub bytes: Vec<u8>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl Component {
    /// The digest in lower-case hexadecimal.
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }
}

/// SHA-256 of bytes in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a component could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// The file is gone, unreadable or no regular file.
    #[error("could not read the component {path}: {error}. Install the plugin again.")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Larger than [`MAX_COMPONENT_BYTES`].
    #[error("the component {path} is larger than {} MiB and was not read. Ask its author for a smaller one.", MAX_COMPONENT_BYTES >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A core module, not a component.
    #[error(
        "{path} is a WebAssembly module, not a component. Its author must wrap it with wit-component."
    )]
    CoreModule {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not those that were installed.
    #[error(
        "{path} has changed since the plugin was installed, so it is not run. Install the plugin again from a file that you trust."
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The file is no package any more.
    #[error("{path} cannot be used: {error}. Install the plugin again.")]
    Package {
        /// The file.
        path: PathBuf,
        /// Why.
        error: PackageError,
    },
    /// No WebAssembly at all, or cut off in the first bytes.
    #[error(
        "{path} is not a WebAssembly component ({size} bytes): it is damaged or something else. Install the plugin again."
    )]
    NotComponent {
        /// The file.
        path: PathBuf,
        /// Its size, bytes.
        size: usize,
    },
}

impl Installed {
    /// Reads the component, whole.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or does not begin as a component does. Whether the
    /// rest is valid, the sandbox finds out.
    pub fn component_bytes(&self) -> Result<Component, ComponentError> {
        let path = || self.component_path.clone();
        let bytes = read_capped(&self.component_path, MAX_COMPONENT_BYTES)
            .map_err(|error| ComponentError::Io {
                path: path(),
                error,
            })?
            .ok_or_else(|| ComponentError::TooLarge { path: path() })?;
        if bytes.starts_with(&sections::MODULE) {
            return Err(ComponentError::CoreModule { path: path() });
        }
        if !bytes.starts_with(&sections::COMPONENT) {
            return Err(ComponentError::NotComponent {
                path: path(),
                size: bytes.len(),
            });
        }
        let component = Component {
            sha256: Sha256::digest(&bytes).into(),
            bytes,
        };
        match &self.record {
            Some(record) if record.current.sha256 != component.sha256_hex() => {
                Err(ComponentError::Changed { path: path() })
            }
            _ => Ok(component),
        }
    }

    /// Reads the component and, where they are one file, the manifest from the very bytes that were
    /// checked: what the file said at another time does not count.
    ///
    /// # Errors
    /// As [`Self::component_bytes`].
    pub fn open(&self) -> Result<(Self, Component), ComponentError> {
        let component = self.component_bytes()?;
        let mut opened = self.clone();
        if self.record.is_some() {
            let package =
                Package::of_bytes(&component.bytes).map_err(|error| ComponentError::Package {
                    path: self.component_path.clone(),
                    error,
                })?;
            opened.manifest = package.manifest;
        }
        Ok((opened, component))
    }

    /// Tells one state of a plugin from another without reading its code: its version's hash where the
    /// person installed it, else its file.
    #[must_use]
    pub fn state(&self) -> String {
        match &self.record {
            Some(record) => record.current.sha256.clone(),
            None => self.component_path.display().to_string(),
        }
    }
}

/// The whole of a regular file, or nothing when it is larger than `cap`.
pub(crate) fn read_capped(path: &Path, cap: u64) -> io::Result<Option<Vec<u8>>> {
    // Opening a pipe would wait for a writer for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(cap.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= cap).then_some(bytes))
}
