//! Reading beside the writer.

use std::sync::Arc;

use super::Table;
use super::frame::{HEADER, Lsn, OwnedFrame, SEGMENT_HEADER, decode};
use super::segment::{Segment, Stop, next_whole, scan};
use crate::error::{Damage, StoreError};

/// Bytes that are read at a guess: most frames are shorter.
const GUESS: usize = 2048;

/// What a reading of the whole journal meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A whole record.
    Frame(OwnedFrame),
    /// A place that cannot be read; reading goes on behind it.
    Damage(Damage),
}

/// Reads what is durable. Cheap to clone.
#[derive(Debug, Clone)]
pub struct JournalReader {
    table: Arc<Table>,
}

impl JournalReader {
    pub(crate) fn new(table: Arc<Table>) -> Self {
        Self { table }
    }

    /// The last durable number; 0 while there is none.
    #[must_use]
    pub fn last(&self) -> Lsn {
        let segments = self.table.all();
        segments.last().map_or(0, |segment| segment.extent().last)
    }

    /// One record.
    ///
    /// # Errors
    /// [`StoreError::NoFrame`] when it was never there or compaction dropped it; damage; the disk's.
    pub fn read(&self, lsn: Lsn) -> Result<OwnedFrame, StoreError> {
        // Compaction may take a segment away while it is being read: then its frames are elsewhere.
        loop {
            let before = self.table.all();
            let answer = self.read_in(&before, lsn);
            let is_same = {
                let now = self.table.all();
                now.iter()
                    .map(|segment| segment.number)
                    .eq(before.iter().map(|s| s.number))
            };
            if answer.is_ok() || is_same {
                return answer;
            }
        }
    }

    fn read_in(&self, segments: &[Arc<Segment>], lsn: Lsn) -> Result<OwnedFrame, StoreError> {
        let missing = || StoreError::NoFrame(lsn);
        let at = segments.partition_point(|segment| segment.first <= lsn);
        let segment = at.checked_sub(1).and_then(|at| segments.get(at));
        let segment = segment.ok_or_else(missing)?;
        if lsn > segment.extent().last {
            return Err(missing());
        }
        let offset = segment.with_index(&*self.table.disk, |index| index.find(lsn))?;
        let offset = offset.ok_or_else(missing)?;
        let bytes = segment.read(offset, GUESS)?;
        match decode(&bytes) {
            Ok((frame, _)) if frame.lsn == lsn => Ok(frame.to_owned()),
            Ok(_) => {
                let what = format!("record {lsn} should stand here");
                Err(StoreError::Damaged(segment.damage(offset, what)))
            }
            Err(_) => Err(missing()),
        }
    }

    /// Shows every durable record from a number on, in order, until the visitor says false.
    ///
    /// # Errors
    /// The first damage; the disk's; the visitor's.
    pub fn each(
        &self,
        from: Lsn,
        visit: &mut dyn FnMut(&super::Frame<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for segment in self.table.all() {
            let extent = segment.extent();
            if extent.last < from || extent.last < segment.first {
                continue;
            }
            let start = if from <= segment.first {
                Some(SEGMENT_HEADER as u64)
            } else {
                segment.with_index(&*self.table.disk, |index| index.find_from(from))?
            };
            let Some(start) = start else { continue };
            let mut outcome = Ok(true);
            let stop = scan(&*segment.file, start, extent.end, &mut |frame, _| {
                outcome = visit(frame);
                matches!(outcome, Ok(true))
            })
            .map_err(StoreError::io(format!("reading {}", segment.name())))?;
            match stop {
                Stop::Broken { offset, what } => {
                    return Err(StoreError::Damaged(segment.damage(offset, what)));
                }
                Stop::Asked => return outcome.map(|_| ()),
                Stop::End => {}
            }
        }
        Ok(())
    }

    /// Shows everything that is whole and names every place that is not.
    ///
    /// # Errors
    /// The disk's; the visitor's.
    pub fn salvage(
        &self,
        visit: &mut dyn FnMut(Item) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for segment in self.table.all() {
            let extent = segment.extent();
            let mut from = SEGMENT_HEADER as u64;
            loop {
                let mut outcome = Ok(());
                let stop = scan(&*segment.file, from, extent.end, &mut |frame, _| {
                    outcome = visit(Item::Frame(frame.to_owned()));
                    outcome.is_ok()
                })
                .map_err(StoreError::io(format!("reading {}", segment.name())))?;
                outcome?;
                let Stop::Broken { offset, what } = stop else {
                    break;
                };
                visit(Item::Damage(segment.damage(offset, what)))?;
                match next_whole(&*segment.file, offset + 1, &segment.name())? {
                    Some((next, _)) => from = next,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Reads every byte of every segment and says where it is not what was written.
    ///
    /// # Errors
    /// The disk's.
    pub fn verify(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Damage>, StoreError> {
        let segments = self.table.all();
        let total: u64 = segments.iter().map(|segment| segment.extent().end).sum();
        let (mut done, mut found) = (0, Vec::new());
        for segment in segments {
            found.extend(segment.verify()?);
            done += segment.extent().end;
            progress(done, total);
        }
        Ok(found)
    }

    /// The store's id.
    #[must_use]
    pub fn store(&self) -> uuid::Uuid {
        self.table.store
    }

    /// The number with which the segment begins that is written to.
    #[must_use]
    pub fn last_segment_began(&self) -> Lsn {
        self.table.all().last().map_or(1, |segment| segment.first)
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let segments = self.table.all();
        segments.iter().map(|segment| segment.extent().end).sum()
    }

    /// Segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.table.all().len()
    }

    pub(crate) fn table(&self) -> &Arc<Table> {
        &self.table
    }
}

/// The least that a frame takes.
const _: () = assert!(GUESS > HEADER);
