//! The store: written while it compacts, is rebuilt and backs itself up; and looked at after a cut.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vale_store::{
    BlobHash, Fold, Frame, MemoryRows, Range, Rows as _, RowsMut, Store, StoreError, ViewState,
    restore,
};

use crate::Outcome;
use crate::model::Model;
use crate::toy::{LastOfEach, Toy, dump, options, ready, try_open};

/// Commands that wait for an answer at once.
const IN_FLIGHT: usize = 5;
/// Backups that are kept.
const BACKUPS: usize = 2;
/// The toy's names by time.
const BY_TIME: u8 = 2;
/// And its queue for others.
const OUTBOX: u8 = 4;

/// Leaves a row out now and then: what the one who looks must notice.
#[derive(Debug)]
pub(crate) struct Forgetful;

impl Fold for Forgetful {
    fn schema(&self) -> u32 {
        Toy(1).schema()
    }

    fn fold(&self, frame: &Frame<'_>, rows: &mut dyn RowsMut) -> Result<(), StoreError> {
        Toy(1).fold(frame, rows)?;
        if frame.lsn.is_multiple_of(16) {
            let name = frame.payload.get(1..).unwrap_or_default();
            let length = frame.payload.first().copied().unwrap_or_default();
            let name = name.get(..usize::from(length)).unwrap_or_default();
            rows.remove(BY_TIME, [&frame.lsn.to_be_bytes()[..], name].concat());
        }
        Ok(())
    }
}

/// Writes so many commands behind what is there; says what is confirmed.
pub(crate) fn write(folder: &Path, commands: u64, seed: u64, fold: impl Fold) -> Outcome {
    let opened = Store::open(folder, options(), Arc::new(fold))?;
    let store = opened.store;
    let mut model = Model::at(store.journal().last()).ok_or("a part of a command is there")?;
    // Otherwise it writes while the first view is made.
    if !seed.is_multiple_of(4) {
        ready(&store);
    }
    let is_done = Arc::new(AtomicBool::new(false));
    let chores = std::thread::spawn({
        let (store, is_done) = (store.clone(), is_done.clone());
        move || chores(&store, &is_done, seed).map_err(|error| error.to_string())
    });
    let mut waiting = VecDeque::new();
    for n in 0..commands {
        let step = model.step();
        if let Some(blob) = &step.blob {
            store.blobs().put(blob)?;
        }
        let answer = if n % 7 == seed % 7 {
            store.commit_soon(step.command)
        } else {
            store.commit_freeing(step.command)
        };
        waiting.push_back((step.last, answer));
        while waiting.len() > IN_FLIGHT || (n + 1 == commands && !waiting.is_empty()) {
            let Some((last, answer)) = waiting.pop_front() else {
                break;
            };
            let lsn = answer.blocking_recv()??;
            if lsn != last {
                return Err(format!("{last} was confirmed as {lsn}").into());
            }
            println!("ok {last}");
        }
    }
    is_done.store(true, Ordering::Relaxed);
    chores.join().map_err(|_| "the chores failed")??;
    store.close();
    Ok(())
}

/// What runs beside the writing.
fn chores(store: &Store, is_done: &AtomicBool, seed: u64) -> Result<(), StoreError> {
    let mut random = fastrand::Rng::with_seed(seed);
    let backups = store.backups()?;
    let mut backup_ms = backups.last().map_or(0, |backup| backup.made_ms);
    let mut may_rebuild = true;
    while !is_done.load(Ordering::Relaxed) {
        match random.u8(..6) {
            0 | 1 => {
                let least_dead = if random.bool() { 0.0 } else { 0.3 };
                store.compact(&mut LastOfEach::default(), least_dead, random.bool())?;
            }
            2 | 3 => {
                backup_ms += 1;
                let backup = store.backup(backup_ms, "test", BACKUPS)?;
                println!("backup {} {}", backup.made_ms, backup.last);
            }
            4 if may_rebuild && store.view() == ViewState::Ready => {
                may_rebuild = false;
                store.rebuild()?;
            }
            _ => match store.flush_view() {
                Ok(()) | Err(StoreError::Rebuilding { .. }) => {}
                Err(error) => return Err(error),
            },
        }
    }
    Ok(())
}

/// Looks at what is left: every record up to `confirmed` is there, the rows fit the journal, the backup
/// of that name (0: none) can be put back, and writing goes on.
pub(crate) fn check(folder: &Path, confirmed: u64, backup: u64) -> Outcome {
    let opened = try_open(folder)?;
    let store = opened.store;
    if let Some(damage) = opened.recovery.damage.first() {
        return Err(format!("a power cut is no damage: {damage}").into());
    }
    if let Some(why) = opened.read_only {
        return Err(format!("it is read-only: {why}").into());
    }
    let last = store.journal().last();
    if last < confirmed {
        return Err(format!("{confirmed} was confirmed, {last} is the last that is there").into());
    }
    let mut model = Model::at(last).ok_or(format!("a part of the command with {last} is there"))?;
    if let Some(damage) = store.journal().verify(&mut |_, _| {})?.first() {
        return Err(format!("a power cut is no damage: {damage}").into());
    }
    ready(&store);
    let rows = same_rows(&store, &model)?;
    for (lsn, blob) in &model.blobs {
        if rows.journal.contains(lsn) && store.blobs().get(BlobHash::of(blob))? != *blob {
            return Err(format!("the attachment of record {lsn} is another").into());
        }
    }
    let step = model.step();
    if let Some(blob) = &step.blob {
        store.blobs().put(blob)?;
    }
    store.commit_blocking(step.command)?;
    same_rows(&store, &model)?;
    let backups = store.backups()?;
    store.close();
    drop(store);
    let restored = check_backups(folder, &backups, backup)?;
    let torn = opened.recovery.torn_bytes;
    let rebuilt = opened.rebuilds.as_deref().unwrap_or("not");
    println!("fine {last} torn {torn} backup {restored} remade {rebuilt}");
    Ok(())
}

