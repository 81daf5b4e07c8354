//! Backups: sealed segments by a second name, the tail as a copy, and the blobs.
//!
//! `backups/<milliseconds>/` has the same shape as a store without its view. `backup.json` is written last:
//! without it a backup does not count.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::disk::{Disk, DiskFile, read_all, write_whole};
use crate::error::{Damage, StoreError};
use crate::journal::{FOLDER as JOURNAL, JournalReader, Listed, Lsn, MANIFEST_PATH, Manifest};

const FOLDER: &str = "backups";
const ABOUT: &str = "backup.json";
/// Bytes that are copied at once.
const CHUNK: usize = 1 << 20;

/// A backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// When it was made, milliseconds since 1970; its folder's name.
    pub made_ms: u64,
    /// Why: `daily`, `version 0.2.0`, `by hand`.
    pub why: String,
    /// The store's id.
    pub store: Uuid,
    /// The last record in it.
    pub last: Lsn,
}

impl Backup {
    /// Its folder, below the store's.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{FOLDER}/{}", self.made_ms)
    }
}

/// Makes a backup in the folder `backups` of a store's disk.
///
/// # Errors
/// The disk's; what is there of it then does not count.
pub fn make_backup(
    disk: &dyn Disk,
    reader: &JournalReader,
    now_ms: u64,
    why: &str,
) -> Result<Backup, StoreError> {
    let backup = Backup {
        made_ms: now_ms,
        why: why.to_owned(),
        store: reader.store(),
        last: reader.last(),
    };
    let to = backup.folder();
    let failed = || StoreError::io(format!("writing the backup {to}"));
    let taken = disk.list(&to).map_err(failed())?;
    if taken.iter().any(|entry| entry.name == ABOUT) {
        return Err(failed()(ErrorKind::AlreadyExists.into()));
    }
    remove_tree(disk, &to).map_err(failed())?;
    disk.create_folder(&format!("{to}/{JOURNAL}"))
        .map_err(failed())?;
    let mut listed = Vec::new();
    let mut last = 0;
    // Looked at once: while this copies, the writer may seal a segment and begin the next.
    let segments: Vec<_> = reader.table().all();
    let extents: Vec<_> = segments.iter().map(|segment| segment.extent()).collect();
    let mut from = 0;
    for (segment, extent) in segments.iter().zip(extents) {
        last = extent.last;
        let path = format!("{to}/{}", segment.name());
        if extent.is_sealed {
            match disk.link(&segment.name(), &path) {
                // Compacted meanwhile: it has no name any more, and is still open.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let copy = disk.create(&path).map_err(failed())?;
                    let end = segment.file.len().map_err(failed())?;
                    copy_file(&*segment.file, &*copy, end).map_err(failed())?;
                }
                linked => linked.map_err(failed())?,
            }
            listed.push(Listed {
                number: segment.number,
                first: segment.first,
                last: extent.last,
            });
            // What a store that was restored from this begins next has a higher number than all.
            from = from.max(segment.number + 1);
        } else {
            let copy = disk.create(&path).map_err(failed())?;
            copy_file(&*segment.file, &*copy, extent.end).map_err(failed())?;
            from = segment.number;
        }
    }
    let manifest = Manifest {
        format: 1,
        store: reader.store(),
        from,
        segments: listed,
    };
    write_whole(disk, &format!("{to}/{MANIFEST_PATH}"), &manifest.encode()?).map_err(failed())?;
    disk.sync_folder(&format!("{to}/{JOURNAL}"))
        .map_err(failed())?;
    link_blobs(disk, &to).map_err(failed())?;
    // Everything that it names is durable before it counts.
    let backup = Backup { last, ..backup };
    let about = serde_json::to_vec_pretty(&backup).unwrap_or_default();
    write_whole(disk, &format!("{to}/{ABOUT}"), &about).map_err(failed())?;
    disk.sync_folder(FOLDER).map_err(failed())?;
    Ok(backup)
}

fn link_blobs(disk: &dyn Disk, to: &str) -> std::io::Result<()> {
    use crate::blobs::FOLDER as BLOBS;
    for folder in disk
        .list(BLOBS)?
        .into_iter()
        .filter(|entry| entry.is_folder)
    {
        let from = format!("{BLOBS}/{}", folder.name);
        let into = format!("{to}/{from}");
        disk.create_folder(&into)?;
        for entry in disk.list(&from)? {
            if entry.name.ends_with(".tmp") {
                continue;
            }
            match disk.link(
                &format!("{from}/{}", entry.name),
                &format!("{into}/{}", entry.name),
            ) {
                // Collected meanwhile: no record names it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done?,
            }
        }
        disk.sync_folder(&into)?;
    }
    Ok(())
}

fn copy_file(from: &dyn DiskFile, to: &dyn DiskFile, end: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        let read = from.read_at(at, buffer.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        to.write_at(at, buffer.get(..read).unwrap_or_default())?;
        at += read as u64;
    }
    to.sync()
}

