//! A disk in memory that loses power at any moment, fills up, and fails on demand.
//!
//! What was written and not synced is pending: after a cut any part of it may be there, in any order
//! that a real disk may choose. A created, renamed, linked or removed name is pending too, until its
//! folder is synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile, Entry, folder_of};

/// Bytes that a disk writes as one, torn only at [`SECTOR`].
const PAGE: u64 = 4096;
const SECTOR: u64 = 512;

/// What survives of the pending writes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None of them.
    Nothing,
    /// All of them: what a killed process leaves.
    All,
    /// Each page of them with even odds.
    SomePages,
    /// All up to one, and that torn at a sector.
    UpToOne,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(u64, Vec<u8>),
    Len(u64),
}

impl Write {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Len(len) => bytes.resize(usize::try_from(*len).unwrap_or(0), 0),
            Self::Bytes(at, new) => {
                let at = usize::try_from(*at).unwrap_or(0);
                let end = at + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(old) = bytes.get_mut(at..end) {
                    old.copy_from_slice(new);
                }
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    now: Vec<u8>,
    pending: Vec<Write>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, u64),
    Unset(String),
}

#[derive(Debug, Clone, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names that no sync of their folder has made durable, in order.
    pending_names: Vec<(String, NameChange)>,
    folders: BTreeSet<String>,
    next_inode: u64,
    /// Changes so far.
    events: u64,
    /// The change at which power goes.
    cut_at: Option<u64>,
    capacity: Option<u64>,
    failing_syncs: u32,
}

impl State {
    /// Counts one change; power may go at it.
    fn event(&mut self) -> io::Result<()> {
        self.powered()?;
        self.events += 1;
        self.powered()
    }

    fn powered(&self) -> io::Result<()> {
        match self.cut_at {
            Some(at) if self.events >= at => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn inode_of(&self, path: &str) -> io::Result<u64> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn inode(&mut self, inode: u64) -> &mut Inode {
        self.inodes.entry(inode).or_default()
    }

    fn used(&self) -> u64 {
        let live: BTreeSet<u64> = self.names.values().copied().collect();
        let bytes = live.iter().filter_map(|inode| self.inodes.get(inode));
        bytes.map(|inode| inode.now.len() as u64).sum()
    }

    fn change(&mut self, folder: &str, change: NameChange) {
        match &change {
            NameChange::Set(path, inode) => {
                self.names.insert(path.clone(), *inode);
            }
            NameChange::Unset(path) => {
                self.names.remove(path);
            }
        }
        self.pending_names.push((folder.to_owned(), change));
    }

    fn room_for(&self, more: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if self.used() + more > capacity => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

fn apply_name(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Set(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        NameChange::Unset(path) => {
            names.remove(path);
        }
    }
}

/// The simulated disk; a clone is the same disk.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Power goes at the `changes`-th change from now; every call after that fails.
    pub fn cut_after(&self, changes: u64) {
        let mut state = self.state();
        state.cut_at = Some(state.events + changes);
    }

    /// There was no power cut: the process ended, and the system still has what it wrote.
    pub fn power_on(&self) {
        self.state().cut_at = None;
    }

    /// Whether power has gone.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.state().powered().is_err()
    }

    /// Changes so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.state().events
    }

    /// The disk holds at most so many bytes; none = no bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// The next syncs fail, and drop what they should have made durable, as Linux does.
    pub fn fail_syncs(&self, count: u32) {
        self.state().failing_syncs = count;
    }

    /// Flips, cuts or replaces bytes where they lie, as a failing medium does.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn damage(&self, path: &str, with: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode_of(path)?;
        let inode = state.inode(inode);
        with(&mut inode.now);
        inode.durable = inode.now.clone();
        inode.pending.clear();
        Ok(())
    }

    /// Every file's path.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What a machine finds when power is back. `random` gives numbers below its argument.
    #[must_use]
    pub fn after_cut(&self, keep: Keep, random: &mut dyn FnMut(u64) -> u64) -> Self {
        let state = self.state();
        let names = surviving_names(&state, keep, random);
        let mut inodes = BTreeMap::new();
        for inode in names.values() {
            if let Some(old) = state.inodes.get(inode) {
                let bytes = surviving_bytes(old, keep, random);
                let inode_now = Inode {
                    durable: bytes.clone(),
                    now: bytes,
                    pending: Vec::new(),
                };
                inodes.insert(*inode, inode_now);
            }
        }
        Self(Arc::new(Mutex::new(State {
            inodes,
            durable_names: names.clone(),
            names,
            folders: state.folders.clone(),
            next_inode: state.next_inode,
            capacity: state.capacity,
            ..State::default()
        })))
    }
}

/// Names change in order within a folder; how far each folder came is chance.
fn surviving_names(
    state: &State,
    keep: Keep,
    random: &mut dyn FnMut(u64) -> u64,
) -> BTreeMap<String, u64> {
    let mut names = state.durable_names.clone();
    let folders: BTreeSet<&String> = state.pending_names.iter().map(|(f, _)| f).collect();
    for folder in folders {
        let pending = state.pending_names.iter().filter(|(f, _)| f == folder);
        let changes: Vec<_> = pending.map(|(_, change)| change).collect();
        let kept = match keep {
            Keep::Nothing => 0,
            Keep::All => changes.len(),
            Keep::SomePages | Keep::UpToOne => {
                usize::try_from(random(changes.len() as u64 + 1)).unwrap_or(0)
            }
        };
        for change in changes.into_iter().take(kept) {
            apply_name(&mut names, change);
        }
    }
    names
}

