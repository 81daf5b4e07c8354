//! What a tool keeps between calls: a small map in memory, and a file of its own.
//!
//! A change is on disk before the call that made it is told to have ended, so nothing that a person was
//! shown is lost. The file is written aside and renamed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vale_sandbox::{KvError, KvStore};

/// The most that one plugin may keep, keys and values together, bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The file is JSON with values in base64.
const MAX_FILE: u64 = 4 * MAX_BYTES as u64;

/// See the module.
pub(crate) struct FileKv {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// None = not read yet.
    values: Option<BTreeMap<String, Vec<u8>>>,
    /// Changes that are not on disk.
    is_dirty: bool,
}

impl FileKv {
    /// A store over this file, which is read when first asked.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            state: Mutex::default(),
        }
    }

    /// A store that is never saved.
    pub(crate) fn in_memory() -> Self {
        Self {
            path: PathBuf::new(),
            state: Mutex::new(State {
                values: Some(BTreeMap::new()),
                is_dirty: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>, &mut bool) -> T,
    ) -> Result<T, String> {
        let mut state = self.state();
        if state.values.is_none() {
            state.values = Some(read(&self.path)?);
        }
        let State { values, is_dirty } = &mut *state;
        Ok(work(values.get_or_insert_default(), is_dirty))
    }

    /// Whether there is something to save.
    pub(crate) fn is_dirty(&self) -> bool {
        self.state().is_dirty
    }

    /// Writes what has changed. Blocks.
    ///
    /// # Errors
    /// A sentence, when the disk is full or the file cannot be written; it is tried again with the
    /// next call.
    pub(crate) fn save(&self) -> Result<(), String> {
        let mut state = self.state();
        if !state.is_dirty {
            return Ok(());
        }
        write(
            &self.path,
            state.values.as_ref().unwrap_or(&BTreeMap::new()),
        )?;
        state.is_dirty = false;
        Ok(())
    }
}

impl KvStore for FileKv {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        self.with(|values, _| values.get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), KvError> {
        let set = self.with(|values, is_dirty| {
            let others: usize = values
                .iter()
                .filter(|(known, _)| *known != key)
                .map(|(key, value)| key.len() + value.len())
                .sum();
            if others + key.len() + value.len() > MAX_BYTES {
                return Err(KvError::Full);
            }
            if values.get(key).map(Vec::as_slice) != Some(value) {
                values.insert(key.to_owned(), value.to_owned());
                *is_dirty = true;
            }
            Ok(())
        });
        set.unwrap_or_else(|why| Err(KvError::Other(why)))
    }

    fn delete(&self, key: &str) -> Result<(), String> {
        self.with(|values, is_dirty| *is_dirty |= values.remove(key).is_some())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, String> {
        self.with(|values, _| {
            let begin = after.map_or(prefix, |after| after.max(prefix));
            values
                .range::<str, _>((Bound::Included(begin), Bound::Unbounded))
                .map(|(key, _)| key)
                .filter(|key| after != Some(key.as_str()))
                .take_while(|key| key.starts_with(prefix))
                .take(limit)
                .cloned()
                .collect()
        })
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let failed = |what: String| format!("{} cannot be read: {what}", path.display());
    let mut text = String::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error.to_string())),
        Ok(file) => file
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(|error| failed(error.to_string()))?,
    };
    let kept: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    kept.into_iter()
        .map(|(key, value)| {
            let value = STANDARD
                .decode(value)
                .map_err(|error| failed(error.to_string()))?;
            Ok((key, value))
        })
        .collect()
}

fn write(path: &Path, values: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
    let kept: BTreeMap<&String, String> = values
        .iter()
        .map(|(key, value)| (key, STANDARD.encode(value)))
        .collect();
    let written = serde_json::to_vec(&kept)
        .map_err(io::Error::other)
        .and_then(|text| {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let aside = path.with_extension("tmp");
            let mut file = File::create(&aside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&aside, path)
        });
    written.map_err(|error| {
        format!(
            "{} cannot be written: {error}; what the tool wanted to keep is kept in memory only",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_for_the_next_process_and_in_byte_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/kv.json");
        let kv = FileKv::new(path.clone());
        assert_eq!(kv.get("a"), Ok(None));
        kv.save().unwrap();
        assert!(!path.exists(), "nothing to keep, nothing written");
        for key in ["b/2", "a", "b/1", "b/\u{e9}", "c", "../../etc/passwd"] {
            kv.set(key, key.as_bytes()).unwrap();
        }
        kv.delete("c").unwrap();
        kv.save().unwrap();
        let kv = FileKv::new(path);
        assert_eq!(kv.get("b/\u{e9}"), Ok(Some("b/\u{e9}".into())));
        assert_eq!(kv.list("b/", None, 10).unwrap(), ["b/1", "b/2", "b/\u{e9}"]);
        assert_eq!(kv.list("b/", Some("b/1"), 1).unwrap(), ["b/2"]);
        assert_eq!(kv.list("b/", Some("a"), 1).unwrap(), ["b/1"]);
        assert_eq!(kv.list("", None, 10).unwrap().len(), 5);
    }

    #[test]
    fn the_total_is_capped_and_a_value_may_be_replaced_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let kv = FileKv::new(folder.path().join("kv.json"));
        let half = vec![0; MAX_BYTES / 2];
        kv.set("a", &half).unwrap();
        assert_eq!(kv.set("b", &half), Err(KvError::Full));
        kv.set("a", &half).unwrap();
        kv.set("a", b"").unwrap();
        kv.set("b", &half).unwrap();
    }

    #[test]
    fn a_damaged_file_is_named_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kv.json");
        fs::write(&path, "{\"a\": 1").unwrap();
        let kv = FileKv::new(path.clone());
        assert!(kv.get("a").unwrap_err().contains("kv.json"));
        assert!(matches!(kv.set("a", b"x"), Err(KvError::Other(_))));
        kv.save().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\": 1");
    }
}
