//! The index's folder: opening it, distrusting it, making it anew.
//!
//! ```text
//! <folder>/lock        held while the index is open
//! <folder>/writing     there while a writer is open, so that an unclean end is seen
//! <folder>/condemned   why the next open makes the index anew
//! <folder>/files/      tantivy's
//! ```

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::directory::INDEX_WRITER_LOCK;
use tantivy::directory::error::{OpenDirectoryError, OpenReadError};
use tantivy::{Directory, IndexReader, ReloadPolicy, Searcher, TantivyError};

use crate::error::{SearchError, guarded, panic_text};
use crate::opened::{Fresh, Opened, Position};
use crate::schema::{FORMAT, Fields};
use crate::sealed::SealedDirectory;

const FILES: &str = "files";
const LOCK: &str = "lock";
const WRITING: &str = "writing";
const CONDEMNED: &str = "condemned";
/// No commit yet.
const NOWHERE: u64 = u64::MAX;

/// An index, open. Clones share it; its lock goes with the last of them and of its writers.
#[derive(Clone)]
pub struct Index(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) folder: PathBuf,
    pub(crate) index: tantivy::Index,
    pub(crate) reader: IndexReader,
    pub(crate) fields: Fields,
    schema: u32,
    position: AtomicU64,
    /// Dropped last, so that nobody else is let in while the files are still open.
    _lock: FolderLock,
}

/// Let go in so many words: a process that is just being started has a copy of the file, and closing
/// ours would leave it locked until that one is on its way.
struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = formatter.debug_struct("Index");
        out.field("folder", &self.0.folder);
        out.field("position", &self.position()).finish()
    }
}

/// Why an index that is there is not taken.
enum Refusal {
    Fresh(Fresh),
    Disk(io::Error),
}

