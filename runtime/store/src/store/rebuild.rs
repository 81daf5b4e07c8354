//! Making the view again, beside the old one and while the store works.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::slot::Slot;
use crate::error::StoreError;
use crate::journal::{JournalReader, Lsn};
use crate::rows::{Fold, Origin, Overlay};
use crate::view::View;

/// Bytes of journal that are folded before their rows are written, in the order of the keys.
const CHUNK: u64 = 64 << 20;
/// The same for a view that is in use, where they are one batch: sled keeps what a batch replaces until
/// the batch ends, 20 to 30 times these bytes.
const BATCH: u64 = 1 << 20;
/// A gap so small is closed by the writer between two writes.
const SMALL_GAP: u64 = 2_000;
/// After so many bytes of journal the view is opened anew: sled keeps more than its cache otherwise.
const REOPEN_AFTER: u64 = 256 << 20;

/// Folds what the view lacks; gives the records that make no sense, which are left out.
pub(crate) fn catch_up(
    view: &View,
    reader: &JournalReader,
    fold: &dyn Fold,
    until: Lsn,
) -> Result<Vec<StoreError>, StoreError> {
    let mut strange = Vec::new();
    while view.origin().applied < until {
        if step(view, reader, fold, until, &mut strange, false)? == 0 {
            break;
        }
    }
    Ok(strange)
}

/// One chunk; gives the bytes of journal that were folded. A new view counts for nothing yet.
fn step(
    view: &View,
    reader: &JournalReader,
    fold: &dyn Fold,
    until: Lsn,
    strange: &mut Vec<StoreError>,
    is_new: bool,
) -> Result<u64, StoreError> {
    let most = if is_new { CHUNK } else { BATCH };
    let origin = view.origin();
    let (mut bytes, mut last) = (0, origin.applied);
    let mut chunk = Overlay::new(view);
    reader.each(origin.applied + 1, &mut |frame| {
        if frame.lsn > until || bytes >= most {
            return Ok(false);
        }
        let mut one = Overlay::new(&chunk);
        match fold.fold(frame, &mut one) {
            Ok(()) => {
                let changes = one.into_changes();
                chunk.merge(changes);
            }
            Err(error @ StoreError::Record { .. }) => strange.push(error),
            Err(error) => return Err(error),
        }
        bytes += frame.payload.len() as u64 + 36;
        last = frame.lsn;
        Ok(true)
    })?;
    if last > origin.applied {
        let (changes, origin) = (chunk.into_changes(), origin.applied_to(last));
        if is_new {
            view.fill(changes, origin)?;
        } else {
            view.apply(changes, origin)?;
        }
    }
    Ok(bytes)
}

/// Makes a view in an empty folder, almost up to the end of the journal.
pub(crate) fn rebuild(
    folder: &Path,
    reader: &JournalReader,
    fold: &dyn Fold,
    slot: &Slot,
    is_closing: &AtomicBool,
) -> Result<View, StoreError> {
    let mut view = View::open(folder)?;
    view.apply(
        Default::default(),
        Origin {
            applied: 0,
            schema: fold.schema(),
            store: reader.store(),
        },
    )?;
    let mut since_open = 0;
    let mut strange = Vec::new();
    loop {
        if is_closing.load(Ordering::Relaxed) {
            return Err(StoreError::Closed);
        }
        let (applied, last) = (view.origin().applied, reader.last());
        if last.saturating_sub(applied) <= SMALL_GAP {
            break;
        }
        let percent = applied.saturating_mul(100) / last.max(1);
        slot.progress(u8::try_from(percent).unwrap_or(99).min(99));
        let bytes = step(&view, reader, fold, last, &mut strange, true)?;
        if bytes == 0 {
            break;
        }
        since_open += bytes;
        if since_open >= REOPEN_AFTER {
            since_open = 0;
            view.flush()?;
            drop(view);
            view = View::open(folder)?;
        }
    }
    // What was filled in is no batch: before this view counts, all of it must be in its files, or a kill
    // leaves rows that their origin does not know of.
    if view.origin().applied > 0 {
        view.flush()?;
    }
    // sled reads its whole log at the open that follows a large import: that is this one, not the person's.
    if view.origin().applied > SMALL_GAP {
        drop(view);
        view = View::open(folder)?;
    }
    for error in &strange {
        tracing::warn!(%error, "a record was left out of the view");
    }
    Ok(view)
}
