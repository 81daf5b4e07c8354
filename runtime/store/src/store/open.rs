//! Opening a store: journal first, then the view, which is made again when it does not fit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use super::policy::{Headroom, Space};
use super::rebuild::{catch_up, rebuild};
use super::slot::Slot;
use super::writer::{Message, Writer};
use super::{Inner, Store};
use crate::blobs::Blobs;
use crate::disk::{Disk, RealDisk};
use crate::error::StoreError;
use crate::journal::{Journal, JournalOptions, JournalReader, Recovery};
use crate::lock::Lock;
use crate::rows::Fold;
use crate::view::View;
use tokio::sync::oneshot;

/// Names the folder of the view that counts.
const CURRENT: &str = "CURRENT";
/// There while a view is open: holds the boot that it was opened in.
const MARK: &str = "OPEN";
/// A tail so short is folded before the store is handed out.
const SHORT_TAIL: u64 = 20_000;

/// How a store is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreOptions {
    /// How the journal is cut.
    pub journal: JournalOptions,
    /// What is kept free.
    pub headroom: Headroom,
    /// Make the view again, whatever there is.
    pub rebuild: bool,
}

/// A store, and what opening it found.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What was found in the journal.
    pub recovery: Recovery,
    /// Why the view is made again, if it is.
    pub rebuilds: Option<String>,
    /// Why nothing can be written, if so.
    pub read_only: Option<String>,
}

impl Store {
    /// Opens the store in a folder, or begins one there.
    ///
    /// # Errors
    /// When another process has it, a newer program wrote it, or the disk cannot be read. Damage is told
    /// in [`Opened`]; what is whole can be read.
    pub fn open(
        folder: impl Into<PathBuf>,
        options: StoreOptions,
        fold: Arc<dyn Fold>,
    ) -> Result<Opened, StoreError> {
        let folder = folder.into();
        crate::backup::finish_restore(&folder)
            .map_err(StoreError::io("ending a restore that was interrupted"))?;
        let disk = RealDisk::open(&folder)
            .map_err(StoreError::io(format!("opening {}", folder.display())))?;
        let lock = Lock::take(&folder)?;
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (mut journal, recovery) = Journal::open(shared.clone(), options.journal)?;
        let reader = journal.reader();
        let slot = Slot::rebuilding();
        let view_folder = folder.join("view");
        let found = existing(&view_folder, &reader, &*fold, options, &shared);
        if let Found::Ahead(applied) = &found {
            journal.set_read_only(format!(
                "{} records that were confirmed are gone from the end of the journal. `valechat store \
                 restore` puts a backup in its place.",
                applied - reader.last()
            ));
        }
        let read_only = journal.read_only().map(str::to_owned);
        let (messages, inbox) = mpsc::channel();
        let writer = Writer {
            journal,
            fold: fold.clone(),
            slot: slot.clone(),
            space: Space::new(options.headroom),
            disk: shared.clone(),
        };
        let writing = spawn("store-writer", move || writer.run(&inbox))?;
        let inner = Arc::new(Inner {
            blobs: Blobs::new(shared),
            threads: Mutex::new(vec![writing]),
            disk,
            fold,
            slot,
            reader,
            messages,
            view_folder,
            is_closing: Arc::default(),
            rebuilds: Arc::default(),
            options,
            _lock: lock,
        });
        let store = Store { inner };
        let rebuilds = match found {
            Found::Fits(view) => {
                store.take_view(view)?;
                None
            }
            Found::Ahead(_) => Some("the journal ends before it".to_owned()),
            Found::None(why) => Some(why),
        };
        if rebuilds.is_some() {
            drop(store.rebuild_beside()?);
        }
        Ok(Opened {
            store,
            recovery,
            rebuilds,
            read_only,
        })
    }

    /// Puts a view in place that fits but for its tail.
    fn take_view(&self, view: View) -> Result<(), StoreError> {
        mark(&self.inner.view_folder);
        self.ask(|reply| Message::Attach(view, reply))?
    }

    /// Makes the view again in a thread of its own, beside the old one. The answer comes once the new one
    /// has taken its place and nothing is left of the old one.
    pub(super) fn rebuild_beside(
        &self,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (slot, reader) = (self.inner.slot.clone(), self.inner.reader.clone());
        let (fold, messages) = (self.inner.fold.clone(), self.inner.messages.clone());
        let folder = self.inner.view_folder.clone();
        let is_closing = self.inner.is_closing.clone();
        let rebuilds = self.inner.rebuilds.clone();
        let (done, answer) = oneshot::channel();
        let thread = spawn("store-rebuild", move || {
            let _alone = rebuilds
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let work = || {
                let name = next_folder(&folder)?;
                let view = rebuild(&folder.join(&name), &reader, &*fold, &slot, &is_closing)?;
                set_current(&folder, &name)?;
                mark(&folder);
                let (reply, answer) = oneshot::channel();
                messages
                    .send(Message::Attach(view, reply))
                    .map_err(|_| StoreError::Closed)?;
                answer.blocking_recv().map_err(|_| StoreError::Closed)??;
                remove_all_but(&folder, &name)
            };
            let outcome = work();
            match &outcome {
                Ok(()) | Err(StoreError::Closed) => {}
                Err(error) => {
                    tracing::error!(%error, "the view could not be made");
                    // The old one, if it still answers, goes on.
                    slot.not_rebuilt(error.to_string());
                }
            }
            // Nobody may be waiting.
            drop(done.send(outcome));
        })?;
        let threads = self.inner.threads.lock();
        threads
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(thread);
        Ok(answer)
    }
}

