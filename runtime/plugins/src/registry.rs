//! The plugin folders on disk: `<dir>/<folder>/{plugin.toml, component.wasm}`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::manifest::Manifest;
use crate::problem::ManifestError;
use crate::text::MAX_MANIFEST_BYTES;

/// The manifest's file name.
pub const MANIFEST_FILE: &str = "plugin.toml";
/// The component's file name.
pub const COMPONENT_FILE: &str = "component.wasm";
/// A component larger than this is not read, bytes. A Python guest with its interpreter has about
/// 20 MiB; ours have 0.1 to 1.
pub const MAX_COMPONENT_BYTES: u64 = 64 * 1024 * 1024;
/// Most folders looked at in one directory.
pub const MAX_ENTRIES: usize = 1000;

/// First bytes of a component: magic, version 13, layer 1 (component-model binary format).
const COMPONENT_PREAMBLE: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
/// First bytes of a core module, the usual thing to have instead.
const MODULE_PREAMBLE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

/// What lies in the plugin folders.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One folder.
#[derive(Debug)]
pub enum Entry {
    /// Its manifest is good and its component is there (not yet read).
    Ready(Box<Installed>),
    /// It cannot be used, and why; the others can.
    Broken {
        /// The folder, or the directory of folders when that could not be read.
        path: PathBuf,
        /// Why.
        error: EntryError,
    },
}

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
}

/// Why a folder is no usable plugin.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The manifest has mistakes.
    #[error("{MANIFEST_FILE} has mistakes:\n{0}")]
    Manifest(#[from] ManifestError),
    /// A component without a manifest.
    #[error("there is a {COMPONENT_FILE} but no {MANIFEST_FILE}. Write one, or remove the folder.")]
    NoManifest,
    /// The manifest is no UTF-8.
    #[error("{MANIFEST_FILE} is not UTF-8 text from byte {offset} on. Save it as UTF-8.")]
    NotText {
        /// First wrong byte, from 0.
        offset: usize,
    },
    /// The manifest is too large.
    #[error("{MANIFEST_FILE} is larger than {MAX_MANIFEST_BYTES} bytes. Shorten it.")]
    ManifestTooLarge,
    /// Neither an own nor a named component is there.
    #[error("{component} is missing. Build or install the component it comes from.")]
    NoComponent {
        /// What was looked for.
        component: String,
    },
    /// An id that another folder has already.
    #[error("the id `{id}` is taken by {first}. Remove one of the two, or change its id.")]
    Duplicate {
        /// The id.
        id: String,
        /// The folder that has it.
        first: PathBuf,
    },
    /// More folders than are looked at.
    #[error("there are more than {MAX_ENTRIES} folders here; the rest is ignored. Remove some.")]
    TooMany,
    /// The disk said no.
    #[error("could not read {path}: {error}. Check that it exists and may be read.")]
    Io {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
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
        self.sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
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
        if bytes.starts_with(&MODULE_PREAMBLE) {
            return Err(ComponentError::CoreModule { path: path() });
        }
        if !bytes.starts_with(&COMPONENT_PREAMBLE) {
            return Err(ComponentError::NotComponent {
                path: path(),
                size: bytes.len(),
            });
        }
        let sha256 = Sha256::digest(&bytes).into();
        Ok(Component { bytes, sha256 })
    }
}

impl Registry {
    /// Looks through `dirs` in order, each folder by name. A directory that does not exist holds
    /// nothing; an id that was seen before is broken, so nothing later replaces it silently.
    pub fn scan(dirs: &[PathBuf]) -> Self {
        let mut scan = Scan::default();
        for (dir, path) in dirs.iter().enumerate() {
            scan.directory(dir, path);
        }
        scan.finish()
    }

    /// Every folder in the order of the scan.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The plugins that can be loaded.
    pub fn ready(&self) -> impl Iterator<Item = &Installed> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Ready(installed) => Some(installed.as_ref()),
            Entry::Broken { .. } => None,
        })
    }

    /// The folders that cannot, with the reasons.
    pub fn broken(&self) -> impl Iterator<Item = (&Path, &EntryError)> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Ready(_) => None,
            Entry::Broken { path, error } => Some((path.as_path(), error)),
        })
    }

    /// The plugin with this id.
    pub fn get(&self, id: &str) -> Option<&Installed> {
        self.ready()
            .find(|installed| installed.manifest.id.as_str() == id)
    }
}

/// A folder that was read, before components of other folders are looked up.
struct Folder {
    path: PathBuf,
    dir: usize,
    name: String,
    has_component: bool,
    manifest: Result<Manifest, EntryError>,
}

