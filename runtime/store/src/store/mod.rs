//! The store: journal, view and blobs behind one handle.

mod maintain;
mod open;
mod policy;
mod rebuild;
mod slot;
mod writer;

pub use maintain::{CompactReport, Stats};
pub use open::{Opened, StoreOptions};
pub use policy::{Headroom, MAX_WAIT, MAX_WAITING};
pub use slot::ViewState;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::blobs::Blobs;
use crate::disk::{Disk, RealDisk};
use crate::error::StoreError;
use crate::journal::{Command, JournalReader, Lsn, MAX_PAYLOAD, OwnedFrame};
use crate::lock::Lock;
use crate::rows::{Fold, Rows};
use slot::Slot;
use writer::{Job, Message};

/// How long the end waits for the view; it can be made again, so not longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A store that is open. Cheap to clone; the last clone closes it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    disk: RealDisk,
    fold: Arc<dyn Fold>,
    slot: Slot,
    reader: JournalReader,
    blobs: Blobs,
    messages: Sender<Message>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    view_folder: PathBuf,
    /// A rebuild ends early.
    is_closing: Arc<AtomicBool>,
    /// One rebuild at a time: each removes what an unfinished one has left.
    rebuilds: Arc<Mutex<()>>,
    options: StoreOptions,
    _lock: Lock,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store")
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

/// The answer to a command: its last record's number, once it is durable.
pub type Written = oneshot::Receiver<Result<Lsn, StoreError>>;

impl Store {
    /// Writes a command. When the answer is there it is on the disk and in the rows.
    ///
    /// # Errors
    /// When it makes no sense, the disk is full or failed, or the store is read-only.
    pub async fn commit(&self, command: Command) -> Result<Lsn, StoreError> {
        let answer = self.send(command, false, false);
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same for a thread that may wait.
    ///
    /// # Errors
    /// As for [`Self::commit`].
    pub fn commit_blocking(&self, command: Command) -> Result<Lsn, StoreError> {
        let answer = self.send(command, false, false);
        answer.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Writes a piece of text while it streams: within 200 ms, or with the next KiB, or with any other
    /// command. The answer may be dropped.
    pub fn commit_soon(&self, command: Command) -> Written {
        self.send(command, true, false)
    }

    /// Writes what frees space or must be possible on a full disk: deletions, settings.
    pub fn commit_freeing(&self, command: Command) -> Written {
        self.send(command, false, true)
    }

    fn send(&self, command: Command, may_wait: bool, frees: bool) -> Written {
        let (reply, answer) = oneshot::channel();
        let largest = command
            .records
            .iter()
            .map(|record| record.payload.len())
            .max();
        if let Some(bytes) = largest.filter(|bytes| *bytes > MAX_PAYLOAD) {
            let mib = (bytes as u64).div_ceil(1 << 20);
            drop(reply.send(Err(StoreError::TooLarge(mib))));
            return answer;
        }
        let job = Job {
            command,
            may_wait,
            frees,
            reply,
        };
        // When it cannot be sent, the answer says that the store is closed.
        drop(self.inner.messages.send(Message::Write(job)));
        answer
    }

    /// Reads rows, all of one moment.
    ///
    /// # Errors
    /// [`StoreError::Rebuilding`] while the view is made; what `ask` fails with.
    pub fn read<T>(
        &self,
        ask: impl FnOnce(&dyn Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.slot.read(|view| ask(slot::rows(view)))
    }

    /// The last record whose rows are there; the journal may be a moment ahead.
    ///
    /// # Errors
    /// [`StoreError::Rebuilding`] while the view is made.
    pub fn applied(&self) -> Result<Lsn, StoreError> {
        self.inner.slot.read(|view| Ok(view.origin().applied))
    }

    /// One record by its number.
    ///
    /// # Errors
    /// When it is not there or is damaged.
    pub fn frame(&self, lsn: Lsn) -> Result<OwnedFrame, StoreError> {
        self.inner.reader.read(lsn)
    }

    /// The journal, for reading.
    #[must_use]
    pub fn journal(&self) -> &JournalReader {
        &self.inner.reader
    }

    /// Attachments and long texts.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// How the view is.
    #[must_use]
    pub fn view(&self) -> ViewState {
        self.inner.slot.state()
    }

    /// Ends the store: what was asked is written, the view is given three seconds. Other clones find it
    /// closed.
    pub fn close(&self) {
        self.inner.close();
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.inner.disk.clone())
    }

    /// Asks the writer and waits.
    fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.inner
            .messages
            .send(message(reply))
            .map_err(|_| StoreError::Closed)?;
        answer.blocking_recv().map_err(|_| StoreError::Closed)
    }
}

impl Inner {
    fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        if self.messages.send(Message::Close(reply)).is_ok() {
            // The writer answers after its last write.
            wait(answer, Duration::from_secs(60));
        }
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let until = Instant::now() + PATIENCE;
        for thread in threads {
            while !thread.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                drop(thread.join());
            }
        }
        let Some(view) = self.slot.take() else { return };
        let (done, answer) = oneshot::channel();
        let mark = self.view_folder.clone();
        let ending = std::thread::Builder::new().name("view-end".to_owned()).spawn(move || {
            match view.flush() {
                Ok(()) => {
                    drop(view);
                    open::unmark(&mark);
                }
                Err(error) => {
                    tracing::warn!(%error, "the view was not written; it is rebuilt at the next start");
                    std::mem::forget(view);
                }
            }
            // Nobody may be waiting any more.
            let _ = done.send(());
        });
        if ending.is_ok() {
            wait(answer, PATIENCE);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// Waits for an answer, but not for ever.
fn wait(mut answer: oneshot::Receiver<()>, most: Duration) {
    let until = Instant::now() + most;
    while answer.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        if Instant::now() >= until {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