/// The backups that are whole, oldest first.
///
/// # Errors
/// The disk's.
pub fn list_backups(disk: &dyn Disk) -> Result<Vec<Backup>, StoreError> {
    let listing = || StoreError::io("listing the backups");
    let mut found = Vec::new();
    for entry in disk.list(FOLDER).map_err(listing())? {
        let about = format!("{FOLDER}/{}/{ABOUT}", entry.name);
        match read_all(disk, &about) {
            Ok(bytes) => {
                if let Ok(backup) = serde_json::from_slice::<Backup>(&bytes)
                    && backup.made_ms.to_string() == entry.name
                {
                    found.push(backup);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(listing()(error)),
        }
    }
    found.sort_by_key(|backup| backup.made_ms);
    Ok(found)
}

/// Removes all but the newest, and what never became one.
pub(crate) fn prune(disk: &dyn Disk, keep: usize) -> Result<(), StoreError> {
    let pruning = || StoreError::io("removing an old backup");
    let whole = list_backups(disk)?;
    let kept: Vec<String> = whole
        .iter()
        .rev()
        .take(keep.max(1))
        .map(Backup::folder)
        .collect();
    for entry in disk.list(FOLDER).map_err(pruning())? {
        let folder = format!("{FOLDER}/{}", entry.name);
        if !kept.contains(&folder) {
            // Not counted any more before the first of its files goes.
            match disk.remove(&format!("{folder}/{ABOUT}")) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(pruning()(error)),
                _ => {}
            }
            disk.sync_folder(&folder).map_err(pruning())?;
            remove_tree(disk, &folder).map_err(pruning())?;
        }
    }
    Ok(())
}

fn remove_tree(disk: &dyn Disk, folder: &str) -> std::io::Result<()> {
    for entry in disk.list(folder)? {
        let path = format!("{folder}/{}", entry.name);
        if entry.is_folder {
            remove_tree(disk, &path)?;
        } else {
            disk.remove(&path)?;
        }
    }
    match disk.remove_folder(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Puts a backup in the place of a store that nobody has open. The store that was there is kept beside it,
/// under the name that is returned.
///
/// # Errors
/// When the backup is not whole, or the disk's; then the store is as before.
pub fn restore(store: &Path, backup: &Backup) -> Result<std::path::PathBuf, StoreError> {
    let lock = crate::lock::Lock::take(store)?;
    let from = store.join(FOLDER).join(backup.made_ms.to_string());
    let fresh = beside(store, RESTORING);
    let old = (0..)
        .map(|n| beside(store, &format!(".before-restore-{n}")))
        .find(|path| !path.exists())
        .unwrap_or_default();
    let failed = || StoreError::io(format!("restoring {}", from.display()));
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(failed())?;
    }
    copy_tree(&from, &fresh).map_err(failed())?;
    verify(&fresh, backup)?;
    // Durable before the names below: a fresh store that still has it would not be put in place.
    std::fs::remove_file(fresh.join(ABOUT))
        .and_then(|()| sync(&fresh))
        .map_err(failed())?;
    // Windows moves no folder in which a file is open.
    drop(lock);
    // The backups go on with the store that counts.
    std::fs::rename(store, &old).map_err(failed())?;
    std::fs::rename(&fresh, store).map_err(failed())?;
    std::fs::rename(old.join(FOLDER), store.join(FOLDER)).map_err(failed())?;
    sync(store).map_err(failed())?;
    store.parent().map_or(Ok(()), sync).map_err(failed())?;
    Ok(old)
}

/// Behind the store's name: a restored store on its way to its place.
const RESTORING: &str = ".restoring";

fn beside(store: &Path, ending: &str) -> std::path::PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Ends a restore that was cut between its two renames.
pub(crate) fn finish_restore(store: &Path) -> std::io::Result<()> {
    let fresh = beside(store, RESTORING);
    if store.exists() || !fresh.exists() || fresh.join(ABOUT).exists() {
        return Ok(());
    }
    std::fs::rename(&fresh, store)
}

/// Whether a backup opens and every record in it is whole.
fn verify(folder: &Path, backup: &Backup) -> Result<(), StoreError> {
    let disk = crate::disk::RealDisk::open(folder)
        .map_err(StoreError::io(format!("opening {}", folder.display())))?;
    let (journal, recovery) =
        crate::Journal::open(std::sync::Arc::new(disk), crate::JournalOptions::default())?;
    if let Some(damage) = recovery.damage.into_iter().next() {
        return Err(StoreError::Damaged(damage));
    }
    if let Some(damage) = journal.reader().verify(&mut |_, _| {})?.into_iter().next() {
        return Err(StoreError::Damaged(damage));
    }
    if journal.last() != backup.last {
        return Err(StoreError::Damaged(Damage {
            segment: backup.folder(),
            offset: 0,
            what: format!(
                "it ends with record {}, and {} should be there",
                journal.last(),
                backup.last
            ),
        }));
    }
    Ok(())
}

/// Copies, so that what is written to the store later never reaches into the backup.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    sync(to)
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> std::io::Result<()> {
    use crate::disk::{Disk as _, RealDisk};
    RealDisk::at(folder).sync_folder("")
}
