//! What is written, and the rows that it must come to: both follow from a record's number alone, so that
//! the process which looks knows what the one that wrote did.

use std::collections::BTreeMap;

use vale_store::{BlobHash, Command, Record, Row, Table};

use crate::toy::{DELETE, SET, record};

/// Names in use.
const NAMES: u64 = 150;

/// A command, and the attachment that must be durable before it.
pub(crate) struct Step {
    pub(crate) command: Command,
    pub(crate) blob: Option<Vec<u8>>,
    /// The number of its last record.
    pub(crate) last: u64,
}

/// The rows after some commands.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) last: u64,
    /// Name → the record that set it, and the value.
    pub(crate) values: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
    /// Record → the name that it changed.
    pub(crate) outbox: BTreeMap<u64, Vec<u8>>,
    /// Every record, kind and payload.
    pub(crate) records: Vec<(u16, Vec<u8>)>,
    /// The attachment that a record names.
    pub(crate) blobs: BTreeMap<u64, Vec<u8>>,
}

impl Model {
    /// After the commands up to a record; `None` when a command does not end there.
    pub(crate) fn at(last: u64) -> Option<Self> {
        let mut model = Self::default();
        while model.last < last {
            model.step();
        }
        (model.last == last).then_some(model)
    }

    /// The next command.
    pub(crate) fn step(&mut self) -> Step {
        let mut random = fastrand::Rng::with_seed(self.last + 1);
        let count = if random.u8(..4) == 0 {
            random.u64(2..5)
        } else {
            1
        };
        let mut blob = None;
        let mut records = Vec::new();
        for _ in 0..count {
            let lsn = self.last + 1;
            let name = format!("n{}", random.u64(..NAMES));
            let next = if random.u8(..5) == 0 && self.values.contains_key(name.as_bytes()) {
                record(DELETE, &name, b"")
            } else if blob.is_none() && random.u8(..20) == 0 {
                let length = random.usize(1..30_000);
                let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
                    .take(length)
                    .collect();
                let value = format!("blob {}", BlobHash::of(&bytes));
                self.blobs.insert(lsn, bytes.clone());
                blob = Some(bytes);
                record(SET, &name, value.as_bytes())
            } else {
                let most = if random.u8(..25) == 0 { 30_000 } else { 400 };
                let value = [
                    &lsn.to_le_bytes()[..],
                    &vec![random.u8(..); random.usize(..most)],
                ]
                .concat();
                record(SET, &name, &value)
            };
            self.fold(&name, &next);
            records.push(next);
        }
        Step {
            command: Command { records },
            blob,
            last: self.last,
        }
    }

    fn fold(&mut self, name: &str, record: &Record) {
        self.last += 1;
        let name = name.as_bytes().to_vec();
        if record.kind == SET {
            let value = record.payload.get(1 + name.len()..).unwrap_or_default();
            self.values
                .insert(name.clone(), (self.last, value.to_vec()));
        } else {
            self.values.remove(&name);
        }
        self.outbox.insert(self.last, name);
        self.records.push((record.kind, record.payload.clone()));
    }

    /// The rows of the toy's tables 1 to 3, as a store keeps them.
    pub(crate) fn rows(&self) -> BTreeMap<Table, Vec<Row>> {
        let values = self.values.iter();
        let values = values
            .map(|(name, (lsn, value))| (name.clone(), [&lsn.to_be_bytes()[..], value].concat()));
        let mut by_time: Vec<_> = self
            .values
            .iter()
            .map(|(name, (lsn, _))| ([&lsn.to_be_bytes()[..], name].concat(), Vec::new()))
            .collect();
        by_time.sort();
        let count = (self.values.len() as u64).to_le_bytes().to_vec();
        let count = (self.last > 0).then(|| (b"count".to_vec(), count));
        BTreeMap::from([
            (1, values.collect()),
            (2, by_time),
            (3, count.into_iter().collect()),
        ])
    }
}
