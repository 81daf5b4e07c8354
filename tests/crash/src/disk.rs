//! The disk of a machine that loses power: what is durable, what is pending, what is left after a cut.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::log::Event;

/// Bytes that reach the disk together or not at all.
const PAGE: u64 = 4096;
/// Bytes that are never torn.
const SECTOR: u64 = 512;

/// What survives of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None of it.
    Nothing,
    /// Each page of each file with even odds.
    SomePages,
    /// Of each file all up to one write, and that torn at a sector.
    UpToOne,
    /// All of it: there was no power cut.
    All,
}

#[derive(Debug, Clone)]
enum Change {
    Bytes(u64, Vec<u8>),
    Len(u64),
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, usize),
    Unset(String),
    /// Within one folder, which is one change.
    Rename(String, String, usize),
}

#[derive(Debug, Clone)]
enum Node {
    File {
        durable: Vec<u8>,
        pending: Vec<Change>,
        /// Changes that became durable since the beginning.
        settled: usize,
    },
    Folder {
        durable: BTreeMap<String, usize>,
        now: BTreeMap<String, usize>,
        pending: Vec<NameChange>,
        settled: usize,
    },
}

/// A disk that is about to lose power. Paths are those of the log.
#[derive(Debug)]
pub struct Power {
    root: PathBuf,
    /// The first is the root.
    nodes: Vec<Node>,
    by_inode: HashMap<u64, usize>,
    /// Syncs under way: what they will make durable.
    syncs: HashMap<u64, (usize, usize)>,
}

