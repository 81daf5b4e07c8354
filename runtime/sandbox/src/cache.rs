//! Compiled code, kept between runs.
//!
//! wasmtime's loader trusts the bytes it is given, so only our own output is ever loaded: each
//! file begins with a keyed MAC over its name and its code. The key lies in the profile's state
//! folder; code from anywhere else does not verify and is compiled anew.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

type HmacSha256 = Hmac<Sha256>;

/// Bytes of the MAC that precedes the code.
const MAC_LEN: usize = 32;
/// Bytes of the key.
const KEY_LEN: usize = 32;

/// Why the cache cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A folder or the key file cannot be read or written.
    #[error(
        "the folder for compiled plugins cannot be used ({path}): {source}; check its permissions and free space"
    )]
    Io {
        /// What was touched.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The operating system gave no randomness for the key.
    #[error("no random key for compiled plugins could be made: {0}")]
    Random(String),
}

/// A folder of compiled components and the key that seals them.
pub struct CodeCache {
    folder: PathBuf,
    key: [u8; KEY_LEN],
}

impl std::fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeCache")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// What the cache had to say.
pub(crate) enum Lookup {
    Hit(Component),
    Miss,
    /// A file was there and was not ours, torn or of another engine.
    Refused(&'static str),
}

impl CodeCache {
    /// Opens or creates the folder (mode 0700) and the key file (mode 0600).
    ///
    /// # Errors
    /// When either cannot be read or written.
    pub fn open(folder: &Path, key_file: &Path) -> Result<Self, CacheError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { path, source }
        };
        create_private_folder(folder).map_err(io_error(folder))?;
        if let Some(parent) = key_file.parent() {
            create_private_folder(parent).map_err(io_error(parent))?;
        }
        let key = match fs::read(key_file) {
            Ok(bytes) => <[u8; KEY_LEN]>::try_from(bytes).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(key_file)(error)),
        };
        let key = match key {
            Some(key) => key,
            // A missing or damaged key only means that everything is compiled once more.
            None => new_key(key_file)?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            key,
        })
    }

    /// The file for this component under this engine.
    fn path(&self, engine: &wasmtime::Engine, wasm_sha256: &[u8; 32]) -> PathBuf {
        let mut hasher = Fnv::default();
        std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
        let engine_hash = std::hash::Hasher::finish(&hasher);
        self.folder
            .join(format!("{}-{engine_hash:016x}.cwasm", hex(wasm_sha256)))
    }

    fn mac(&self, path: &Path, code: &[u8]) -> Option<HmacSha256> {
        let mut mac = HmacSha256::new_from_slice(&self.key).ok()?;
        mac.update(path.file_name()?.as_encoded_bytes());
        mac.update(code);
        Some(mac)
    }

    pub(crate) fn load(&self, engine: &wasmtime::Engine, wasm_sha256: &[u8; 32]) -> Lookup {
        let path = self.path(engine, wasm_sha256);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Lookup::Miss,
            Err(_) => return Lookup::Refused("it cannot be read"),
        };
        let Some((seal, code)) = bytes.split_at_checked(MAC_LEN) else {
            return Lookup::Refused("it is cut short");
        };
        let genuine = self
            .mac(&path, code)
            .is_some_and(|mac| mac.verify_slice(seal).is_ok());
        if !genuine {
            return Lookup::Refused("it is damaged or not ours");
        }
        #[expect(unsafe_code, reason = "wasmtime's loader")]
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        // SAFETY: `deserialize` is unsafe because it runs whatever machine code it is given. The
        // MAC, made with a key that only this profile has, says that these bytes are this
        // program's own output for this component, and they are checked in the memory that is
        // loaded, so they cannot change in between.
        let loaded = unsafe { Component::deserialize(engine, code) };
        match loaded {
            Ok(component) => Lookup::Hit(component),
            Err(_) => Lookup::Refused("it is of another engine"),
        }
    }

    /// Keeps the code: written aside, then renamed. A failure costs speed and nothing else.
    pub(crate) fn store(
        &self,
        engine: &wasmtime::Engine,
        wasm_sha256: &[u8; 32],
        component: &Component,
    ) -> Result<(), String> {
        let code = component
            .serialize()
            .map_err(|error| format!("{error:#}"))?;
        let path = self.path(engine, wasm_sha256);
        let seal = self
            .mac(&path, &code)
            .ok_or("no seal")?
            .finalize()
            .into_bytes();
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).map_err(|error| error.to_string())?;
        let aside = self.folder.join(format!(".{}.tmp", hex(&unique)));
        let written =
            write_private(&aside, &[&seal, &code]).and_then(|()| fs::rename(&aside, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&aside);
            error.to_string()
        })
    }
}

fn new_key(key_file: &Path) -> Result<[u8; KEY_LEN], CacheError> {
    let mut key = [0; KEY_LEN];
    getrandom::fill(&mut key).map_err(|error| CacheError::Random(error.to_string()))?;
    let aside = key_file.with_extension(format!("{:x}.tmp", std::process::id()));
    write_private(&aside, &[&key])
        .and_then(|()| fs::rename(&aside, key_file))
        .map_err(|source| CacheError::Io {
            path: key_file.to_owned(),
            source,
        })?;
    Ok(key)
}

fn write_private(path: &Path, pieces: &[&[u8]]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    for piece in pieces {
        file.write_all(piece)?;
    }
    file.sync_all()
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// FNV-1a, 64 bit: std's hasher may change between Rust releases, and this names files.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
