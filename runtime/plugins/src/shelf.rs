//! The person's plugins on disk: `<folder>/<id>/{installed.json, <sha256>.wasm}`.
//!
//! A file never changes once it has its name, and the record is written aside and renamed: a process
//! that is killed in between leaves the old state or the new one, and files that nobody names, which
//! the next change removes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use vale_types::PluginId;

use crate::installed::{MAX_COMPONENT_BYTES, read_capped, sha256_hex};
use crate::package::Package;
use crate::record::{Record, Release, Verdict};

/// The record's file name.
pub const RECORD_FILE: &str = "installed.json";
/// A record has some hundred bytes.
const MAX_RECORD_BYTES: u64 = 64 * 1024;

/// The folder of plugins that the person installed. Cheap to clone; every change holds a lock on it, so
/// that two processes do not undo each other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf(PathBuf);

/// Why a change of the shelf failed; nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// The disk said no.
    #[error(
        "{path} could not be {what}: {error}. Check the disk's room and the folder's permissions."
    )]
    Io {
        /// What it was about.
        path: PathBuf,
        /// Completes "could not be …".
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The record is damaged or of a later ValeChat.
    #[error(
        "{path} is damaged or was written by a newer ValeChat: {what}. Remove the folder and install the plugin again."
    )]
    Record {
        /// The record.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// There is no such plugin.
    #[error("you have not installed a plugin “{0}”")]
    NotThere(PluginId),
}

impl Shelf {
    /// A shelf in this folder, which is made when something is put there.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Puts a plugin's file on the shelf, in the place of the version that is there.
    ///
    /// # Examples
    /// ```no_run
    /// use vale_plugins::{Package, Registry, Shelf};
    ///
    /// # fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let shelf = Shelf::new("my-app/plugins".into());
    /// let file = std::fs::read("mine.wasm")?;
    /// shelf.put(&Package::of_bytes(&file)?, &file, "mine.wasm", 0)?;
    /// let registry = Registry::scan(&[shelf.folder().to_owned()], 0);
    /// assert!(registry.get("org.example.mine").is_some());
    /// # Ok(())
    /// # }
    /// ```
    /// `bytes` are what
    /// `package` was read from; `now` in seconds since 1970.
    ///
    /// # Errors
    /// When the disk is full or the folder cannot be written.
    pub fn put(
        &self,
        package: &Package,
        bytes: &[u8],
        source: &str,
        now: u64,
    ) -> Result<Record, ShelfError> {
        let id = &package.manifest.id;
        let folder = self.0.join(id.as_str());
        fs::create_dir_all(&folder).map_err(io_error(&folder, "made"))?;
        let _lock = self.lock()?;
        let release = Release {
            version: package.manifest.version.clone(),
            sha256: sha256_hex(bytes),
            installed_at: now,
            source: source.to_owned(),
        };
        // Damaged or none: what is installed now is right in any case.
        let before = read_record(&folder).ok();
        let record = match before.clone() {
            Some(mut record) => {
                record.replace(release);
                record
            }
            None => Record::new(id.clone(), release),
        };
        let file = folder.join(file_name(&record.current.sha256));
        write(&file, bytes)?;
        write_record(&folder, &record)?;
        // What counted until now stays for this once: a host may be about to load it.
        sweep(&folder, before.iter().chain([&record]));
        Ok(record)
    }

    /// The record of a plugin.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn record(&self, id: &PluginId) -> Result<Record, ShelfError> {
        self.found(id, read_record(&self.0.join(id.as_str())))
    }

    /// Takes a plugin from the shelf with everything that was kept of it.
    ///
    /// # Errors
    /// When it is not there or cannot be removed.
    pub fn remove(&self, id: &PluginId) -> Result<(), ShelfError> {
        let folder = self.0.join(id.as_str());
        if !folder.is_dir() {
            return Err(ShelfError::NotThere(id.clone()));
        }
        let _lock = self.lock()?;
        // The record first: half a plugin is then none.
        match fs::remove_file(folder.join(RECORD_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&folder, "removed")(error));
            }
            _ => {}
        }
        fs::remove_dir_all(&folder).map_err(io_error(&folder, "removed"))
    }

    /// Notes how a call of the version with this hash ended: `why` = the plugin's own fault. `now` in
    /// seconds since 1970.
    ///
    /// # Errors
    /// When the record cannot be read or written; then nothing changed.
    pub fn note_call(
        &self,
        id: &PluginId,
        sha256: &str,
        why: Option<&str>,
        now: u64,
    ) -> Result<Verdict, ShelfError> {
        let folder = self.0.join(id.as_str());
        let _lock = self.lock()?;
        let mut record = self.found(id, read_record(&folder))?;
        let verdict = match why {
            None => record.passed(sha256),
            Some(why) => record.failed(sha256, why, now),
        };
        if matches!(verdict, Verdict::Passed | Verdict::RolledBack(_)) {
            write_record(&folder, &record)?;
        }
        Ok(verdict)
    }

    fn found<T>(&self, id: &PluginId, read: Result<T, ShelfError>) -> Result<T, ShelfError> {
        read.map_err(|error| match error {
            ShelfError::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                ShelfError::NotThere(id.clone())
            }
            other => other,
        })
    }

    /// Waits for other changes.
    fn lock(&self) -> Result<File, ShelfError> {
        let path = self.0.join(".lock");
        let file = File::create(&path).map_err(io_error(&path, "opened"))?;
        file.lock().map_err(io_error(&path, "locked"))?;
        Ok(file)
    }
}

/// The file that holds the bytes with this hash.
pub(crate) fn file_name(sha256: &str) -> String {
    format!("{sha256}.wasm")
}