fn surviving_bytes(inode: &Inode, keep: Keep, random: &mut dyn FnMut(u64) -> u64) -> Vec<u8> {
    let mut bytes = inode.durable.clone();
    match keep {
        Keep::Nothing => {}
        Keep::All => bytes.clone_from(&inode.now),
        Keep::SomePages => {
            for write in &inode.pending {
                match write {
                    Write::Len(_) if random(2) == 0 => write.apply(&mut bytes),
                    Write::Len(_) => {}
                    Write::Bytes(at, new) => {
                        for (offset, piece) in pages(*at, new) {
                            if random(2) == 0 {
                                Write::Bytes(offset, piece.to_vec()).apply(&mut bytes);
                            }
                        }
                    }
                }
            }
        }
        Keep::UpToOne => {
            let whole = random(inode.pending.len() as u64 + 1);
            let whole = usize::try_from(whole).unwrap_or(0);
            for write in inode.pending.iter().take(whole) {
                write.apply(&mut bytes);
            }
            if let Some(Write::Bytes(at, new)) = inode.pending.get(whole) {
                let sectors = random(new.len() as u64 / SECTOR + 1);
                let kept = usize::try_from(sectors * SECTOR).unwrap_or(0);
                let torn = new.get(..kept.min(new.len())).unwrap_or_default();
                Write::Bytes(*at, torn.to_vec()).apply(&mut bytes);
            }
        }
    }
    bytes
}

/// A write in the pieces that lie in one page of the file each.
fn pages(at: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let (mut offset, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let room = usize::try_from(PAGE - offset % PAGE).unwrap_or(1);
        let (piece, after) = rest.split_at(room.min(rest.len()));
        pieces.push((offset, piece));
        offset += piece.len() as u64;
        rest = after;
    }
    pieces
}

impl Disk for SimDisk {
    fn create_folder(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.event()?;
        state.folders.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let state = self.state();
        state.powered()?;
        let prefix = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let mut found = BTreeMap::new();
        for (path, inode) in &state.names {
            if let Some(name) = path.strip_prefix(&prefix) {
                let (name, is_folder) = match name.split_once('/') {
                    Some((name, _)) => (name, true),
                    None => (name, false),
                };
                let len = state.inodes.get(inode).map_or(0, |inode| inode.now.len());
                found.insert(name.to_owned(), (is_folder, len as u64));
            }
        }
        for path in &state.folders {
            if let Some(name) = path.strip_prefix(&prefix)
                && let Some(name) = name.split('/').next().filter(|name| !name.is_empty())
            {
                found.entry(name.to_owned()).or_insert((true, 0));
            }
        }
        let entries = found.into_iter().map(|(name, (is_folder, len))| Entry {
            name,
            len,
            is_folder,
        });
        Ok(entries.collect())
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.event()?;
        let inode = state.next_inode;
        state.next_inode += 1;
        state.inodes.insert(inode, Inode::default());
        let change = NameChange::Set(path.to_owned(), inode);
        state.change(folder_of(path), change);
        drop(state);
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let state = self.state();
        state.powered()?;
        let inode = state.inode_of(path)?;
        drop(state);
        Ok(Box::new(SimFile {
            disk: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode_of(from)?;
        state.event()?;
        // One change: a rename is atomic.
        state.names.remove(from);
        let gone = NameChange::Unset(from.to_owned());
        state.change(folder_of(to), NameChange::Set(to.to_owned(), inode));
        state.change(folder_of(from), gone);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.inode_of(path)?;
        state.event()?;
        state.change(folder_of(path), NameChange::Unset(path.to_owned()));
        Ok(())
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        let mut state = self.state();
        state.event()?;
        state.folders.remove(path);
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode_of(from)?;
        if state.names.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.event()?;
        state.change(folder_of(to), NameChange::Set(to.to_owned(), inode));
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut state = self.state();
        state.event()?;
        let pending = std::mem::take(&mut state.pending_names);
        for (of, change) in pending {
            if of == folder {
                apply_name(&mut state.durable_names, &change);
            } else {
                state.pending_names.push((of, change));
            }
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let state = self.state();
        state.powered()?;
        Ok(match state.capacity {
            Some(capacity) => capacity.saturating_sub(state.used()),
            None => u64::MAX,
        })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.powered()?;
        let bytes = &state.inode(self.inode).now;
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let rest = bytes.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.powered()?;
        // The cut may fall into this write: then it is pending, and its caller never hears of it.
        let powered = state.event();
        let now = state.inode(self.inode).now.len() as u64;
        let more = (offset + bytes.len() as u64).saturating_sub(now);
        if powered.is_ok()
            && let Err(full) = state.room_for(more)
        {
            // What fits is written, as on a real disk.
            let room = state.capacity.unwrap_or(0).saturating_sub(state.used());
            let fits = bytes.len() - usize::try_from(more.saturating_sub(room)).unwrap_or(0);
            let write = Write::Bytes(offset, bytes.get(..fits).unwrap_or_default().to_vec());
            let inode = state.inode(self.inode);
            write.apply(&mut inode.now);
            inode.pending.push(write);
            return Err(full);
        }
        let write = Write::Bytes(offset, bytes.to_vec());
        let inode = state.inode(self.inode);
        write.apply(&mut inode.now);
        inode.pending.push(write);
        powered
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.event()?;
        let inode = state.inode(self.inode);
        let write = Write::Len(len);
        write.apply(&mut inode.now);
        inode.pending.push(write);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.event()?;
        if state.failing_syncs > 0 {
            state.failing_syncs -= 1;
            let inode = state.inode(self.inode);
            inode.pending.clear();
            return Err(io::Error::other("the sync failed"));
        }
        let inode = state.inode(self.inode);
        inode.durable.clone_from(&inode.now);
        inode.pending.clear();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.powered()?;
        Ok(state.inode(self.inode).now.len() as u64)
    }
}
