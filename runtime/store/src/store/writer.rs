//! The one thread that writes: what queued while the last sync ran is the next write.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::policy::{Gather, Space};
use super::rebuild::catch_up;
use super::slot::Slot;
use crate::error::StoreError;
use crate::journal::{Command, Compacted, Journal, Lsn};
use crate::rows::{Fold, Overlay};
use crate::view::View;

/// Bytes of payload that one write takes at most, but for a single command that is larger.
const MAX_GROUP: usize = 4 << 20;

pub(crate) type Reply = oneshot::Sender<Result<Lsn, StoreError>>;

/// A command on its way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) command: Command,
    /// It may wait for more of its kind.
    pub(crate) may_wait: bool,
    /// It is allowed into the last free space.
    pub(crate) frees: bool,
    pub(crate) reply: Reply,
}

impl Job {
    fn bytes(&self) -> usize {
        let records = self.command.records.iter();
        records.map(|record| record.payload.len() + 36).sum()
    }
}

/// What the writer is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Write(Job),
    /// A view that was made again takes the place of the old one.
    Attach(View, oneshot::Sender<Result<(), StoreError>>),
    Roll(oneshot::Sender<Result<(), StoreError>>),
    Publish(Compacted, oneshot::Sender<Result<(), StoreError>>),
    Flush(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

pub(crate) struct Writer {
    pub(crate) journal: Journal,
    pub(crate) fold: Arc<dyn Fold>,
    pub(crate) slot: Slot,
    pub(crate) space: Space,
    pub(crate) disk: Arc<dyn crate::disk::Disk>,
}

impl Writer {
    /// Works until it is told to close, or nobody is left who could ask.
    pub(crate) fn run(mut self, messages: &Receiver<Message>) {
        let mut waiting: Vec<Job> = Vec::new();
        let mut gather = Gather::default();
        loop {
            let next = match gather.wait(Instant::now()) {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => messages.recv_timeout(wait),
            };
            let mut must_write = false;
            let mut other = None;
            match next {
                Ok(message) => {
                    // Whatever queued while the last sync ran comes along.
                    let mut message = Some(message);
                    let mut bytes = 0;
                    while let Some(Message::Write(job)) = message {
                        let size = job.bytes();
                        bytes += size;
                        if job.may_wait {
                            gather.add(size, Instant::now());
                        } else {
                            must_write = true;
                        }
                        waiting.push(job);
                        message = if bytes < MAX_GROUP {
                            messages.try_recv().ok()
                        } else {
                            None
                        };
                    }
                    other = message;
                }
                Err(RecvTimeoutError::Timeout) => must_write = true,
                Err(RecvTimeoutError::Disconnected) => {
                    self.write(std::mem::take(&mut waiting));
                    return;
                }
            }
            let is_due = gather
                .wait(Instant::now())
                .is_some_and(|wait| wait.is_zero());
            if must_write || is_due || other.is_some() {
                gather.clear();
                self.write(std::mem::take(&mut waiting));
            }
            match other {
                None | Some(Message::Write(_)) => {}
                Some(Message::Attach(view, reply)) => drop(reply.send(self.attach(view))),
                Some(Message::Roll(reply)) => drop(reply.send(self.journal.roll(now_ms()))),
                Some(Message::Publish(compacted, reply)) => {
                    drop(reply.send(self.journal.publish(compacted)));
                }
                Some(Message::Flush(reply)) => {
                    let _ = reply.send(());
                }
                Some(Message::Close(reply)) => {
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    /// Writes jobs as one group, folds them, and answers each.
    fn write(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let bytes = jobs.iter().map(|job| job.bytes() as u64).sum();
        let frees = jobs.iter().all(|job| job.frees);
        let disk = &self.disk;
        let room = self
            .space
            .allows(bytes, frees, Instant::now(), || disk.free_space().ok());
        if let Err(error) = room {
            // Alone, some of them may go through.
            if jobs.len() > 1 && jobs.iter().any(|job| job.frees) {
                for job in jobs {
                    self.write(vec![job]);
                }
            } else {
                refuse(jobs, &error);
            }
            return;
        }
        let time = now_ms();
        let prepared = self.prepare(jobs, time);
        if prepared.commands.is_empty() {
            return;
        }
        match self.journal.append(&prepared.commands, time) {
            Err(error) => {
                for (reply, _) in prepared.replies {
                    drop(reply.send(Err(error.clone())));
                }
            }
            Ok(last) => {
                if let Some((changes, origin)) = prepared.changes {
                    self.slot.apply(changes, origin.applied_to(last));
                }
                for (reply, lsn) in prepared.replies {
                    // Who does not wait for it does not hear of it.
                    drop(reply.send(Ok(lsn)));
                }
            }
        }
    }

    /// Folds the commands before they are written: one that makes no sense is refused alone.
    fn prepare(&self, jobs: Vec<Job>, time: u64) -> Prepared {
        let first = self.journal.last() + 1;
        let mut left = Some(jobs);
        let folded = self.slot.read(|view| {
            let origin = view.origin();
            let mut prepared = Prepared::default();
            let mut group = Overlay::new(view);
            let mut next = first;
            for job in left.take().into_iter().flatten() {
                match self.fold_one(&job.command, next, time, &group) {
                    Ok(changes) => {
                        group.merge(changes);
                        next = prepared.accept(job, next);
                    }
                    Err(error) => drop(job.reply.send(Err(error))),
                }
            }
            prepared.changes = Some((group.into_changes(), origin));
            Ok(prepared)
        });
        folded.unwrap_or_else(|_| {
            // No view now: it will be made from the journal.
            let mut prepared = Prepared::default();
            let mut next = first;
            for job in left.into_iter().flatten() {
                next = prepared.accept(job, next);
            }
            prepared
        })
    }

    fn fold_one(
        &self,
        command: &Command,
        first: Lsn,
        time_ms: u64,
        group: &Overlay<'_>,
    ) -> Result<crate::rows::Changes, StoreError> {
        let mut one = Overlay::new(group);
        for (lsn, record) in (first..).zip(&command.records) {
            let frame = crate::journal::Frame::of(record, lsn, time_ms);
            self.fold.fold(&frame, &mut one)?;
        }
        Ok(one.into_changes())
    }

    fn attach(&mut self, view: View) -> Result<(), StoreError> {
        let reader = self.journal.reader();
        let strange = catch_up(&view, &reader, &*self.fold, reader.last())?;
        for error in strange {
            tracing::warn!(%error, "a record was left out of the view");
        }
        self.slot.put(view);
        Ok(())
    }
}

#[derive(Default)]
struct Prepared {
    commands: Vec<Command>,
    replies: Vec<(Reply, Lsn)>,
    changes: Option<(crate::rows::Changes, crate::rows::Origin)>,
}

impl Prepared {
    /// Takes a job in; gives the number after its last record.
    fn accept(&mut self, job: Job, first: Lsn) -> Lsn {
        let next = first + job.command.records.len() as u64;
        self.commands.push(job.command);
        self.replies.push((job.reply, next - 1));
        next
    }
}

fn refuse(jobs: Vec<Job>, error: &StoreError) {
    for job in jobs {
        drop(job.reply.send(Err(error.clone())));
    }
}

/// Milliseconds since 1970, by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