/// What lies in the view's folder.
enum Found {
    Fits(View),
    /// It has records that the journal does not.
    Ahead(u64),
    None(String),
}

fn existing(
    folder: &Path,
    reader: &JournalReader,
    fold: &dyn Fold,
    options: StoreOptions,
    disk: &Arc<dyn Disk>,
) -> Found {
    let Ok(name) = std::fs::read_to_string(folder.join(CURRENT)) else {
        return Found::None("there is none".to_owned());
    };
    if options.rebuild {
        return Found::None("it was asked for".to_owned());
    }
    let path = folder.join(name.trim());
    if !path.is_dir() {
        return Found::None("it is gone".to_owned());
    }
    // sled cannot be opened on a full disk, and does not survive the try.
    let free = disk.free_space().unwrap_or(u64::MAX);
    if free < options.headroom.refuse / 4 {
        return Found::None(format!("only {} MiB are free", free >> 20));
    }
    let view = match View::open(&path) {
        Ok(view) => view,
        Err(error) => return Found::None(error.to_string()),
    };
    let origin = view.origin();
    let refuse = |view: View, why: &str| {
        drop(view);
        Found::None(why.to_owned())
    };
    if origin.store.is_nil() && reader.last() > 0 {
        return refuse(view, "nothing of it had reached the disk");
    }
    if origin.store != reader.store() && reader.last() > 0 {
        return refuse(view, "it is of another store");
    }
    if origin.schema != fold.schema() {
        return refuse(view, "its shape is of another version");
    }
    if is_suspect(folder) {
        match view.is_whole() {
            Ok(true) => {}
            Ok(false) => return refuse(view, "rows are missing after the machine went down"),
            Err(error) => {
                std::mem::forget(view);
                return Found::None(error.to_string());
            }
        }
    }
    if origin.applied > reader.last() {
        drop(view);
        return Found::Ahead(origin.applied);
    }
    if reader.last() - origin.applied > SHORT_TAIL {
        return refuse(view, "too much was written without it");
    }
    match catch_up(&view, reader, fold, reader.last()) {
        Ok(_) => Found::Fits(view),
        Err(error) => {
            std::mem::forget(view);
            Found::None(error.to_string())
        }
    }
}

/// A view that was open when another boot ended may have lost anything since its last flush, and sled does
/// not notice. One that was open in this boot has not: the system still had what it wrote.
fn is_suspect(folder: &Path) -> bool {
    match std::fs::read_to_string(folder.join(MARK)) {
        Ok(opened_in) => boot().is_none_or(|now| now != opened_in),
        Err(_) => false,
    }
}

fn mark(folder: &Path) {
    let boot = boot().unwrap_or_default();
    let path = folder.join(MARK);
    let written = std::fs::write(&path, boot).and_then(|()| {
        std::fs::File::open(&path)?.sync_all()?;
        sync(folder)
    });
    if let Err(error) = written {
        tracing::warn!(%error, "the mark of an open view was not written");
    }
}

/// The view was shut in order.
pub(super) fn unmark(folder: &Path) {
    drop(std::fs::remove_file(folder.join(MARK)));
}

/// What names this run of the machine.
fn boot() -> Option<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
}

/// The folders of views, by number.
fn folders(folder: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    Ok(found)
}

fn next_folder(folder: &Path) -> Result<String, StoreError> {
    let making = || StoreError::io(format!("making {}", folder.display()));
    std::fs::create_dir_all(folder).map_err(making())?;
    // Its own name too: without it, all views of this session are made again after a power cut.
    folder.parent().map_or(Ok(()), sync).map_err(making())?;
    // One that was never finished, or was replaced.
    let current = std::fs::read_to_string(folder.join(CURRENT)).unwrap_or_default();
    remove_all_but(folder, current.trim())?;
    let there = folders(folder).map_err(making())?;
    let highest = there.iter().map(|(number, _)| *number).max();
    Ok(format!("{:06}", highest.unwrap_or(0) + 1))
}

fn remove_all_but(folder: &Path, name: &str) -> Result<(), StoreError> {
    let removing = || StoreError::io(format!("removing an old view in {}", folder.display()));
    for (_, path) in folders(folder).map_err(removing())? {
        if path.file_name().is_none_or(|found| found != name) {
            std::fs::remove_dir_all(path).map_err(removing())?;
        }
    }
    Ok(())
}

fn set_current(folder: &Path, name: &str) -> Result<(), StoreError> {
    let temporary = folder.join("CURRENT.tmp");
    // sled does not sync the names of its files.
    sync(&folder.join(name))
        .and_then(|()| std::fs::write(&temporary, name))
        .and_then(|()| std::fs::File::open(&temporary)?.sync_all())
        .and_then(|()| std::fs::rename(&temporary, folder.join(CURRENT)))
        .and_then(|()| sync(folder))
        .map_err(StoreError::io("putting the new view in place"))
}

fn sync(folder: &Path) -> std::io::Result<()> {
    RealDisk::at(folder).sync_folder("")
}

pub(super) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<std::thread::JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(StoreError::io("starting a thread"))
}