impl Index {
    /// Opens the index in `folder`, which is this index's alone. `schema` is the number of what feeds it;
    /// an index of another number is made anew, and so is one that is missing, torn or condemned.
    ///
    /// # Errors
    /// [`SearchError::Locked`] if it is open elsewhere, [`SearchError::Io`] if the disk refuses.
    pub fn open(folder: &Path, schema: u32) -> Result<Opened, SearchError> {
        let failed = |source| SearchError::Io {
            folder: folder.to_owned(),
            action: "opened",
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        // Its own name: without it a power cut takes all that was committed since.
        sync_names_around(folder).map_err(failed)?;
        let mut lock_options = OpenOptions::new();
        lock_options.create(true).write(true).truncate(false);
        let lock = lock_options.open(folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.to_owned();
                return Err(SearchError::Locked { folder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let lock = FolderLock(lock);
        let fields = Fields::new();
        let (index, position, unclean) = match existing(folder, schema, &fields) {
            Ok((index, lsn)) => {
                let unclean = folder.join(WRITING).exists();
                (index, Position::At(lsn), unclean)
            }
            Err(Refusal::Disk(error)) => return Err(failed(error)),
            Err(Refusal::Fresh(why)) => {
                let index = fresh(folder, &fields).map_err(failed)?;
                (index, Position::Fresh(why), false)
            }
        };
        let lsn = match position {
            Position::At(lsn) => lsn,
            Position::Fresh(_) => NOWHERE,
        };
        let reader = reader(&index).map_err(|error| match error {
            Refusal::Disk(error) => failed(error),
            Refusal::Fresh(why) => SearchError::Damaged(why.to_string()),
        })?;
        let inner = Inner {
            folder: folder.to_owned(),
            index,
            reader,
            fields,
            schema,
            position: AtomicU64::new(lsn),
            _lock: lock,
        };
        Ok(Opened {
            index: Self(Arc::new(inner)),
            position,
            unclean,
        })
    }

    /// The last change that is committed; `None` before the first commit.
    pub fn position(&self) -> Option<u64> {
        let lsn = self.0.position.load(Ordering::Acquire);
        (lsn != NOWHERE).then_some(lsn)
    }

    /// How many messages are committed.
    pub fn len(&self) -> u64 {
        self.searcher().num_docs()
    }

    /// Whether no message is committed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads every file and compares it with its checksum: about as long as reading the folder. For a
    /// background thread; searching and writing go on. A damaged index is condemned.
    ///
    /// # Errors
    /// [`SearchError::Damaged`]: drop this index with its writers, and open it again.
    pub fn validate_checksum(&self) -> Result<(), SearchError> {
        let check = || {
            let damaged = guarded(|| damaged_files(&self.0.index))?;
            if damaged.is_empty() {
                return Ok(());
            }
            let mut names: Vec<_> = damaged
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            names.sort();
            let text = format!("not as it was written: {}", names.join(", "));
            Err(SearchError::Damaged(text))
        };
        // A merge may have taken a file away under the first look.
        let Err(error) = check().or_else(|_| check()) else {
            return Ok(());
        };
        if let SearchError::Damaged(why) = &error {
            self.condemn(why)?;
        }
        Err(error)
    }

    /// Has the next [`Index::open`] make the index anew. For when a search says
    /// [`SearchError::Damaged`].
    ///
    /// # Errors
    /// [`SearchError::Io`] if the mark cannot be written.
    pub fn condemn(&self, why: &str) -> Result<(), SearchError> {
        let mark = self.0.folder.join(CONDEMNED);
        durable(&mark, why.as_bytes()).map_err(|source| self.write_failed(source))
    }

    pub(crate) fn searcher(&self) -> Searcher {
        self.0.reader.searcher()
    }

    /// After a commit of this payload.
    pub(crate) fn committed(&self, lsn: u64) -> Result<(), SearchError> {
        guarded(|| self.0.reader.reload())?;
        self.0.position.store(lsn, Ordering::Release);
        Ok(())
    }

    /// The text of a commit: which version, of what, up to where.
    pub(crate) fn payload(&self, lsn: u64) -> String {
        payload(self.0.schema, lsn)
    }

    pub(crate) fn mark_writing(&self) -> Result<(), SearchError> {
        let mark = self.0.folder.join(WRITING);
        durable(&mark, b"").map_err(|source| self.write_failed(source))
    }

    /// After a writer that ended well. A mark that stays only costs a check; so does a file.
    pub(crate) fn writer_ended(&self, merges_too: bool) {
        // Another writer may be open by now, and these are its mark and its files.
        let Ok(_lock) = self.0.index.directory().acquire_lock(&INDEX_WRITER_LOCK) else {
            return;
        };
        let _ = fs::remove_file(self.0.folder.join(WRITING));
        if merges_too && guarded(|| self.0.reader.reload()).is_ok() {
            // What the merges replaced.
            let _ = guarded(|| sweep(&self.0.folder.join(FILES), &self.0.index));
        }
    }

    fn write_failed(&self, source: io::Error) -> SearchError {
        SearchError::Io {
            folder: self.0.folder.clone(),
            action: "written",
            source,
        }
    }
}

fn payload(schema: u32, lsn: u64) -> String {
    format!("vale-search {FORMAT} {schema} {lsn}")
}

/// The index that is there, and its position.
fn existing(folder: &Path, schema: u32, fields: &Fields) -> Result<(tantivy::Index, u64), Refusal> {
    match fs::read(folder.join(CONDEMNED)) {
        Ok(why) => {
            let why = String::from_utf8_lossy(&why).into_owned();
            return Err(Refusal::Fresh(Fresh::Condemned(why)));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Refusal::Disk(error)),
    }
    let files = folder.join(FILES);
    if !files.try_exists().map_err(Refusal::Disk)? {
        return Err(Refusal::Fresh(Fresh::Missing));
    }
    let (index, text) = caught(|| {
        let directory = SealedDirectory::open(&files)?;
        let mut index = tantivy::Index::open(directory)?;
        index.set_tokenizers(Fields::tokenizers());
        let payload = index.load_metas()?.payload;
        sweep(&files, &index)?;
        Ok((index, payload))
    })?;
    let text = text.ok_or(Refusal::Fresh(Fresh::Uncommitted))?;
    let lsn = text.rsplit(' ').next().and_then(|lsn| lsn.parse().ok());
    let lsn = lsn.filter(|lsn| payload(schema, *lsn) == text && index.schema() == fields.schema);
    let lsn = lsn.ok_or(Refusal::Fresh(Fresh::OtherVersion))?;
    reader(&index)?;
    Ok((index, lsn))
}

/// Removes what a killed process left behind. tantivy creates each file anew and names lists of
/// deletions by a counter that begins again at the last commit: a left one would stop all writing.
fn sweep(files: &Path, index: &tantivy::Index) -> tantivy::Result<()> {
    let living = index.load_metas()?.list_segment_files();
    for entry in fs::read_dir(files)? {
        let name = PathBuf::from(entry?.file_name());
        let is_kept = matches!(name.to_str(), Some("meta.json" | ".managed.json"))
            || name.to_string_lossy().starts_with(".tantivy-")
            || living.contains(&name);
        if !is_kept {
            fs::remove_file(files.join(name))?;
        }
    }
    Ok(())
}

/// The files that are not what was written. Not tantivy's own check, which leaves out a file that its
/// list of files has lost.
fn damaged_files(index: &tantivy::Index) -> tantivy::Result<Vec<PathBuf>> {
    let mut damaged = Vec::new();
    for path in index.load_metas()?.list_segment_files() {
        // The list names files that a segment may have; the reader has opened those that it must have.
        if index.directory().exists(&path)? && !index.directory().validate_checksum(&path)? {
            damaged.push(path);
        }
    }
    Ok(damaged)
}

/// An empty index, in the place of whatever is there.
fn fresh(folder: &Path, fields: &Fields) -> io::Result<tantivy::Index> {
    let files = folder.join(FILES);
    let absent_is_fine = |result: io::Result<()>| match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    absent_is_fine(fs::remove_dir_all(&files))?;
    absent_is_fine(fs::remove_file(folder.join(CONDEMNED)))?;
    absent_is_fine(fs::remove_file(folder.join(WRITING)))?;
    fs::create_dir(&files)?;
    let create = || {
        let directory = SealedDirectory::open(&files)?;
        let settings = tantivy::IndexSettings::default();
        let mut index = tantivy::Index::create(directory, fields.schema.clone(), settings)?;
        index.set_tokenizers(Fields::tokenizers());
        Ok(index)
    };
    caught(create).map_err(|refusal| match refusal {
        Refusal::Disk(error) => error,
        Refusal::Fresh(why) => io::Error::other(why.to_string()),
    })
}

fn reader(index: &tantivy::Index) -> Result<IndexReader, Refusal> {
    caught(|| {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        reader.try_into()
    })
}

/// Runs what opens files, and tells damage from a disk that refuses for now.
fn caught<T>(work: impl FnOnce() -> tantivy::Result<T>) -> Result<T, Refusal> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(match refused(&error) {
            Some(error) => Refusal::Disk(error),
            None => Refusal::Fresh(Fresh::Unreadable(error.to_string())),
        }),
        Err(panic) => Err(Refusal::Fresh(Fresh::Unreadable(panic_text(
            panic.as_ref(),
        )))),
    }
}

/// The system's error, unless it says something of the files themselves.
fn refused(error: &TantivyError) -> Option<io::Error> {
    let error = match error {
        TantivyError::IoError(error)
        | TantivyError::OpenReadError(OpenReadError::IoError {
            io_error: error, ..
        })
        | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError {
            io_error: error, ..
        }) => error,
        _ => return None,
    };
    let code = error.raw_os_error()?;
    // A sector that cannot be read any more is damage.
    let is_damage = matches!(error.kind(), io::ErrorKind::NotFound) || code == 5;
    (!is_damage).then(|| io::Error::from_raw_os_error(code))
}

fn durable(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    File::open(path)?.sync_all()?;
    sync_names_around(path)
}

/// Makes the names in the folder that a path is in durable.
fn sync_names_around(path: &Path) -> io::Result<()> {
    // Windows keeps a journal of names itself.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let is_current = folder.as_os_str().is_empty();
        File::open(if is_current { Path::new(".") } else { folder })?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
