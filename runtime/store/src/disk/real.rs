//! The real disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile, Entry};

/// A folder of the real disk.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// The folder; it is made when it is not there.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        create_durably(&root)?;
        Ok(Self { root })
    }

    /// A folder that is there; the empty path is the current one.
    pub(crate) fn at(root: &Path) -> Self {
        let root = if root.as_os_str().is_empty() {
            Path::new(".")
        } else {
            root
        };
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        let mut full = self.root.clone();
        full.extend(path.split('/').filter(|part| !part.is_empty()));
        full
    }
}

/// Conversations are the person's own: nobody else on this machine reads them.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// The folder, its name and those of the folders in it are durable afterwards, whoever made them: a process
/// that was killed may have left them unsynced.
fn create_durably(root: &Path) -> io::Result<()> {
    let missing = root.ancestors().take_while(|folder| !folder.exists());
    let mut unsynced: Vec<&Path> = missing.filter_map(Path::parent).collect();
    unsynced.extend(root.parent());
    create_private(root)?;
    sync_folder(root)?;
    for folder in unsynced {
        match sync_folder(&RealDisk::at(folder).root) {
            // A folder of somebody else's, which we may pass and not read.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

impl Disk for RealDisk {
    fn create_folder(&self, path: &str) -> io::Result<()> {
        let full = self.path(path);
        if full.is_dir() {
            return Ok(());
        }
        create_private(&full)?;
        let mut above = full.parent();
        while let Some(folder) = above.filter(|folder| folder.starts_with(&self.root)) {
            sync_folder(folder)?;
            above = folder.parent();
        }
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A name that is no text is not ours.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let about = match entry.metadata() {
                Ok(about) => about,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            found.push(Entry {
                name,
                len: about.len(),
                is_folder: about.is_dir(),
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = options().create_new(true).open(self.path(path))?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path(path);
        let file = match options().open(&path) {
            // A store on a medium that cannot be written can still be read.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                File::open(&path)?
            }
            opened => opened?,
        };
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.path(path))
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        match fs::hard_link(&from, &to) {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) =>
            {
                Err(error)
            }
            // FAT, some network shares: no second names.
            Err(_) => {
                fs::copy(&from, &to)?;
                options().open(&to)?.sync_all()
            }
        }
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        sync_folder(&self.path(folder))
    }

    fn free_space(&self) -> io::Result<u64> {
        fs4::available_space(&self.root)
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Windows has no sync of a folder: NTFS writes its own journal of names.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset + u64::try_from(done).unwrap_or(u64::MAX);
            match positioned::read(&self.0, rest, at) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let at = offset + u64::try_from(done).unwrap_or(u64::MAX);
            match positioned::write(&self.0, rest, at) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(unix)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt as _;

    pub(super) fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        file.read_at(buffer, at)
    }

    pub(super) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.write_at(bytes, at)
    }
}

#[cfg(windows)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt as _;

    pub(super) fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match file.seek_read(buffer, at) {
            // Windows says so where others read nothing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }

    pub(super) fn write(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        file.seek_write(bytes, at)
    }
}
