//! Reading, locking and replacing the file without ever exposing or losing it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::SecretError;

/// Ours: thousands of usual keys, thirty of the longest kind. A larger file was not written by us.
pub(super) const MAX_FILE_LEN: usize = 256 * 1024;

/// How long a writer waits for another one. Ours: a write takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_secs(10);

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    move |source| SecretError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The whole file, or `None` where there is none. Closes it to others where it was open to them.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, SecretError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("reading", path)(error)),
    };
    if !found.is_file() {
        return Err(not_safe(path, "is a link, a folder or a device"));
    }
    access::claim(path, &found)?;
    let file = File::open(path).map_err(io_error("reading", path))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_LEN as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(io_error("reading", path))?;
    if bytes.len() > MAX_FILE_LEN {
        let problem = "it is larger than any ValeChat writes";
        return Err(SecretError::Format {
            path: path.to_owned(),
            problem,
        });
    }
    Ok(Some(bytes))
}

/// Puts `bytes` in the file's place: whole and on disk, or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SecretError> {
    let folder = folder_of(path);
    // Made with mode 0600 under a name nobody can guess; removed again on every early return.
    let mut file = tempfile::Builder::new()
        .prefix(".valechat-keys-")
        .tempfile_in(folder)
        .map_err(io_error("writing a new file beside", path))?;
    file.write_all(bytes).map_err(io_error("writing", path))?;
    file.as_file()
        .sync_all()
        .map_err(io_error("writing", path))?;
    file.persist(path)
        .map_err(|failed| io_error("replacing", path)(failed.error))?;
    access::sync_folder(folder).map_err(io_error("writing", folder))
}

/// Makes the folder (0700) where it is missing, and refuses one in which others could put files.
pub(super) fn prepare_folder(path: &Path) -> Result<(), SecretError> {
    let folder = folder_of(path);
    access::create_folder(folder).map_err(io_error("creating", folder))?;
    let found = fs::metadata(folder).map_err(io_error("reading", folder))?;
    if access::is_open_to_all(&found) {
        return Err(not_safe(folder, "is a folder that everybody may write to"));
    }
    Ok(())
}

/// Holds off other writers, in this process or another, until dropped. The lock is a file of its
/// own, because the secrets file itself is replaced by each write. It ends with its process, so a
/// crash leaves nothing locked.
pub(super) fn lock(path: &Path) -> Result<File, SecretError> {
    lock_within(path, LOCK_WAIT)
}

fn lock_within(path: &Path, wait: Duration) -> Result<File, SecretError> {
    let lock_path = lock_path(path);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    access::only_for_owner(&mut options);
    let file = options
        .open(&lock_path)
        .map_err(io_error("opening", &lock_path))?;
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if start.elapsed() < wait => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(SecretError::Locked {
                    path: lock_path,
                    waited: wait,
                });
            }
            Err(TryLockError::Error(error)) => return Err(io_error("locking", &lock_path)(error)),
        }
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn not_safe(path: &Path, problem: &'static str) -> SecretError {
    SecretError::UnsafeFile {
        path: path.to_owned(),
        problem,
    }
}

#[cfg(unix)]
mod access {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, set_permissions};
    use std::os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    };

    use super::{Path, SecretError, io, io_error, not_safe};

    pub(super) fn claim(path: &Path, found: &Metadata) -> Result<(), SecretError> {
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(not_safe(path, "belongs to another user"));
        }
        if found.mode() & 0o077 != 0 {
            set_permissions(path, Permissions::from_mode(0o600))
                .map_err(io_error("restricting access to", path))?;
        }
        Ok(())
    }

    pub(super) fn is_open_to_all(folder: &Metadata) -> bool {
        folder.mode() & 0o002 != 0
    }

    pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    pub(super) fn only_for_owner(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// Elsewhere the folder's own access rules decide: on Windows those of the user's profile, which
/// other users cannot read. A folder cannot be synced there, so after a power cut
/// the file may be the one before the last write.
#[cfg(not(unix))]
mod access {
    use std::fs::{Metadata, OpenOptions, create_dir_all};

    use super::{Path, SecretError, io};

    pub(super) fn claim(_: &Path, _: &Metadata) -> Result<(), SecretError> {
        Ok(())
    }

    pub(super) fn is_open_to_all(_: &Metadata) -> bool {
        false
    }

    pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
        create_dir_all(folder)
    }

    pub(super) fn only_for_owner(_: &mut OpenOptions) {}

    pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_waits_its_time_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let held = lock_within(&path, Duration::ZERO).unwrap();
        let refused = lock_within(&path, Duration::from_millis(50));
        assert!(matches!(refused, Err(SecretError::Locked { .. })));
        drop(held);
        assert!(lock_within(&path, Duration::ZERO).is_ok());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        replace(&path, b"old").unwrap();
        // A folder in the file's place makes the last step, the rename, fail.
        let blocked = dir.path().join("blocked");
        fs::create_dir(&blocked).unwrap();
        fs::write(blocked.join("inside"), b"").unwrap();
        assert!(matches!(
            replace(&blocked, b"new"),
            Err(SecretError::Io { .. })
        ));
        assert_eq!(read(&path).unwrap().unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_too_large_to_be_ours_is_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(read(&path), Err(SecretError::Format { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn links_folders_and_open_folders_are_refused() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("real"), b"x").unwrap();
        let link = dir.path().join("link");
        symlink(dir.path().join("real"), &link).unwrap();
        assert!(matches!(read(&link), Err(SecretError::UnsafeFile { .. })));
        assert!(matches!(
            read(dir.path()),
            Err(SecretError::UnsafeFile { .. })
        ));
        let open = dir.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            prepare_folder(&open.join("keys")),
            Err(SecretError::UnsafeFile { .. })
        ));
    }
}