#[derive(Default)]
struct Scan {
    folders: Vec<Folder>,
    broken: Vec<(PathBuf, EntryError)>,
}

impl Scan {
    fn directory(&mut self, dir: usize, path: &Path) {
        let mut names: Vec<PathBuf> = match list(path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let error = EntryError::Io {
                    path: path.to_owned(),
                    error,
                };
                self.broken.push((path.to_owned(), error));
                return;
            }
        };
        names.sort();
        if names.len() > MAX_ENTRIES {
            self.broken.push((path.to_owned(), EntryError::TooMany));
        }
        for folder in names.into_iter().take(MAX_ENTRIES) {
            let has_component = folder.join(COMPONENT_FILE).is_file();
            let has_manifest = folder.join(MANIFEST_FILE).exists();
            if has_component || has_manifest {
                self.folders.push(Folder {
                    name: folder
                        .file_name()
                        .map(|name| name.to_string_lossy().into_owned())
                        .unwrap_or_default(),
                    manifest: read_manifest(&folder),
                    path: folder,
                    dir,
                    has_component,
                });
            }
        }
    }

    fn finish(self) -> Registry {
        let components: Vec<(usize, String, PathBuf)> = self
            .folders
            .iter()
            .filter(|folder| folder.has_component)
            .map(|folder| {
                (
                    folder.dir,
                    folder.name.clone(),
                    folder.path.join(COMPONENT_FILE),
                )
            })
            .collect();
        let borrowed: Vec<String> = self
            .folders
            .iter()
            .filter_map(|folder| folder.manifest.as_ref().ok()?.component.clone())
            .collect();
        let mut taken: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut entries: Vec<Entry> = self
            .broken
            .into_iter()
            .map(|(path, error)| Entry::Broken { path, error })
            .collect();
        for folder in self.folders {
            // A folder with nothing but a component that others use is no plugin and no mistake.
            let only_lends = matches!(folder.manifest, Err(EntryError::NoManifest))
                && borrowed.contains(&folder.name);
            if only_lends {
                continue;
            }
            let path = folder.path.clone();
            entries.push(match install(folder, &components, &mut taken) {
                Ok(installed) => Entry::Ready(Box::new(installed)),
                Err(error) => Entry::Broken { path, error },
            });
        }
        Registry { entries }
    }
}

fn install(
    folder: Folder,
    components: &[(usize, String, PathBuf)],
    taken: &mut BTreeMap<String, PathBuf>,
) -> Result<Installed, EntryError> {
    let manifest = folder.manifest?;
    let id = manifest.id.to_string();
    if let Some(first) = taken.get(&id) {
        return Err(EntryError::Duplicate {
            id,
            first: first.clone(),
        });
    }
    // Also taken when the component is missing: a later folder must not slip into its place.
    taken.insert(id, folder.path.clone());
    let component_path = match &manifest.component {
        // The build lays a borrowed component beside each manifest that borrows it.
        _ if folder.has_component => folder.path.join(COMPONENT_FILE),
        None => {
            return Err(EntryError::NoComponent {
                component: COMPONENT_FILE.to_owned(),
            });
        }
        // The same directory first, then the others in order.
        Some(wanted) => components
            .iter()
            .filter(|(_, name, _)| name == wanted)
            .min_by_key(|(dir, ..)| (*dir != folder.dir, *dir))
            .map(|(.., path)| path.clone())
            .ok_or_else(|| EntryError::NoComponent {
                component: format!("the component of `{wanted}` that this plugin uses"),
            })?,
    };
    Ok(Installed {
        path: folder.path,
        dir: folder.dir,
        manifest,
        component_path,
    })
}

/// The visible folders in `path`; links to folders count.
fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn read_manifest(folder: &Path) -> Result<Manifest, EntryError> {
    let path = folder.join(MANIFEST_FILE);
    let bytes = match read_capped(&path, MAX_MANIFEST_BYTES as u64) {
        Ok(bytes) => bytes.ok_or(EntryError::ManifestTooLarge)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(EntryError::NoManifest);
        }
        Err(error) => return Err(EntryError::Io { path, error }),
    };
    let text = String::from_utf8(bytes).map_err(|error| EntryError::NotText {
        offset: error.utf8_error().valid_up_to(),
    })?;
    Ok(Manifest::parse(&text)?)
}

/// The whole of a regular file, or nothing when it is larger than `cap`.
fn read_capped(path: &Path, cap: u64) -> io::Result<Option<Vec<u8>>> {
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