fn odd(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Power {
    /// A disk on which everything in a folder is durable.
    ///
    /// # Errors
    /// The disk's.
    #[cfg(target_os = "linux")]
    pub fn of(root: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        fn add(power: &mut Power, path: &Path) -> io::Result<usize> {
            let about = fs::symlink_metadata(path)?;
            if let Some(known) = power.by_inode.get(&about.ino()) {
                return Ok(*known);
            }
            let id = power.add(if about.is_dir() {
                folder()
            } else {
                file(fs::read(path)?)
            });
            power.by_inode.insert(about.ino(), id);
            if about.is_dir() {
                let mut names = BTreeMap::new();
                for entry in fs::read_dir(path)? {
                    let entry = entry?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    names.insert(name, add(power, &entry.path())?);
                }
                if let Some(Node::Folder { durable, now, .. }) = power.nodes.get_mut(id) {
                    durable.clone_from(&names);
                    *now = names;
                }
            }
            Ok(id)
        }
        let mut power = Self {
            root: root.to_owned(),
            nodes: Vec::new(),
            by_inode: HashMap::new(),
            syncs: HashMap::new(),
        };
        add(&mut power, root)?;
        Ok(power)
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The folder that a path is in, and its name there.
    fn place(&self, path: &str) -> io::Result<(usize, String)> {
        let missing = || odd(format!("{path} was changed and was never made"));
        let below = Path::new(path)
            .strip_prefix(&self.root)
            .map_err(|_| missing())?;
        let name = below.file_name().ok_or_else(missing)?;
        let mut at = 0;
        for part in below.parent().into_iter().flat_map(Path::iter) {
            let names = self.names(at).ok_or_else(missing)?;
            at = *names.get(&*part.to_string_lossy()).ok_or_else(missing)?;
        }
        Ok((at, name.to_string_lossy().into_owned()))
    }

    fn names(&self, id: usize) -> Option<&BTreeMap<String, usize>> {
        match self.nodes.get(id)? {
            Node::Folder { now, .. } => Some(now),
            Node::File { .. } => None,
        }
    }

    fn found(&self, path: &str) -> io::Result<usize> {
        let (folder, name) = self.place(path)?;
        let found = self.names(folder).and_then(|names| names.get(&name));
        found
            .copied()
            .ok_or_else(|| odd(format!("{path} was never made")))
    }

    fn rename_within(&mut self, at: usize, change: NameChange) {
        if let Some(Node::Folder { now, pending, .. }) = self.nodes.get_mut(at) {
            change.apply(now);
            pending.push(change);
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        // Of a file outside: the log is of one folder, and the root itself may be watched from above.
        let Some(id) = self.by_inode.get(&inode) else {
            return;
        };
        if let Some(Node::File { pending, .. }) = self.nodes.get_mut(*id) {
            pending.push(change);
        }
    }

    /// Lets one event of the log happen.
    ///
    /// # Errors
    /// When it cannot have happened here: something escaped the log.
    pub fn apply(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Start | Event::Killed => self.syncs.clear(),
            Event::Printed(_) | Event::Range => {}
            Event::Create { path, inode } | Event::MakeFolder { path, inode } => {
                let (at, name) = self.place(path)?;
                let is_file = matches!(event, Event::Create { .. });
                let id = self.add(if is_file { file(Vec::new()) } else { folder() });
                self.by_inode.insert(*inode, id);
                self.rename_within(at, NameChange::Set(name, id));
            }
            Event::Len { inode, len } => self.change(*inode, Change::Len(*len)),
            Event::Write {
                inode,
                offset,
                bytes,
            } => {
                self.change(*inode, Change::Bytes(*offset, bytes.clone()));
            }
            Event::Rename { from, to } => {
                let id = self.found(from)?;
                let ((from_at, old), (to_at, new)) = (self.place(from)?, self.place(to)?);
                if from_at == to_at {
                    self.rename_within(from_at, NameChange::Rename(old, new, id));
                } else {
                    self.rename_within(to_at, NameChange::Set(new, id));
                    self.rename_within(from_at, NameChange::Unset(old));
                }
            }
            Event::Link { from, to } => {
                let id = self.found(from)?;
                let (at, name) = self.place(to)?;
                self.rename_within(at, NameChange::Set(name, id));
            }
            Event::Unlink { path } => {
                self.found(path)?;
                let (at, name) = self.place(path)?;
                self.rename_within(at, NameChange::Unset(name));
            }
            Event::SyncBegin { inode, sync } => {
                if let Some(id) = self.by_inode.get(inode)
                    && let Some(node) = self.nodes.get(*id)
                {
                    self.syncs.insert(*sync, (*id, node.changes()));
                }
            }
            Event::SyncEnd { sync, .. } => {
                if let Some((id, changes)) = self.syncs.remove(sync)
                    && let Some(node) = self.nodes.get_mut(id)
                {
                    node.settle(changes);
                }
            }
        }
        Ok(())
    }

    /// Writes out, into a folder that is made, what a machine finds after a cut now.
    ///
    /// # Errors
    /// The disk's.
    pub fn cut(&self, keep: Keep, random: &mut fastrand::Rng, to: &Path) -> io::Result<()> {
        let mut written = HashMap::new();
        self.write_out(0, keep, random, to, &mut written)
    }

    fn write_out(
        &self,
        id: usize,
        keep: Keep,
        random: &mut fastrand::Rng,
        to: &Path,
        written: &mut HashMap<usize, PathBuf>,
    ) -> io::Result<()> {
        match self.nodes.get(id) {
            None => Ok(()),
            Some(Node::File {
                durable, pending, ..
            }) => {
                if let Some(first) = written.get(&id) {
                    return fs::hard_link(first, to);
                }
                written.insert(id, to.to_owned());
                fs::write(to, surviving_bytes(durable, pending, keep, random))
            }
            Some(Node::Folder {
                durable, pending, ..
            }) => {
                fs::create_dir(to)?;
                let mut names = durable.clone();
                let kept = match keep {
                    Keep::Nothing => 0,
                    Keep::All => pending.len(),
                    Keep::SomePages | Keep::UpToOne => random.usize(..=pending.len()),
                };
                for change in pending.iter().take(kept) {
                    change.apply(&mut names);
                }
                for (name, child) in names {
                    self.write_out(child, keep, random, &to.join(name), written)?;
                }
                Ok(())
            }
        }
    }

    /// Where the disk, without any cut, is not what a folder is: what the log did not catch.
    ///
    /// # Errors
    /// The disk's.
    pub fn differs_from(&self, folder: &Path) -> io::Result<Option<String>> {
        self.differs(0, folder)
    }

    fn differs(&self, id: usize, path: &Path) -> io::Result<Option<String>> {
        match self.nodes.get(id) {
            Some(Node::Folder { now, .. }) => {
                let mut there = BTreeMap::new();
                for entry in fs::read_dir(path)? {
                    let entry = entry?;
                    there.insert(entry.file_name().to_string_lossy().into_owned(), ());
                }
                if !there.keys().eq(now.keys()) {
                    let names: Vec<_> = now.keys().collect();
                    return Ok(Some(format!(
                        "{}: {there:?}, logged {names:?}",
                        path.display()
                    )));
                }
                for (name, child) in now {
                    if let Some(difference) = self.differs(*child, &path.join(name))? {
                        return Ok(Some(difference));
                    }
                }
                Ok(None)
            }
            Some(Node::File {
                durable, pending, ..
            }) => {
                let all = surviving_bytes(
                    durable,
                    pending,
                    Keep::All,
                    &mut fastrand::Rng::with_seed(0),
                );
                let real = fs::read(path)?;
                Ok((all != real).then(|| {
                    format!(
                        "{}: {} bytes, logged {}",
                        path.display(),
                        real.len(),
                        all.len()
                    )
                }))
            }
            None => Ok(Some(format!("{} is not known", path.display()))),
        }
    }
}

fn file(durable: Vec<u8>) -> Node {
    Node::File {
        durable,
        pending: Vec::new(),
        settled: 0,
    }
}

fn folder() -> Node {
    Node::Folder {
        durable: BTreeMap::new(),
        now: BTreeMap::new(),
        pending: Vec::new(),
        settled: 0,
    }
}

impl Node {
    /// Changes since the beginning.
    fn changes(&self) -> usize {
        match self {
            Self::File {
                pending, settled, ..
            } => settled + pending.len(),
            Self::Folder {
                pending, settled, ..
            } => settled + pending.len(),
        }
    }

    /// The first so many changes are durable.
    fn settle(&mut self, until: usize) {
        match self {
            Self::File {
                durable,
                pending,
                settled,
            } => {
                let count = until.saturating_sub(*settled).min(pending.len());
                pending
                    .drain(..count)
                    .for_each(|change| change.apply(durable));
                *settled += count;
            }
            Self::Folder {
                durable,
                pending,
                settled,
                ..
            } => {
                let count = until.saturating_sub(*settled).min(pending.len());
                pending
                    .drain(..count)
                    .for_each(|change| change.apply(durable));
                *settled += count;
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Len(len) => bytes.resize(usize::try_from(*len).unwrap_or(0), 0),
            Self::Bytes(at, new) => put(bytes, *at, new),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, id) => drop(names.insert(name.clone(), *id)),
            Self::Unset(name) => drop(names.remove(name)),
            Self::Rename(old, new, id) => {
                names.remove(old);
                names.insert(new.clone(), *id);
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, at: u64, new: &[u8]) {
    let at = usize::try_from(at).unwrap_or(0);
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(at..end) {
        place.copy_from_slice(new);
    }
}

fn surviving_bytes(
    durable: &[u8],
    pending: &[Change],
    keep: Keep,
    random: &mut fastrand::Rng,
) -> Vec<u8> {
    let mut bytes = durable.to_vec();
    match keep {
        Keep::Nothing => {}
        Keep::All => pending.iter().for_each(|change| change.apply(&mut bytes)),
        Keep::SomePages => {
            for change in pending {
                match change {
                    Change::Len(_) if random.bool() => change.apply(&mut bytes),
                    Change::Len(_) => {}
                    Change::Bytes(at, new) => {
                        let (mut at, mut rest) = (*at, new.as_slice());
                        while !rest.is_empty() {
                            let room = usize::try_from(PAGE - at % PAGE).unwrap_or(1);
                            let (piece, after) = rest.split_at(room.min(rest.len()));
                            if random.bool() {
                                put(&mut bytes, at, piece);
                            }
                            at += piece.len() as u64;
                            rest = after;
                        }
                    }
                }
            }
        }
        Keep::UpToOne => {
            let whole = random.usize(..=pending.len());
            pending
                .iter()
                .take(whole)
                .for_each(|change| change.apply(&mut bytes));
            if let Some(Change::Bytes(at, new)) = pending.get(whole) {
                // Sectors lie at fixed places on the disk, not where a write began.
                let end = at + new.len() as u64;
                let sectors = random.u64(..=end / SECTOR - at / SECTOR);
                let torn = ((at / SECTOR + sectors) * SECTOR).clamp(*at, end);
                let length = usize::try_from(torn - at).unwrap_or(0);
                put(&mut bytes, *at, new.get(..length).unwrap_or_default());
            }
        }
    }
    bytes
}
