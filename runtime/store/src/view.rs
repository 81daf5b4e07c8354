//! The view: rows in sled. Rebuildable, and treated so: nothing it does can lose a word.
//!
//! One tree; a key begins with its table's number. Every batch carries the number of the last frame that
//! is in it, so that a view is always the fold of a beginning of the journal.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::error::StoreError;
use crate::journal::Lsn;
use crate::lock::patiently;
use crate::rows::{Changes, Digest, FIRST_OF_STORE, Origin, Range, Row, Rows, Table};

/// The table of what the view knows about itself.
const META: Table = FIRST_OF_STORE + 15;
const ORIGIN: &[u8] = b"origin";
const DIGEST: &[u8] = b"digest/";

/// Bytes that sled may keep in memory.
const CACHE: u64 = 64 << 20;

/// Rows on disk.
#[derive(Debug)]
pub(crate) struct View {
    db: sled::Db,
    about: Mutex<About>,
}

#[derive(Debug, Clone)]
struct About {
    origin: Origin,
    digests: BTreeMap<Table, Digest>,
}

impl View {
    /// Opens a view, or makes an empty one. sled panics on some damage, which is an error here.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE)
            .flush_every_ms(None);
        let is_busy = |error: &sled::Error| match error {
            sled::Error::Io(error) => {
                error.kind() == ErrorKind::WouldBlock || error.to_string().contains("lock")
            }
            _ => false,
        };
        let opened = catch_unwind(AssertUnwindSafe(|| patiently(|| config.open(), is_busy)));
        let db = match opened {
            Ok(db) => db.map_err(|error| dead(&error))?,
            Err(_) => return Err(StoreError::ViewDead("it is damaged".to_owned())),
        };
        let about = catch_unwind(AssertUnwindSafe(|| read_about(&db)));
        let about = about.unwrap_or_else(|_| Err(StoreError::ViewDead("it is damaged".to_owned())));
        match about {
            Ok(about) => Ok(Self {
                db,
                about: Mutex::new(about),
            }),
            Err(error) => {
                // Dropping a damaged database may wait for ever.
                std::mem::forget(db);
                Err(error)
            }
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        self.about().origin
    }

    fn about(&self) -> About {
        let about = self.about.lock();
        about.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes changes, all or none of them, and notes where they come from.
    pub(crate) fn apply(&self, changes: Changes, origin: Origin) -> Result<(), StoreError> {
        let mut about = self.about();
        about.origin = origin;
        let mut batch = sled::Batch::default();
        let mut touched = Vec::new();
        for ((table, key), value) in changes {
            let full = full_key(table, &key);
            let old = self.guarded(|db| db.get(&full))?;
            if old.as_deref() == value.as_deref() {
                continue;
            }
            let digest = about.digests.entry(table).or_default();
            if let Some(old) = &old {
                digest.toggle(&key, old, false);
            }
            match value {
                Some(value) => {
                    digest.toggle(&key, &value, true);
                    batch.insert(full, value);
                }
                None => batch.remove(full),
            }
            touched.push(table);
        }
        touched.dedup();
        for table in touched {
            let digest = about.digests.get(&table).copied().unwrap_or_default();
            batch.insert(digest_key(table), digest.encode());
        }
        batch.insert(full_key(META, ORIGIN), encode_origin(origin));
        self.guarded(|db| db.apply_batch(batch))?;
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = about;
        Ok(())
    }

    /// Makes changes in a view that counts for nothing yet: in the order of the keys and not as a whole,
    /// which takes sled half the time and a fraction of the memory. Not for a view that is in use.
    pub(crate) fn fill(&self, changes: Changes, origin: Origin) -> Result<(), StoreError> {
        let mut about = self.about();
        about.origin = origin;
        let mut touched = Vec::new();
        for ((table, key), value) in changes {
            let full = full_key(table, &key);
            let old = self.guarded(|db| match &value {
                Some(value) => db.insert(full, value.as_slice()),
                None => db.remove(full),
            })?;
            let digest = about.digests.entry(table).or_default();
            if let Some(old) = &old {
                digest.toggle(&key, old, false);
            }
            if let Some(value) = &value {
                digest.toggle(&key, value, true);
            }
            touched.push(table);
            touched.dedup();
        }
        for table in touched {
            let digest = about.digests.get(&table).copied().unwrap_or_default();
            self.guarded(|db| db.insert(digest_key(table), digest.encode()))?;
        }
        let encoded = encode_origin(origin);
        self.guarded(|db| db.insert(full_key(META, ORIGIN), encoded))?;
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = about;
        Ok(())
    }

    /// Writes everything to the disk. Not needed for safety: what a crash loses is folded again.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.guarded(|db| db.flush().map(|_| ()))
    }

