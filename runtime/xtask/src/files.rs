//! Files that others may be reading: written beside their place, then renamed into it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

/// Puts `bytes` at `path` in one step; a file that holds them already keeps its time stamp.
///
/// # Errors
/// When the folder or the file cannot be written.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
    }
    let temp = unique_beside(path);
    std::fs::write(&temp, bytes)
        .and_then(|()| std::fs::rename(&temp, path))
        .map_err(|error| {
            let _ = std::fs::remove_file(&temp);
            written_error(error, path)
        })
}

/// Puts a copy of the program `from` at `to` in one step; an identical one is left alone.
///
/// # Errors
/// When either cannot be read or written.
pub(crate) fn copy_program(from: &Path, to: &Path) -> Result<()> {
    if same_file_contents(from, to) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
    }
    let temp = unique_beside(to);
    // A copy, not a hard link: cargo may rewrite its own file in place while ours runs.
    std::fs::copy(from, &temp)
        .and_then(|_| std::fs::rename(&temp, to))
        .map_err(|error| {
            let _ = std::fs::remove_file(&temp);
            written_error(error, to)
        })
}

fn same_file_contents(left: &Path, right: &Path) -> bool {
    let length = |path: &Path| std::fs::metadata(path).map(|meta| meta.len());
    matches!((length(left), length(right)), (Ok(left), Ok(right)) if left == right)
        && matches!((std::fs::read(left), std::fs::read(right)), (Ok(left), Ok(right)) if left == right)
}

/// A name in the same folder that no other run uses.
pub(crate) fn unique_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.subsec_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(
        ".{name}.{}-{nanos}-{count}.tmp",
        std::process::id()
    ))
}

/// An error of writing, with a full disk said in words.
pub(crate) fn written_error(error: std::io::Error, path: &Path) -> anyhow::Error {
    let sentence = if matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    ) {
        format!(
            "the disk that holds {} is full: free some space and run this again",
            path.display()
        )
    } else {
        format!("{} could not be written", path.display())
    };
    anyhow::Error::new(error).context(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_keeps_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file");
        write_if_changed(&path, b"one").unwrap();
        let old = UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(old)
            .unwrap();
        write_if_changed(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), old);
        write_if_changed(&path, b"two").unwrap();
        assert_ne!(std::fs::metadata(&path).unwrap().modified().unwrap(), old);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "a temporary file was left behind");
    }

    #[test]
    fn a_program_is_copied_only_when_it_differs() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("out/to"));
        std::fs::write(&from, b"v1").unwrap();
        copy_program(&from, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"v1");
        std::fs::write(&from, b"v2").unwrap();
        copy_program(&from, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), b"v2");
        assert!(copy_program(&dir.path().join("absent"), &to).is_err());
        assert_eq!(
            std::fs::read(&to).unwrap(),
            b"v2",
            "a failed copy must not touch what lies there"
        );
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        let error = written_error(ErrorKind::StorageFull.into(), Path::new("/m/x"));
        assert!(format!("{error}").contains("full"), "{error}");
    }
}
