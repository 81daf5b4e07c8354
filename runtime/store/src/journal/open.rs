//! Opening the journal after whatever happened to it.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use uuid::Uuid;

use super::frame::{Broken, FORMAT, MORE, SEAL, SEGMENT_HEADER, SegmentHeader};
use super::segment::{
    Extent, FOLDER, Index, Segment, Stop, crc, file_name, next_whole, number_of, scan, seal_of,
};
use super::{Journal, JournalOptions, Lsn, Manifest, Table};
use crate::disk::{Disk, DiskFile, read_all};
use crate::error::{Damage, StoreError};

/// What opening found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes behind the last whole command that were cut off: they were never acknowledged.
    pub torn_bytes: u64,
    /// Places where the journal is not what was written. With any, it is read-only.
    pub damage: Vec<Damage>,
    /// Leftovers of an interrupted compaction that were removed.
    pub removed: Vec<String>,
    /// There was no journal; this one is new.
    pub is_new: bool,
}

/// The last segment as recovery leaves it.
struct Tail {
    index: Index,
    extent: Extent,
    crc: u32,
    torn: u64,
    damage: Option<(u64, &'static str)>,
}

impl Journal {
    /// Opens the journal of a store, or begins one.
    ///
    /// # Errors
    /// When the disk cannot be read or written, or a newer program wrote it. Damage is no error: it is
    /// told in the [`Recovery`], and the journal is read-only.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: JournalOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        disk.create_folder(FOLDER)
            .map_err(StoreError::io("making the journal's folder"))?;
        let mut recovery = Recovery::default();
        let manifest = match Manifest::read(&*disk) {
            Err(StoreError::Damaged(damage)) => {
                recovery.damage.push(damage);
                None
            }
            manifest => manifest?,
        };
        let found = find(&*disk, manifest.as_ref(), &mut recovery)?;
        if found.numbers.is_empty() {
            return begin(disk, options, found, recovery);
        }
        let mut segments = Vec::new();
        let mut store = manifest.as_ref().map(|manifest| manifest.store);
        let mut expected: Option<Lsn> = None;
        let mut crc = 0;
        let count = found.numbers.len();
        for (at, number) in found.numbers.into_iter().enumerate() {
            let is_last = at + 1 == count;
            let name = file_name(number);
            let file = disk
                .open(&name)
                .map_err(StoreError::io(format!("opening {name}")))?;
            let Some(header) = header(&*file, &name, number, store, &mut recovery)? else {
                continue;
            };
            store = Some(header.store);
            if let Some(expected) = expected.filter(|expected| *expected != header.first) {
                recovery.damage.push(Damage {
                    segment: name.clone(),
                    offset: 0,
                    what: format!(
                        "it begins with record {}, and {expected} should follow",
                        header.first
                    ),
                });
            }
            let sealed = seal_of(&*file).map_err(StoreError::io(format!("reading {name}")))?;
            let segment = match sealed {
                Some((_, next, end)) => {
                    let extent = Extent {
                        last: next - 1,
                        end,
                        is_sealed: true,
                    };
                    Segment::new(
                        number,
                        header.first,
                        header.sparse_to > 0,
                        file,
                        extent,
                        None,
                    )
                }
                None => {
                    let tail = tail(&*file, &header, &name)?;
                    if let Some((offset, what)) = tail.damage {
                        recovery.damage.push(Damage {
                            segment: name.clone(),
                            offset,
                            what: what.to_owned(),
                        });
                    }
                    if !is_last {
                        recovery.damage.push(Damage {
                            segment: name.clone(),
                            offset: tail.extent.end,
                            what: "its end is missing".to_owned(),
                        });
                    }
                    if is_last && recovery.damage.is_empty() && tail.torn > 0 {
                        file.set_len(tail.extent.end)
                            .and_then(|()| file.sync())
                            .map_err(StoreError::io(format!("cutting {name}")))?;
                        recovery.torn_bytes = tail.torn;
                    }
                    crc = tail.crc;
                    let index = Some(tail.index);
                    let extent = tail.extent;
                    Segment::new(number, header.first, false, file, extent, index)
                }
            };
            expected = Some(segment.extent().last + 1);
            segments.push(segment);
        }
        let mut journal = Self {
            table: Arc::new(Table {
                disk,
                segments: RwLock::new(segments),
                next_number: AtomicU64::new(found.highest + 1),
                store: store.unwrap_or_else(Uuid::nil),
            }),
            options,
            next: expected.unwrap_or(1),
            crc,
            read_only: None,
            poisoned: None,
        };
        if let Some(damage) = recovery.damage.first() {
            journal.read_only = Some(StoreError::Damaged(damage.clone()).to_string());
        } else {
            remove(&*journal.table.disk, &found.leftovers)?;
            recovery.removed = found.leftovers;
            journal.settle()?;
            if journal
                .table
                .all()
                .last()
                .is_none_or(|last| last.extent().is_sealed)
            {
                journal.begin_segment()?;
            }
        }
        Ok((journal, recovery))
    }
}

