//! A small domain over the journal: names with values, and pairs of names that change together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vale_store::disk::{Disk, SimDisk};
use vale_store::{
    Command, Frame, Journal, JournalOptions, JournalReader, Lsn, Record, Recovery, StoreError,
    Sweep,
};

pub(crate) const SET: u16 = 1;
pub(crate) const DELETE: u16 = 2;

/// Segments small enough that a test has many.
pub(crate) const OPTIONS: JournalOptions = JournalOptions {
    segment_bytes: 2 << 10,
};

pub(crate) fn open(disk: &SimDisk) -> Result<(Journal, Recovery), StoreError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Journal::open(disk, OPTIONS)
}

pub(crate) fn set(key: u8, value: &[u8]) -> Record {
    let mut payload = vec![key];
    payload.extend_from_slice(value);
    Record {
        kind: SET,
        version: 1,
        must_understand: false,
        payload,
    }
}

pub(crate) fn delete(key: u8) -> Record {
    Record {
        kind: DELETE,
        version: 1,
        must_understand: false,
        payload: vec![key],
    }
}

/// What the records come to: of each key the value, and the number of the record that set it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State(pub(crate) BTreeMap<u8, (Lsn, Vec<u8>)>);

impl State {
    pub(crate) fn apply(&mut self, lsn: Lsn, kind: u16, payload: &[u8]) {
        let (key, value) = payload.split_first().unwrap();
        if kind == SET {
            self.0.insert(*key, (lsn, value.to_vec()));
        } else {
            self.0.remove(key);
        }
    }

    pub(crate) fn of(reader: &JournalReader) -> Self {
        let mut state = Self::default();
        reader
            .each(1, &mut |frame| {
                state.apply(frame.lsn, frame.kind, frame.payload);
                Ok(true)
            })
            .unwrap();
        state
    }

    /// Of commands, numbered from 1.
    pub(crate) fn of_commands<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Self {
        let mut state = Self::default();
        let records = commands.into_iter().flat_map(|command| &command.records);
        for (at, record) in records.enumerate() {
            state.apply(at as Lsn + 1, record.kind, &record.payload);
        }
        state
    }
}

/// Keeps the last record of each key.
#[derive(Debug, Default)]
pub(crate) struct LastOfEach(BTreeMap<u8, Lsn>);

impl Sweep for LastOfEach {
    fn see(&mut self, frame: &Frame<'_>) {
        self.0.insert(frame.payload[0], frame.lsn);
    }
    fn keeps(&self, frame: &Frame<'_>) -> bool {
        self.0.get(&frame.payload[0]) == Some(&frame.lsn)
    }
}

/// Keeps nothing of some keys.
#[derive(Debug)]
pub(crate) struct Without(pub(crate) BTreeSet<u8>);

impl Sweep for Without {
    fn see(&mut self, _: &Frame<'_>) {}
    fn keeps(&self, frame: &Frame<'_>) -> bool {
        !self.0.contains(&frame.payload[0])
    }
}