    /// Whether every row is there and none is another than was written.
    pub(crate) fn is_whole(&self) -> Result<bool, StoreError> {
        let mut found: BTreeMap<Table, Digest> = BTreeMap::new();
        self.guarded(|db| {
            for row in db.iter() {
                let (key, value) = row?;
                if let Some((table, key)) = key.split_first()
                    && *table != META
                {
                    found.entry(*table).or_default().toggle(key, &value, true);
                }
            }
            Ok(())
        })?;
        let mut expected = self.about().digests;
        expected.retain(|_, digest| *digest != Digest::default());
        Ok(found == expected)
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    /// Runs what may panic on damage.
    fn guarded<T>(&self, ask: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, StoreError> {
        match catch_unwind(AssertUnwindSafe(|| ask(&self.db))) {
            Ok(answer) => answer.map_err(|error| dead(&error)),
            Err(_) => Err(StoreError::ViewDead("it is damaged".to_owned())),
        }
    }
}

impl Rows for View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.guarded(|db| db.get(full_key(table, key)))?;
        Ok(found.map(|value| value.to_vec()))
    }

    fn range(&self, range: Range<'_>) -> Result<Vec<Row>, StoreError> {
        let table = range.table;
        let from = match range.from {
            Bound::Included(key) => Bound::Included(full_key(table, key)),
            Bound::Excluded(key) => Bound::Excluded(full_key(table, key)),
            Bound::Unbounded => Bound::Included(vec![table]),
        };
        let to = match range.to {
            Bound::Included(key) => Bound::Included(full_key(table, key)),
            Bound::Excluded(key) => Bound::Excluded(full_key(table, key)),
            Bound::Unbounded => Bound::Excluded(vec![table.saturating_add(1)]),
        };
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.guarded(|db| {
            let rows = db.range((from, to));
            let taken: Vec<_> = if range.is_reverse {
                rows.rev().take(range.limit).collect()
            } else {
                rows.take(range.limit).collect()
            };
            taken
                .into_iter()
                .map(|row| {
                    let (key, value) = row?;
                    let key = key.get(1..).unwrap_or_default().to_vec();
                    Ok((key, value.to_vec()))
                })
                .collect()
        })
    }
}

fn read_about(db: &sled::Db) -> Result<About, StoreError> {
    let origin = db
        .get(full_key(META, ORIGIN))
        .map_err(|error| dead(&error))?;
    let origin = match origin {
        Some(bytes) => decode_origin(&bytes)
            .ok_or_else(|| StoreError::ViewDead("its origin makes no sense".to_owned()))?,
        None => Origin {
            applied: 0,
            schema: 0,
            store: Uuid::nil(),
        },
    };
    let mut digests = BTreeMap::new();
    for row in db.scan_prefix(full_key(META, DIGEST)) {
        let (key, value) = row.map_err(|error| dead(&error))?;
        if let (Some(table), Some(digest)) = (key.last(), Digest::decode(&value)) {
            digests.insert(*table, digest);
        }
    }
    Ok(About { origin, digests })
}

fn dead(error: &sled::Error) -> StoreError {
    StoreError::ViewDead(error.to_string())
}

fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(table);
    full.extend_from_slice(key);
    full
}

fn digest_key(table: Table) -> Vec<u8> {
    let mut key = full_key(META, DIGEST);
    key.push(table);
    key
}

fn encode_origin(origin: Origin) -> Vec<u8> {
    let mut bytes = origin.applied.to_le_bytes().to_vec();
    bytes.extend(origin.schema.to_le_bytes());
    bytes.extend(origin.store.as_bytes());
    bytes
}

fn decode_origin(bytes: &[u8]) -> Option<Origin> {
    let (applied, bytes) = bytes.split_first_chunk::<8>()?;
    let (schema, store) = bytes.split_first_chunk::<4>()?;
    Some(Origin {
        applied: Lsn::from_le_bytes(*applied),
        schema: u32::from_le_bytes(*schema),
        store: Uuid::from_bytes(store.try_into().ok()?),
    })
}
