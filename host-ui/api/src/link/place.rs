//! Where a profile's host is met: the lock that says who runs it, and its socket.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The folder below the state folder that only its owner may enter.
const FOLDER: &str = "run";

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct MeetingPlace {
    folder: PathBuf,
}

/// Held by the process that runs the host. The system lets go of it when the process ends, however
/// it ends: nothing of it can go stale.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

impl MeetingPlace {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it cannot be made, or is somebody else's to enter.
    pub(crate) fn of(state: &Path) -> io::Result<Self> {
        let folder = state.join(FOLDER);
        fs::create_dir_all(state)?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // It may have been made by an older version or by hand.
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { folder })
    }

    /// Takes the lock; none when another process has it.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub(crate) fn take(&self) -> io::Result<Option<Held>> {
        let path = self.folder.join("host.lock");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        // For people who look; the lock itself is what counts, also on a full disk.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        if let Err(error) = noted {
            tracing::warn!(%error, "this process's id cannot be noted beside the lock");
        }
        Ok(Some(Held { _file: file }))
    }

    /// The process that runs the host, as it wrote down.
    pub(crate) fn process(&self) -> Option<u32> {
        let mut text = String::new();
        let file = File::open(self.folder.join("host.lock")).ok()?;
        file.take(16).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    /// The socket's path. Where the profile lies too deep for one (Unix allows about 100 bytes), it
    /// is in the system's folder for temporary files, under a name made of the profile's.
    #[cfg(unix)]
    pub(crate) fn socket(&self) -> io::Result<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
        /// `sun_path` has 104 bytes on macOS and 108 on Linux, with a zero at its end.
        const MAX_PATH: usize = 103;
        let path = self.folder.join("host.sock");
        if path.as_os_str().as_bytes().len() <= MAX_PATH {
            return Ok(path);
        }
        let own = fs::metadata(&self.folder)?.uid();
        // Not TMPDIR, which may differ from one terminal to the next.
        let folder = PathBuf::from(format!("/tmp/valechat-{own}"));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(&folder)?;
        if !found.is_dir() || found.uid() != own || found.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!(
                "{} belongs to somebody else; remove it",
                folder.display()
            )));
        }
        Ok(folder.join(format!("{}.sock", self.short_name())))
    }

    /// A name made of the folder's, the same in every build.
    fn short_name(&self) -> String {
        let digest = Sha256::digest(self.folder.as_os_str().as_encoded_bytes());
        digest.iter().take(8).fold(String::new(), |mut name, byte| {
            // Writing to a String cannot fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    /// Whose profile it is.
    #[cfg(unix)]
    pub(crate) fn owner(&self) -> io::Result<u32> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(fs::metadata(&self.folder)?.uid())
    }

    /// The pipe's name.
    #[cfg(windows)]
    pub(crate) fn pipe(&self) -> String {
        format!(r"\\.\pipe\valechat-{}", self.short_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_the_next_one_when_it_lets_go() {
        let home = tempfile::tempdir().unwrap();
        let place = MeetingPlace::of(home.path()).unwrap();
        let held = place.take().unwrap().unwrap();
        assert!(place.take().unwrap().is_none());
        assert_eq!(place.process(), Some(std::process::id()));
        drop(held);
        assert!(place.take().unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_private_and_a_deep_profile_has_a_socket_too() {
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("x".repeat(120));
        for state in [home.path(), deep.as_path()] {
            let place = MeetingPlace::of(state).unwrap();
            let socket = place.socket().unwrap();
            assert!(
                socket.as_os_str().as_bytes().len() < 104,
                "{}",
                socket.display()
            );
            let folder = socket.parent().unwrap();
            let mode = fs::metadata(folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
        }
    }
}
