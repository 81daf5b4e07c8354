//! Rows: what frames come to, by table and key. Derived, and made again whenever that is simpler.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::error::StoreError;
use crate::journal::{Frame, Lsn};

/// A table's number; those of whoever folds are below [`FIRST_OF_STORE`].
pub type Table = u8;

/// From here on, tables are the store's own.
pub const FIRST_OF_STORE: Table = 0xF0;

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Which rows of a table, in which order, and how many at most.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// The table.
    pub table: Table,
    /// The smallest key.
    pub from: Bound<&'a [u8]>,
    /// The largest key.
    pub to: Bound<&'a [u8]>,
    /// Largest key first.
    pub is_reverse: bool,
    /// Most rows.
    pub limit: usize,
}

impl<'a> Range<'a> {
    /// All rows of a table.
    #[must_use]
    pub fn all(table: Table) -> Self {
        Self {
            table,
            from: Bound::Unbounded,
            to: Bound::Unbounded,
            is_reverse: false,
            limit: usize::MAX,
        }
    }

    /// The rows between two keys, the first included and the last not.
    #[must_use]
    pub fn between(table: Table, from: &'a [u8], to: &'a [u8]) -> Self {
        Self {
            from: Bound::Included(from),
            to: Bound::Excluded(to),
            ..Self::all(table)
        }
    }

    /// The same, largest key first.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            is_reverse: true,
            ..self
        }
    }

    /// The same, with at most so many rows.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match (self.from, self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (
                Bound::Included(from) | Bound::Excluded(from),
                Bound::Included(to) | Bound::Excluded(to),
            ) => from >= to,
        }
    }
}

/// Reading rows.
pub trait Rows {
    /// The value under a key.
    ///
    /// # Errors
    /// When the view cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// When the view cannot be read.
    fn range(&self, range: Range<'_>) -> Result<Vec<Row>, StoreError>;
}

/// Reading and changing rows.
pub trait RowsMut: Rows {
    /// Sets a row.
    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>);
    /// Takes a row away, if it is there.
    fn remove(&mut self, table: Table, key: Vec<u8>);
}

/// What becomes of records: whoever owns their kinds says so.
///
/// The same frames must give the same rows, whenever they are folded: no clock, no chance, no I/O.
pub trait Fold: Send + Sync + 'static {
    /// Number of the rows' shape; rows of another number are made again.
    fn schema(&self) -> u32;
    /// Changes the rows by one frame. Kinds that it does not know are not its own.
    ///
    /// # Errors
    /// When the record makes no sense here; a command with such a record is refused before it is written.
    fn fold(&self, frame: &Frame<'_>, rows: &mut dyn RowsMut) -> Result<(), StoreError>;
}

/// Changes of rows: the new value, or none for a row that goes.
pub(crate) type Changes = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Rows with changes on top that are not made yet.
pub(crate) struct Overlay<'a> {
    base: &'a dyn Rows,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a dyn Rows) -> Self {
        Self {
            base,
            changes: Changes::new(),
        }
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    pub(crate) fn merge(&mut self, changes: Changes) {
        self.changes.extend(changes);
    }
}

impl Rows for Overlay<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(&(table, key.to_vec())) {
            Some(changed) => Ok(changed.clone()),
            None => self.base.get(table, key),
        }
    }

    fn range(&self, range: Range<'_>) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() || range.limit == 0 {
            return Ok(Vec::new());
        }
        let with_table = |bound: Bound<&[u8]>, end: bool| match bound {
            Bound::Included(key) => Bound::Included((range.table, key.to_vec())),
            Bound::Excluded(key) => Bound::Excluded((range.table, key.to_vec())),
            Bound::Unbounded if !end => Bound::Included((range.table, Vec::new())),
            // Tables of the store itself have no changes here, so that there is a next one.
            Bound::Unbounded => Bound::Excluded((range.table.saturating_add(1), Vec::new())),
        };
        let bounds = (with_table(range.from, false), with_table(range.to, true));
        let mut changed: Vec<_> = self.changes.range(bounds).collect();
        // Of the rows below, as many more as changes may hide.
        let below = range.limit.saturating_add(changed.len());
        let mut below = self.base.range(range.limit(below))?;
        if changed.is_empty() {
            return Ok(below);
        }
        if range.is_reverse {
            changed.reverse();
        }
        below.retain(|(key, _)| !self.changes.contains_key(&(range.table, key.clone())));
        let mut merged: Vec<Row> = below;
        for ((_, key), value) in changed {
            if let Some(value) = value {
                merged.push((key.clone(), value.clone()));
            }
        }
        merged.sort_by(|a, b| {
            if range.is_reverse {
                b.0.cmp(&a.0)
            } else {
                a.0.cmp(&b.0)
            }
        });
        merged.truncate(range.limit);
        Ok(merged)
    }
}

impl RowsMut for Overlay<'_> {
    fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert((table, key), Some(value));
    }

    fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.changes.insert((table, key), None);
    }
}

/// Rows in memory: what a view must equal, and what tests fold into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRows(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl MemoryRows {
    /// Folds one frame.
    ///
    /// # Errors
    /// The fold's; then nothing is changed.
    pub fn fold(&mut self, fold: &dyn Fold, frame: &Frame<'_>) -> Result<(), StoreError> {
        let mut overlay = Overlay::new(self);
        fold.fold(frame, &mut overlay)?;
        let changes = overlay.into_changes();
        for (key, value) in changes {
            match value {
                Some(value) => self.0.insert(key, value),
                None => self.0.remove(&key),
            };
        }
        Ok(())
    }

    /// Every row.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        let rows = self.0.iter();
        rows.map(|((table, key), value)| (*table, key.as_slice(), value.as_slice()))
    }
}

impl Rows for MemoryRows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn range(&self, range: Range<'_>) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.0.iter().filter(|((table, key), _)| {
            let from = match range.from {
                Bound::Included(from) => key.as_slice() >= from,
                Bound::Excluded(from) => key.as_slice() > from,
                Bound::Unbounded => true,
            };
            let to = match range.to {
                Bound::Included(to) => key.as_slice() <= to,
                Bound::Excluded(to) => key.as_slice() < to,
                Bound::Unbounded => true,
            };
            *table == range.table && from && to
        });
        let owned = rows.map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(if range.is_reverse {
            owned.rev().take(range.limit).collect()
        } else {
            owned.take(range.limit).collect()
        })
    }
}

/// Rows of a table, told apart from all others by a number that does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) count: u64,
    pub(crate) xor: u128,
}

impl Digest {
    /// Adds a row, or takes it away.
    pub(crate) fn toggle(&mut self, key: &[u8], value: &[u8], is_added: bool) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key);
        hasher.update(value);
        let hash = hasher.finalize();
        let half = hash.as_bytes().first_chunk::<16>().copied();
        self.xor ^= u128::from_le_bytes(half.unwrap_or_default());
        self.count = if is_added {
            self.count.wrapping_add(1)
        } else {
            self.count.wrapping_sub(1)
        };
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        [&self.count.to_le_bytes()[..], &self.xor.to_le_bytes()[..]].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, xor) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            count: u64::from_le_bytes(*count),
            xor: u128::from_le_bytes(xor.try_into().ok()?),
        })
    }
}

/// Where rows come from: the last frame that is in them, their shape, and whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) applied: Lsn,
    pub(crate) schema: u32,
    pub(crate) store: uuid::Uuid,
}

impl Origin {
    /// The same rows with the frames up to this one.
    pub(crate) fn applied_to(self, applied: Lsn) -> Self {
        Self { applied, ..self }
    }
}
