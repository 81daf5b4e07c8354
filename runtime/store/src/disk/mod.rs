//! The disk, as far as the journal needs one: small enough that a simulated one can lose power.
//!
//! Paths are relative to the store's folder, with `/` between their parts.

mod real;
#[cfg(feature = "sim")]
mod sim;

pub use real::RealDisk;
#[cfg(feature = "sim")]
pub use sim::{Keep, SimDisk};

use std::fmt::Debug;
use std::io;

/// A file in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// Bytes.
    pub len: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Folders and names. A change of a name is durable once its folder was synced.
pub trait Disk: Debug + Send + Sync {
    /// Makes a folder and those above it, and syncs what holds it. No error when it is there.
    ///
    /// # Errors
    /// The disk's.
    fn create_folder(&self, path: &str) -> io::Result<()>;
    /// What lies in a folder, by name; nothing when it is not there.
    ///
    /// # Errors
    /// The disk's.
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;
    /// Makes a new, empty file.
    ///
    /// # Errors
    /// `AlreadyExists`, and the disk's.
    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound`, and the disk's.
    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name in the same folder, in the place of one that has it.
    ///
    /// # Errors
    /// The disk's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file's name away.
    ///
    /// # Errors
    /// The disk's.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Takes an empty folder away.
    ///
    /// # Errors
    /// The disk's.
    fn remove_folder(&self, path: &str) -> io::Result<()>;
    /// Gives a file that never changes again a second name, or copies it where that cannot be. The bytes
    /// are durable when this returns; the name once its folder is synced.
    ///
    /// # Errors
    /// The disk's.
    fn link(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// The disk's. What was not synced may be gone after that, so it is not tried again.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
    /// Bytes that are free for this program.
    ///
    /// # Errors
    /// The disk's.
    fn free_space(&self) -> io::Result<u64>;
}

/// An open file. What was written is durable once it was synced.
#[expect(clippy::len_without_is_empty, reason = "a file, not a collection")]
pub trait DiskFile: Debug + Send + Sync {
    /// Reads at an offset; fewer bytes only at the end of the file.
    ///
    /// # Errors
    /// The disk's.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of it at an offset.
    ///
    /// # Errors
    /// The disk's; a part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file, or lengthens it with zeroes.
    ///
    /// # Errors
    /// The disk's.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes what was written durable (`fdatasync`; `F_FULLFSYNC` on macOS).
    ///
    /// # Errors
    /// The disk's. What was not synced may be gone after that, so it is not tried again.
    fn sync(&self) -> io::Result<()>;
    /// Bytes.
    ///
    /// # Errors
    /// The disk's.
    fn len(&self) -> io::Result<u64>;
}

/// All bytes of a file.
///
/// # Errors
/// The disk's.
pub fn read_all(disk: &dyn Disk, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Puts a file in place as a whole: after a power cut it holds the old bytes or the new ones.
///
/// # Errors
/// The disk's; then the old bytes are still there.
pub fn write_whole(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}.tmp");
    match disk.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&temporary)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)?;
    disk.sync_folder(folder_of(path))
}

/// The folder that a path lies in.
#[must_use]
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
