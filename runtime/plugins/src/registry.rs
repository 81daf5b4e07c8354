//! The plugin folders on disk: `<dir>/<folder>/{plugin.toml, component.wasm}` of the program, and what
//! the person installed, `<dir>/<id>/{installed.json, <sha256>.wasm}`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::installed::{Installed, read_capped};
use crate::manifest::Manifest;
use crate::package::{Package, PackageError};
use crate::problem::ManifestError;
use crate::record::Record;
use crate::shelf::{RECORD_FILE, ShelfError, file_name, read_record};
use crate::text::MAX_MANIFEST_BYTES;

/// The manifest's file name.
pub const MANIFEST_FILE: &str = "plugin.toml";
/// The component's file name.
pub const COMPONENT_FILE: &str = "component.wasm";
/// Most folders looked at in one directory.
pub const MAX_ENTRIES: usize = 1000;

/// What lies in the plugin folders.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One folder.
#[derive(Debug)]
pub enum Entry {
    /// Its manifest is good and its component is there (not yet read).
    Ready(Arc<Installed>),
    /// It cannot be used, and why; the others can.
    Broken {
        /// The folder, or the directory of folders when that could not be read.
        path: PathBuf,
        /// Why.
        error: EntryError,
    },
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
    /// What is kept of it is damaged, or it is no package.
    #[error("{0}")]
    Record(#[from] ShelfError),
    /// The installed file is no usable plugin any more.
    #[error("its file cannot be used: {0}. Install the plugin again.")]
    Package(#[from] PackageError),
    /// The folder, the record and the manifest do not name the same plugin.
    #[error(
        "its folder, its record and its manifest name different plugins. Remove the folder and install the plugin again."
    )]
    OtherId,
    /// A folder that nobody installed.
    #[error(
        "it was put here by hand, so nobody agreed to what it may reach. Install it: `valechat plugin install {path}`."
    )]
    NotInstalled {
        /// The folder.
        path: PathBuf,
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

impl Registry {
    /// Looks through `dirs` in order, each folder by name. The first `built_in` of them came with the
    /// program; in the others only what was installed counts. A directory that does not exist holds
    /// nothing; an id that was seen before is broken, so nothing later replaces it silently.
    pub fn scan(dirs: &[PathBuf], built_in: usize) -> Self {
        let mut scan = Scan::default();
        for (dir, path) in dirs.iter().enumerate() {
            scan.directory(dir, path, dir < built_in);
        }
        scan.finish()
    }

    /// Every folder in the order of the scan.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The plugins that can be loaded.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Installed>> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Ready(installed) => Some(installed),
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
    pub fn get(&self, id: &str) -> Option<&Arc<Installed>> {
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
    record: Option<Record>,
}

#[derive(Default)]
struct Scan {
    folders: Vec<Folder>,
    broken: Vec<(PathBuf, EntryError)>,
}

impl Scan {
    fn directory(&mut self, dir: usize, path: &Path, built_in: bool) {
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
            let name = folder
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let (manifest, record) = if built_in {
                if !has_component && !has_manifest {
                    continue;
                }
                (read_manifest(&folder), None)
            } else if folder.join(RECORD_FILE).exists() {
                match read_installed(&folder, &name) {
                    Ok((manifest, record)) => (Ok(manifest), Some(record)),
                    Err(error) => (Err(error), None),
                }
            } else if has_component || has_manifest {
                let path = folder.clone();
                (Err(EntryError::NotInstalled { path }), None)
            } else {
                continue;
            };
            self.folders.push(Folder {
                name,
                manifest,
                path: folder,
                dir,
                has_component: has_component && built_in,
                record,
            });
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
                Ok(installed) => Entry::Ready(Arc::new(installed)),
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
        _ if folder.record.is_some() => {
            let sha256 = folder.record.as_ref().map(|record| &record.current.sha256);
            folder
                .path
                .join(file_name(sha256.map_or("", String::as_str)))
        }
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
        record: folder.record,
    })
}

/// An installed plugin: its record, and the manifest in its file. The file's hash is for whoever loads it.
fn read_installed(folder: &Path, name: &str) -> Result<(Manifest, Record), EntryError> {
    let record = read_record(folder)?;
    let package = Package::of_file(&folder.join(file_name(&record.current.sha256)))?;
    if record.id.as_str() != name || package.manifest.id != record.id {
        return Err(EntryError::OtherId);
    }
    Ok((package.manifest, record))
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
