//! Writing: commands as frames, one write and one sync for all that queued.

use std::sync::atomic::Ordering;

use super::frame::{FORMAT, Frame, MAX_PAYLOAD, MORE, SEGMENT_HEADER, Seal, SegmentHeader};
use super::segment::{Extent, FOLDER, Index, Segment, file_name};
use super::{Journal, Lsn, sidecar};
use crate::error::StoreError;

/// What a frame will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is; the numbers are of whoever folds it, below `0xFF00`.
    pub kind: u16,
    /// Version of the kind.
    pub version: u8,
    /// A program that does not know the kind must not write.
    pub must_understand: bool,
    /// Its content, 16 MiB at most.
    pub payload: Vec<u8>,
}

/// Records that count together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// The records, in order.
    pub records: Vec<Record>,
}

impl From<Record> for Command {
    fn from(record: Record) -> Self {
        Self {
            records: vec![record],
        }
    }
}

impl Journal {
    /// The frames that commands would be, with the numbers that they would get.
    ///
    /// # Errors
    /// When a record is too large.
    fn frames<'a>(
        &self,
        commands: &'a [Command],
        time_ms: u64,
    ) -> Result<Vec<Frame<'a>>, StoreError> {
        let mut frames = Vec::new();
        for command in commands {
            let count = command.records.len();
            for (at, record) in command.records.iter().enumerate() {
                if record.payload.len() > MAX_PAYLOAD {
                    let mib = (record.payload.len() as u64).div_ceil(1 << 20);
                    return Err(StoreError::TooLarge(mib));
                }
                let lsn = self.next + frames.len() as u64;
                let mut frame = Frame::of(record, lsn, time_ms);
                frame.flags |= if at + 1 < count { MORE } else { 0 };
                frame.back = u32::try_from(frames.len()).unwrap_or(u32::MAX);
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    /// Writes commands and makes them durable; gives the number of the last frame.
    ///
    /// # Errors
    /// When the disk is full, nothing was written and the next try may do. After any other failure the
    /// journal writes nothing more until it is opened again.
    pub fn append(&mut self, commands: &[Command], time_ms: u64) -> Result<Lsn, StoreError> {
        self.writable()?;
        let frames = self.frames(commands, time_ms)?;
        if frames.is_empty() {
            return Ok(self.last());
        }
        if self.is_segment_full() {
            self.roll(time_ms)?;
        }
        let last = self.last_segment()?;
        let before = last.extent();
        let mut bytes = Vec::new();
        let mut places = Vec::with_capacity(frames.len());
        for frame in &frames {
            places.push((frame.lsn, before.end + bytes.len() as u64));
            frame.encode(&mut bytes);
        }
        let what = || format!("writing {}", last.name());
        if let Err(error) = last.file.write_at(before.end, &bytes) {
            let error = StoreError::io(what())(error);
            return Err(self.take_back(&last, before.end, error));
        }
        if let Err(error) = last.file.sync() {
            return Err(self.poison(StoreError::io(what())(error)));
        }
        self.next += frames.len() as u64;
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        last.note(&places);
        last.set_extent(Extent {
            last: self.last(),
            end: before.end + bytes.len() as u64,
            is_sealed: false,
        });
        Ok(self.last())
    }

    /// Seals the last segment and begins the next.
    ///
    /// # Errors
    /// As for [`Self::append`].
    pub fn roll(&mut self, time_ms: u64) -> Result<(), StoreError> {
        self.writable()?;
        let last = self.last_segment()?;
        let extent = last.extent();
        if extent.last < last.first {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let seal = Seal {
            count: last.noted() as u64,
            crc: self.crc,
        };
        seal.encode(self.next, time_ms, &mut bytes);
        let what = || format!("sealing {}", last.name());
        if let Err(error) = last.file.write_at(extent.end, &bytes) {
            let error = StoreError::io(what())(error);
            return Err(self.take_back(&last, extent.end, error));
        }
        if let Err(error) = last.file.sync() {
            return Err(self.poison(StoreError::io(what())(error)));
        }
        last.set_extent(Extent {
            is_sealed: true,
            ..extent
        });
        let disk = self.table.disk.clone();
        last.with_index(&*disk, |index| sidecar::write(&*disk, last.number, index))?;
        match self.begin_segment() {
            // The seal stands; the next write tries again.
            Err(error) if error.is_full() => Err(error),
            Err(error) => Err(self.poison(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Begins the next segment with the next number.
    pub(super) fn begin_segment(&mut self) -> Result<(), StoreError> {
        let disk = self.table.disk.clone();
        let number = self.table.next_number.fetch_add(1, Ordering::Relaxed);
        let name = file_name(number);
        let header = SegmentHeader {
            store: self.store(),
            number,
            first: self.next,
            sparse_to: 0,
            min_reader: FORMAT,
        };
        let making = || StoreError::io(format!("making {name}"));
        let file = disk.create(&name).map_err(making())?;
        if let Err(error) = file
            .write_at(0, &header.encode())
            .and_then(|()| file.sync())
        {
            drop(file);
            // Its place must not be taken by half a header.
            drop(disk.remove(&name));
            return Err(making()(error));
        }
        disk.sync_folder(FOLDER).map_err(making())?;
        let extent = Extent {
            last: self.next - 1,
            end: SEGMENT_HEADER as u64,
            is_sealed: false,
        };
        let index = Some(Index::new(self.next));
        let segment = Segment::new(number, self.next, false, file, extent, index);
        let mut segments = self.table.all();
        segments.push(segment);
        self.table.set(segments);
        self.crc = 0;
        Ok(())
    }

    fn is_segment_full(&self) -> bool {
        self.last_segment()
            .is_ok_and(|last| last.extent().end >= self.options.segment_bytes)
    }

    /// The segment that is written to; one is begun when the last one was sealed and the disk was full.
    fn last_segment(&self) -> Result<std::sync::Arc<Segment>, StoreError> {
        let last = self.table.all().pop();
        last.ok_or_else(|| StoreError::ReadOnly("it has no journal".to_owned()))
    }

    fn writable(&mut self) -> Result<(), StoreError> {
        if let Some(why) = &self.poisoned {
            return Err(StoreError::Poisoned(why.clone()));
        }
        if let Some(why) = &self.read_only {
            return Err(StoreError::ReadOnly(why.clone()));
        }
        if self.last_segment()?.extent().is_sealed {
            return self.begin_segment();
        }
        Ok(())
    }

    /// After a write that failed: the file is as before, or nothing is written any more.
    fn take_back(&mut self, segment: &Segment, end: u64, error: StoreError) -> StoreError {
        let restored = segment.file.set_len(end).and_then(|()| segment.file.sync());
        if restored.is_ok() && error.is_full() {
            error
        } else {
            self.poison(error)
        }
    }

    fn poison(&mut self, error: StoreError) -> StoreError {
        self.poisoned.get_or_insert(error.to_string());
        error
    }
}
