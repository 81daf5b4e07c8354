//! A small domain with what a real one has: rows, an index over them, a counter, a queue for others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use vale_store::{
    Command, Fold, Frame, JournalOptions, Opened, Range, Record, Row, RowsMut, Store, StoreError,
    StoreOptions, Sweep,
};

pub(crate) const SET: u16 = 1;
pub(crate) const DELETE: u16 = 2;

/// name → when it was set, value
pub(crate) const VALUES: u8 = 1;
/// when it was set, name → nothing
const BY_TIME: u8 = 2;
/// "count" → how many there are
pub(crate) const COUNT: u8 = 3;
/// number of the record → name
const OUTBOX: u8 = 4;
const TABLES: [u8; 4] = [VALUES, BY_TIME, COUNT, OUTBOX];

#[derive(Debug)]
pub(crate) struct Toy(pub(crate) u32);

impl Fold for Toy {
    fn schema(&self) -> u32 {
        self.0
    }

    fn fold(&self, frame: &Frame<'_>, rows: &mut dyn RowsMut) -> Result<(), StoreError> {
        let strange = |why: &str| StoreError::Record {
            lsn: frame.lsn,
            kind: frame.kind,
            why: why.to_owned(),
        };
        let (length, rest) = frame
            .payload
            .split_first()
            .ok_or_else(|| strange("it is empty"))?;
        let (name, value) = rest
            .split_at_checked(usize::from(*length))
            .ok_or_else(|| strange("it is cut"))?;
        let old = rows.get(VALUES, name)?;
        let count = rows.get(COUNT, b"count")?;
        let mut count = count.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        if let Some(old) = &old {
            rows.remove(BY_TIME, [&old[..8], name].concat());
            count -= 1;
        }
        match frame.kind {
            SET => {
                let time = frame.lsn.to_be_bytes();
                rows.put(VALUES, name.to_vec(), [&time[..], value].concat());
                rows.put(BY_TIME, [&time[..], name].concat(), Vec::new());
                count += 1;
            }
            DELETE if old.is_some() => rows.remove(VALUES, name.to_vec()),
            DELETE => return Err(strange("there is no such name")),
            _ => return Ok(()),
        }
        rows.put(COUNT, b"count".to_vec(), count.to_le_bytes().to_vec());
        rows.put(OUTBOX, frame.lsn.to_be_bytes().to_vec(), name.to_vec());
        Ok(())
    }
}

pub(crate) fn set(name: &str, value: &[u8]) -> Command {
    record(SET, name, value).into()
}

pub(crate) fn delete(name: &str) -> Command {
    record(DELETE, name, b"").into()
}

pub(crate) fn record(kind: u16, name: &str, value: &[u8]) -> Record {
    let mut payload = vec![u8::try_from(name.len()).unwrap()];
    payload.extend_from_slice(name.as_bytes());
    payload.extend_from_slice(value);
    Record {
        kind,
        version: 1,
        must_understand: false,
        payload,
    }
}

pub(crate) fn options() -> StoreOptions {
    StoreOptions {
        journal: JournalOptions {
            segment_bytes: 64 << 10,
        },
        ..StoreOptions::default()
    }
}

pub(crate) fn try_open(folder: &Path) -> Result<Opened, StoreError> {
    Store::open(folder, options(), Arc::new(Toy(1)))
}

/// Opens it and waits until its view answers.
pub(crate) fn open(folder: &Path) -> Opened {
    let opened = try_open(folder).unwrap();
    ready(&opened.store);
    opened
}

pub(crate) fn ready(store: &Store) {
    let began = std::time::Instant::now();
    loop {
        match store.read(|rows| rows.get(COUNT, b"count")) {
            Err(StoreError::Rebuilding { .. }) if began.elapsed().as_secs() < 100 => {
                std::thread::yield_now();
            }
            answer => {
                answer.unwrap();
                return;
            }
        }
    }
}

/// Every row.
pub(crate) fn dump(store: &Store) -> BTreeMap<u8, Vec<Row>> {
    let all = |table| store.read(|rows| rows.range(Range::all(table))).unwrap();
    TABLES
        .into_iter()
        .map(|table| (table, all(table)))
        .collect()
}

pub(crate) fn value(store: &Store, name: &str) -> Option<Vec<u8>> {
    let found = store
        .read(|rows| rows.get(VALUES, name.as_bytes()))
        .unwrap();
    found.map(|bytes| bytes[8..].to_vec())
}

/// Keeps the last record of each name, and all deletions.
#[derive(Debug, Default)]
pub(crate) struct LastOfEach(BTreeMap<Vec<u8>, u64>);

impl Sweep for LastOfEach {
    fn see(&mut self, frame: &Frame<'_>) {
        self.0.insert(name_of(frame), frame.lsn);
    }
    fn keeps(&self, frame: &Frame<'_>) -> bool {
        self.0.get(&name_of(frame)) == Some(&frame.lsn)
    }
}

fn name_of(frame: &Frame<'_>) -> Vec<u8> {
    let length = usize::from(frame.payload[0]);
    frame.payload[1..=length].to_vec()
}
