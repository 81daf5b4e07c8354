//! Compaction: sealed segments written anew without the frames that nothing needs any more.
//!
//! From the journal itself, never from the view; frames keep their bytes and their numbers. The new files
//! count once a manifest names them; until then a power cut leaves the old ones.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::frame::{FORMAT, Frame, HEADER, Lsn, SEGMENT_HEADER, Seal, SegmentHeader};
use super::segment::{Extent, FOLDER, Index, Segment, Stop, file_name, scan};
use super::{Journal, JournalReader, Listed, Manifest, sidecar};
use crate::disk::DiskFile;
use crate::error::StoreError;

/// Decides which frames are still needed.
pub trait Sweep: Send {
    /// Is shown every durable frame, in order, before it is asked anything.
    fn see(&mut self, frame: &Frame<'_>);
    /// Whether a frame must stay. Rows folded from what stays must equal rows folded from all.
    fn keeps(&self, frame: &Frame<'_>) -> bool;
}

/// New segments that do not count yet.
#[derive(Debug)]
pub struct Compacted {
    /// Runs of sealed segments, by number, with what takes their place.
    runs: Vec<(Vec<u64>, Vec<Arc<Segment>>)>,
    /// Bytes of the old ones, and of the new ones.
    bytes: (u64, u64),
    /// Frames that were dropped.
    dropped: u64,
}

impl Compacted {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Bytes of the segments that are replaced, and of those that replace them.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        self.bytes
    }

    /// Frames that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// A new segment while it is written.
struct Output {
    number: u64,
    first: Lsn,
    file: Box<dyn DiskFile>,
    index: Index,
    end: u64,
    crc: u32,
    buffer: Vec<u8>,
}

fn unfinished(number: u64) -> String {
    format!("{}.tmp", file_name(number))
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 20;

impl Output {
    fn push(&mut self, frame: &Frame<'_>) -> Result<(), StoreError> {
        self.index
            .push(frame.lsn, self.end + self.buffer.len() as u64);
        frame.encode(&mut self.buffer);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let writing = StoreError::io(format!("writing {}", file_name(self.number)));
        self.file
            .write_at(self.end, &self.buffer)
            .map_err(writing)?;
        self.crc = crc32c::crc32c_append(self.crc, &self.buffer);
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl JournalReader {
    /// Writes sealed segments anew without what `sweep` does not keep. Segments in which less than
    /// `least_dead` of the bytes would go stay as they are (0 = any byte counts).
    ///
    /// # Errors
    /// Damage; the disk's. The old segments are untouched, and what was written is removed at the next
    /// open.
    pub fn compact(
        &self,
        sweep: &mut dyn Sweep,
        segment_bytes: u64,
        least_dead: f64,
    ) -> Result<Compacted, StoreError> {
        self.each(1, &mut |frame| {
            sweep.see(frame);
            Ok(true)
        })?;
        let mut compacted = Compacted {
            runs: Vec::new(),
            bytes: (0, 0),
            dropped: 0,
        };
        let sealed: Vec<_> = self
            .table()
            .all()
            .into_iter()
            .filter(|segment| segment.extent().is_sealed)
            .collect();
        let mut run: Vec<Arc<Segment>> = Vec::new();
        for segment in sealed {
            let (dead, all) = dead_bytes(&segment, sweep)?;
            #[expect(clippy::cast_precision_loss, reason = "a share, not an amount")]
            let is_worth = dead > 0 && dead as f64 >= least_dead * all as f64;
            if is_worth {
                run.push(segment);
            } else {
                self.rewrite(&mut run, sweep, segment_bytes, &mut compacted)?;
            }
        }
        self.rewrite(&mut run, sweep, segment_bytes, &mut compacted)?;
        if !compacted.is_empty() {
            self.table()
                .disk
                .sync_folder(FOLDER)
                .map_err(StoreError::io("syncing the journal's folder"))?;
        }
        Ok(compacted)
    }

    fn rewrite(
        &self,
        run: &mut Vec<Arc<Segment>>,
        sweep: &dyn Sweep,
        segment_bytes: u64,
        compacted: &mut Compacted,
    ) -> Result<(), StoreError> {
        let run = std::mem::take(run);
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(());
        };
        let last_lsn = last.extent().last;
        let mut done = Vec::new();
        let mut output = self.output(first.first)?;
        let mut kept = 0;
        for segment in &run {
            compacted.bytes.0 += segment.extent().end;
            let mut outcome = Ok(());
            let stop = scan(
                &*segment.file,
                SEGMENT_HEADER as u64,
                segment.extent().end,
                &mut |frame, _| {
                    if !sweep.keeps(frame) {
                        compacted.dropped += 1;
                        return true;
                    }
                    let size = output.end + output.buffer.len() as u64;
                    if size >= segment_bytes && output.index.len() > 0 {
                        outcome = self.output(frame.lsn).and_then(|next| {
                            let full = std::mem::replace(&mut output, next);
                            done.push(self.finish(full, frame.lsn - 1)?);
                            Ok(())
                        });
                    }
                    kept += 1;
                    if outcome.is_ok() {
                        outcome = output.push(frame);
                    }
                    outcome.is_ok()
                },
            )
            .map_err(StoreError::io(format!("reading {}", segment.name())))?;
            outcome?;
            if let Stop::Broken { offset, what } = stop {
                return Err(StoreError::Damaged(segment.damage(offset, what)));
            }
        }
        done.push(self.finish(output, last_lsn)?);
        // What replaces the truth is read back before it does.
        let mut found = 0;
        for segment in &done {
            if let Some(damage) = segment.verify()?.into_iter().next() {
                return Err(StoreError::Damaged(damage));
            }
            found += segment.with_index(&*self.table().disk, Index::len)?;
            compacted.bytes.1 += segment.extent().end;
        }
        if found != kept {
            let what = format!("{kept} records were copied and {found} are there");
            return Err(StoreError::Damaged(last.damage(0, what)));
        }
        let numbers = run.iter().map(|segment| segment.number).collect();
        compacted.runs.push((numbers, done));
        Ok(())
    }

    fn output(&self, first: Lsn) -> Result<Output, StoreError> {
        let table = self.table();
        let number = table.next_number.fetch_add(1, Ordering::Relaxed);
        // Under another name until it is whole and durable: its pages reach the disk in any order.
        let name = unfinished(number);
        let file = table.disk.create(&name);
        let file = file.map_err(StoreError::io(format!("making {name}")))?;
        Ok(Output {
            number,
            first,
            file,
            index: Index::new(first),
            end: SEGMENT_HEADER as u64,
            crc: 0,
            buffer: Vec::new(),
        })
    }

    fn finish(&self, mut output: Output, last: Lsn) -> Result<Arc<Segment>, StoreError> {
        output.flush()?;
        let mut bytes = Vec::with_capacity(HEADER + 12);
        let seal = Seal {
            count: output.index.len() as u64,
            crc: output.crc,
        };
        seal.encode(last + 1, 0, &mut bytes);
        let header = SegmentHeader {
            store: self.store(),
            number: output.number,
            first: output.first,
            sparse_to: last,
            min_reader: FORMAT,
        };
        let disk = &self.table().disk;
        let (name, unfinished) = (file_name(output.number), unfinished(output.number));
        output
            .file
            .write_at(output.end, &bytes)
            .and_then(|()| output.file.write_at(0, &header.encode()))
            .and_then(|()| output.file.sync())
            .and_then(|()| disk.rename(&unfinished, &name))
            .map_err(StoreError::io(format!("writing {name}")))?;
        sidecar::write(&*self.table().disk, output.number, &output.index);
        let extent = Extent {
            last,
            end: output.end,
            is_sealed: true,
        };
        Ok(Segment::new(
            output.number,
            output.first,
            true,
            output.file,
            extent,
            Some(output.index),
        ))
    }
}

/// Bytes of the frames that would go, and of all.
fn dead_bytes(segment: &Segment, sweep: &dyn Sweep) -> Result<(u64, u64), StoreError> {
    let (mut dead, mut all) = (0, 0);
    let end = segment.extent().end;
    let stop = scan(
        &*segment.file,
        SEGMENT_HEADER as u64,
        end,
        &mut |frame, _| {
            let bytes = (HEADER + frame.payload.len()) as u64;
            all += bytes;
            if !sweep.keeps(frame) {
                dead += bytes;
            }
            true
        },
    )
    .map_err(StoreError::io(format!("reading {}", segment.name())))?;
    match stop {
        Stop::Broken { offset, what } => Err(StoreError::Damaged(segment.damage(offset, what))),
        Stop::End | Stop::Asked => Ok((dead, all)),
    }
}

impl Journal {
    /// Lets compacted segments take the place of the old ones, and removes those.
    ///
    /// # Errors
    /// The disk's; then the old ones still count.
    pub fn publish(&mut self, compacted: Compacted) -> Result<(), StoreError> {
        if compacted.is_empty() {
            return Ok(());
        }
        if let Some(why) = self.read_only() {
            return Err(StoreError::ReadOnly(why.to_owned()));
        }
        let replaced: BTreeSet<u64> = compacted
            .runs
            .iter()
            .flat_map(|(numbers, _)| numbers.iter().copied())
            .collect();
        let mut segments = Vec::new();
        for segment in self.table.all() {
            if !replaced.contains(&segment.number) {
                segments.push(segment);
                continue;
            }
            let run = compacted
                .runs
                .iter()
                .find(|(numbers, _)| numbers.first() == Some(&segment.number));
            if let Some((_, outputs)) = run {
                segments.extend(outputs.iter().cloned());
            }
        }
        let sealed = segments.iter().filter(|segment| segment.extent().is_sealed);
        let active = segments.iter().find(|segment| !segment.extent().is_sealed);
        // On a full disk there may be none: then the next one that is begun counts.
        let next = self.table.next_number.load(Ordering::Relaxed);
        let manifest = Manifest {
            format: FORMAT,
            store: self.store(),
            from: active.map_or(next, |segment| segment.number),
            segments: sealed
                .map(|segment| Listed {
                    number: segment.number,
                    first: segment.first,
                    last: segment.extent().last,
                })
                .collect(),
        };
        let disk = self.table.disk.clone();
        manifest.write(&*disk)?;
        self.table.set(segments);
        for number in replaced {
            // What stays is removed at the next open.
            drop(disk.remove(&file_name(number)));
            sidecar::remove(&*disk, number);
        }
        disk.sync_folder(FOLDER)
            .map_err(StoreError::io("syncing the journal's folder"))
    }
}