/// What lies in the folder.
struct Found {
    /// Segments that count, in order.
    numbers: Vec<u64>,
    /// The highest number of any file, counted or not.
    highest: u64,
    leftovers: Vec<String>,
}

fn find(
    disk: &dyn Disk,
    manifest: Option<&Manifest>,
    recovery: &mut Recovery,
) -> Result<Found, StoreError> {
    let entries = disk
        .list(FOLDER)
        .map_err(StoreError::io("listing the journal's folder"))?;
    let mut there = BTreeSet::new();
    let mut leftovers = Vec::new();
    for entry in entries {
        match number_of(&entry.name) {
            Some(number) => {
                there.insert((number, entry.len));
            }
            None if entry.name.ends_with(".tmp") => leftovers.push(entry.name),
            None => {}
        }
    }
    let highest = there.last().map_or(0, |(number, _)| *number);
    let counts_from = manifest.map_or(0, |manifest| manifest.from);
    let mut numbers: Vec<u64> = Vec::new();
    for listed in manifest.iter().flat_map(|manifest| &manifest.segments) {
        if there.iter().any(|(number, _)| *number == listed.number) {
            numbers.push(listed.number);
        } else {
            recovery.damage.push(Damage {
                segment: file_name(listed.number),
                offset: 0,
                what: format!(
                    "it is gone, with records {} to {}",
                    listed.first, listed.last
                ),
            });
        }
    }
    let listed: BTreeSet<u64> = numbers.iter().copied().collect();
    for (number, len) in &there {
        if listed.contains(number) {
            continue;
        }
        let name = format!("{number:08}.vcj");
        if *number < counts_from || is_leftover(disk, *number, *len, highest)? {
            leftovers.push(name);
        } else {
            numbers.push(*number);
        }
    }
    Ok(Found {
        numbers,
        highest,
        leftovers,
    })
}

/// Whether a segment that no manifest names never counted: compaction wrote it and did not get to its
/// manifest, or it is the newest and has no header yet.
fn is_leftover(disk: &dyn Disk, number: u64, len: u64, highest: u64) -> Result<bool, StoreError> {
    let name = file_name(number);
    let reading = || StoreError::io(format!("reading {name}"));
    let bytes = if len > (SEGMENT_HEADER as u64) {
        let file = disk.open(&name).map_err(reading())?;
        let mut bytes = vec![0; SEGMENT_HEADER];
        file.read_at(0, &mut bytes).map_err(reading())?;
        bytes
    } else {
        read_all(disk, &name).map_err(reading())?
    };
    Ok(match SegmentHeader::decode(&bytes) {
        Ok(header) => header.sparse_to > 0,
        // Its header is synced before anything is written behind it.
        Err(_) => len <= SEGMENT_HEADER as u64 && highest == number,
    })
}

fn header(
    file: &dyn DiskFile,
    name: &str,
    number: u64,
    store: Option<Uuid>,
    recovery: &mut Recovery,
) -> Result<Option<SegmentHeader>, StoreError> {
    let mut bytes = [0; SEGMENT_HEADER];
    file.read_at(0, &mut bytes)
        .map_err(StoreError::io(format!("reading {name}")))?;
    let mut damaged = |what: &str| {
        recovery.damage.push(Damage {
            segment: name.to_owned(),
            offset: 0,
            what: what.to_owned(),
        });
        Ok(None)
    };
    match SegmentHeader::decode(&bytes) {
        Err(Broken::Short) => damaged("it is shorter than its header"),
        Err(Broken::Wrong(what)) => damaged(what),
        Ok(header) if header.min_reader > FORMAT => Err(StoreError::ReadOnly(format!(
            "a newer ValeChat wrote {name}; use that one, or export with it"
        ))),
        Ok(header) if header.number != number => damaged("it has another segment's number"),
        Ok(header) if store.is_some_and(|store| store != header.store) => {
            damaged("it is of another store")
        }
        Ok(header) => Ok(Some(header)),
    }
}