/// The newest backup is at least that which was confirmed, and brings back its day. Gives its last record.
fn check_backups(
    folder: &Path,
    backups: &[vale_store::Backup],
    confirmed: u64,
) -> Result<u64, Box<dyn std::error::Error>> {
    let Some(newest) = backups.last().filter(|newest| newest.made_ms >= confirmed) else {
        if confirmed == 0 {
            return Ok(0);
        }
        return Err(
            format!("backup {confirmed} was confirmed and is not listed: {backups:?}").into(),
        );
    };
    restore(folder, newest)?;
    let opened = try_open(folder)?;
    ready(&opened.store);
    let model = Model::at(newest.last).ok_or("a part of a command is in the backup")?;
    if opened.store.journal().last() != newest.last {
        return Err(format!(
            "{} of {} are in the backup",
            opened.store.journal().last(),
            newest.last
        )
        .into());
    }
    let rows = same_rows(&opened.store, &model)?;
    for (lsn, blob) in &model.blobs {
        if rows.journal.contains(lsn) && opened.store.blobs().get(BlobHash::of(blob))? != *blob {
            return Err(format!("the backup's attachment of record {lsn} is another").into());
        }
    }
    Ok(newest.last)
}

struct Compared {
    /// The records that compaction has left.
    journal: BTreeSet<u64>,
}

/// The view is the fold of the journal, and both are what the commands come to.
fn same_rows(store: &Store, model: &Model) -> Result<Compared, Box<dyn std::error::Error>> {
    if !store.check_view()? {
        return Err("the view's rows are not those that were written".into());
    }
    let mut folded = MemoryRows::default();
    let mut journal = BTreeSet::new();
    let mut odd = None;
    store.journal().each(1, &mut |frame| {
        let index = usize::try_from(frame.lsn - 1).unwrap_or(usize::MAX);
        let meant = model.records.get(index);
        if meant.is_none_or(|(kind, payload)| frame.kind != *kind || frame.payload != payload) {
            odd = Some(frame.lsn);
        }
        journal.insert(frame.lsn);
        // A deletion whose name was compacted away changes nothing.
        match folded.fold(&Toy(1), frame) {
            Ok(()) | Err(StoreError::Record { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    })?;
    if let Some(lsn) = odd {
        return Err(format!("record {lsn} is another than was written").into());
    }
    let mut rows = dump(store);
    let outbox: BTreeMap<_, _> = rows
        .remove(&OUTBOX)
        .unwrap_or_default()
        .into_iter()
        .collect();
    for (table, meant) in model.rows() {
        let there = rows.remove(&table).unwrap_or_default();
        let from_journal = folded.range(Range::all(table))?;
        for (of, found) in [("the view", &there), ("the journal", &from_journal)] {
            if let Some(difference) = difference(found, &meant) {
                return Err(format!("table {table} of {of}: {difference}").into());
            }
        }
    }
    // Compaction takes records away and leaves what they had queued, until the view is made again.
    for (key, name) in &outbox {
        let lsn = key.as_slice().try_into().map(u64::from_be_bytes)?;
        if model.outbox.get(&lsn) != Some(name) {
            return Err(format!("the queue has {name:?} for record {lsn}").into());
        }
    }
    for (key, name) in folded.range(Range::all(OUTBOX))? {
        if outbox.get(&key) != Some(&name) {
            return Err(format!("the queue lacks {name:?}, record {key:?}").into());
        }
    }
    Ok(Compared { journal })
}

type Rows = [(Vec<u8>, Vec<u8>)];

fn difference(found: &Rows, meant: &Rows) -> Option<String> {
    if found == meant {
        return None;
    }
    let at = found
        .iter()
        .zip(meant)
        .position(|(found, meant)| found != meant);
    let at = at.unwrap_or(found.len().min(meant.len()));
    let shown = |rows: &Rows| {
        let row = rows.get(at)?;
        let start = row.1.get(..row.1.len().min(24)).unwrap_or_default();
        Some(format!("{} → {start:?}", String::from_utf8_lossy(&row.0)))
    };
    Some(format!(
        "{} rows and not {}; row {at} is {:?} and not {:?}",
        found.len(),
        meant.len(),
        shown(found),
        shown(meant)
    ))
}