/// The record in a plugin's folder.
pub(crate) fn read_record(folder: &Path) -> Result<Record, ShelfError> {
    let path = folder.join(RECORD_FILE);
    let wrong = |what: String| ShelfError::Record {
        path: path.clone(),
        what,
    };
    let bytes = read_capped(&path, MAX_RECORD_BYTES).map_err(io_error(&path, "read"))?;
    let bytes = bytes.ok_or_else(|| wrong("it is too large".to_owned()))?;
    let record: Record =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if record.format != Record::FORMAT {
        return Err(wrong(format!("its format is {}", record.format)));
    }
    let is_name =
        |sha256: &str| sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    // It becomes a path.
    if !record.files().all(is_name) {
        return Err(wrong("a hash in it is none".to_owned()));
    }
    Ok(record)
}

fn write_record(folder: &Path, record: &Record) -> Result<(), ShelfError> {
    let path = folder.join(RECORD_FILE);
    let text = serde_json::to_vec_pretty(record).map_err(|error| ShelfError::Record {
        path: path.clone(),
        what: error.to_string(),
    })?;
    write(&path, &text)
}

/// Aside, synced, renamed.
fn write(path: &Path, bytes: &[u8]) -> Result<(), ShelfError> {
    let aside = path.with_extension(format!("tmp-{}", std::process::id()));
    let written = File::create(&aside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&aside, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&aside);
        io_error(path, "written")(error)
    })
}

/// Removes files that no record names. One that cannot be removed is tried again next time.
fn sweep<'r>(folder: &Path, records: impl Iterator<Item = &'r Record>) {
    let needed: Vec<String> = records.flat_map(Record::files).map(file_name).collect();
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.ends_with(".wasm") || name.contains(".tmp-");
        if is_ours && !needed.contains(&name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn io_error(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> ShelfError {
    let path = path.to_owned();
    move |error| ShelfError::Io { path, what, error }
}

/// The most that a plugin's file may have, bytes.
pub const MAX_PACKAGE_BYTES: u64 = MAX_COMPONENT_BYTES;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contents;

    const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    fn packed(version: &str) -> (Package, Vec<u8>) {
        let manifest = format!(
            "id = \"org.example.x\"\nname = \"X\"\nversion = \"{version}\"\n\
             world = \"valechat:provider/provider-plugin@0.1.0\"\n"
        );
        let contents = Contents {
            manifest,
            ..Contents::default()
        };
        let bytes = Package::pack(&COMPONENT, &contents).unwrap();
        (Package::of_bytes(&bytes).unwrap(), bytes)
    }

    fn files(shelf: &Shelf) -> usize {
        let folder = shelf.folder().join("org.example.x");
        let entries = fs::read_dir(folder).unwrap();
        entries
            .filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().ends_with(".wasm")
            })
            .count()
    }

    #[test]
    fn versions_come_go_back_and_leave_no_files_behind() {
        let home = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(home.path().join("plugins"));
        let id: PluginId = "org.example.x".parse().unwrap();
        assert!(matches!(shelf.record(&id), Err(ShelfError::NotThere(_))));
        assert!(matches!(shelf.remove(&id), Err(ShelfError::NotThere(_))));

        let (package, bytes) = packed("1.0.0");
        let first = shelf.put(&package, &bytes, "x.wasm", 1).unwrap();
        for _ in 0..3 {
            let verdict = shelf
                .note_call(&id, &first.current.sha256, None, 2)
                .unwrap();
            assert_eq!(verdict, Verdict::Passed);
        }
        for version in ["1.1.0", "1.2.0", "1.3.0"] {
            let (package, bytes) = packed(version);
            shelf.put(&package, &bytes, "x.wasm", 3).unwrap();
            assert!(
                files(&shelf) <= 3,
                "the current, the last good and the replaced one"
            );
        }
        let bad = shelf.record(&id).unwrap().current.sha256;
        let verdict = shelf.note_call(&id, &bad, Some("it trapped"), 4).unwrap();
        assert!(matches!(verdict, Verdict::RolledBack(_)));
        assert_eq!(shelf.record(&id).unwrap().current, first.current);
        shelf.remove(&id).unwrap();
        assert!(!shelf.folder().join("org.example.x").exists());
    }

    #[test]
    fn a_damaged_record_is_named_and_installing_again_mends_it() {
        let home = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(home.path().to_owned());
        let id: PluginId = "org.example.x".parse().unwrap();
        let (package, bytes) = packed("1.0.0");
        let record = shelf.put(&package, &bytes, "x.wasm", 1).unwrap();
        let path = home.path().join("org.example.x").join(RECORD_FILE);
        let hostile = serde_json::to_string(&record)
            .unwrap()
            .replace(&record.current.sha256, "../../../etc/passwd");
        for text in ["", "{", "{\"format\":2}", &hostile] {
            fs::write(&path, text).unwrap();
            assert!(
                matches!(shelf.record(&id), Err(ShelfError::Record { .. })),
                "{text}"
            );
        }
        shelf.put(&package, &bytes, "x.wasm", 1).unwrap();
        assert_eq!(shelf.record(&id).unwrap(), record);
    }

    #[test]
    fn calls_that_end_at_once_are_all_counted() {
        let home = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(home.path().to_owned());
        let (package, bytes) = packed("1.0.0");
        let record = shelf.put(&package, &bytes, "x.wasm", 1).unwrap();
        let passed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let id = &record.id;
                        shelf
                            .note_call(id, &record.current.sha256, None, 2)
                            .unwrap()
                    })
                })
                .collect();
            let verdicts = threads.into_iter().map(|thread| thread.join().unwrap());
            verdicts
                .filter(|verdict| *verdict == Verdict::Passed)
                .count()
        });
        assert_eq!(passed, 3);
    }
}