/// Reads the last segment: whole commands count, a torn end does not, anything else is damage.
fn tail(file: &dyn DiskFile, header: &SegmentHeader, name: &str) -> Result<Tail, StoreError> {
    let reading = || StoreError::io(format!("reading {name}"));
    let len = file.len().map_err(reading())?;
    let start = SEGMENT_HEADER as u64;
    let mut expected = header.first;
    let mut index = Index::new(header.first);
    // Where the last whole command ends, and how many frames it took to get there.
    let (mut end, mut last, mut whole) = (start, header.first - 1, 0);
    let mut at = start;
    let stop = scan(file, start, len, &mut |frame, offset| {
        if frame.lsn != expected || frame.kind == SEAL {
            return false;
        }
        index.push(frame.lsn, offset);
        expected += 1;
        at = offset + (super::frame::HEADER + frame.payload.len()) as u64;
        if frame.flags & MORE == 0 {
            (end, last, whole) = (at, frame.lsn, index.len());
        }
        true
    })
    .map_err(reading())?;
    let broken = match stop {
        Stop::End => None,
        Stop::Asked => Some((at, "another record stands here than should")),
        Stop::Broken { offset, what } => Some((offset, what)),
    };
    let damage = match broken {
        Some((offset, what)) if is_damage(file, offset, expected, name)? => Some((offset, what)),
        _ => None,
    };
    index.truncate(whole);
    let crc = crc(file, end).map_err(reading())?;
    let torn = len.saturating_sub(end);
    if damage.is_some() {
        // What lies behind the damage is still to be read.
        end = len;
    }
    Ok(Tail {
        index,
        extent: Extent {
            last,
            end,
            is_sealed: false,
        },
        crc,
        torn,
        damage,
    })
}

/// Whether a whole frame of a later write than that of `broken` lies behind it: then what is broken was
/// synced once, and is damage.
fn is_damage(
    file: &dyn DiskFile,
    offset: u64,
    broken: Lsn,
    name: &str,
) -> Result<bool, StoreError> {
    let mut from = offset + 1;
    while let Some((at, began)) = next_whole(file, from, name)? {
        if began > broken {
            return Ok(true);
        }
        from = at + 1;
    }
    Ok(false)
}

impl Journal {
    /// What a killed process wrote is in the file and may not be on the disk: it is made durable before
    /// anybody is shown it.
    fn settle(&self) -> Result<(), StoreError> {
        let syncing = || StoreError::io("syncing the journal");
        if let Some(last) = self.table.all().last() {
            last.file.sync().map_err(syncing())?;
        }
        self.table.disk.sync_folder(FOLDER).map_err(syncing())
    }
}

fn remove(disk: &dyn Disk, leftovers: &[String]) -> Result<(), StoreError> {
    for name in leftovers {
        let path = format!("{FOLDER}/{name}");
        disk.remove(&path)
            .map_err(StoreError::io(format!("removing {path}")))?;
    }
    Ok(())
}

fn begin(
    disk: Arc<dyn Disk>,
    options: JournalOptions,
    found: Found,
    mut recovery: Recovery,
) -> Result<(Journal, Recovery), StoreError> {
    recovery.is_new = recovery.damage.is_empty();
    let mut journal = Journal {
        table: Arc::new(Table {
            disk,
            segments: RwLock::default(),
            next_number: AtomicU64::new(found.highest + 1),
            store: Uuid::now_v7(),
        }),
        options,
        next: 1,
        crc: 0,
        read_only: None,
        poisoned: None,
    };
    if let Some(damage) = recovery.damage.first() {
        journal.read_only = Some(StoreError::Damaged(damage.clone()).to_string());
    } else {
        remove(&*journal.table.disk, &found.leftovers)?;
        recovery.removed = found.leftovers;
        journal.begin_segment()?;
    }
    Ok((journal, recovery))
}
