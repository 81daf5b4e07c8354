//! One file of the journal, and where its frames are.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::frame::{
    Broken, Frame, HEADER, Lsn, SEAL, SEAL_BYTES, SEGMENT_HEADER, Seal, decode, find_magic,
};
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, StoreError};

/// Bytes that a scan reads at once.
const CHUNK: usize = 1 << 20;

pub(crate) const FOLDER: &str = "journal";

pub(crate) fn file_name(number: u64) -> String {
    format!("{FOLDER}/{number:08}.vcj")
}

/// The number in a segment's name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".vcj")?;
    (digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// Where frames begin.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    first: Lsn,
    /// Of each frame, the distance from `first`; none while there are no gaps.
    gaps: Option<Vec<u32>>,
    offsets: Vec<u32>,
}

impl Index {
    pub(crate) fn new(first: Lsn) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, lsn: Lsn, offset: u64) {
        let distance = u32::try_from(lsn.saturating_sub(self.first)).unwrap_or(u32::MAX);
        let dense = self.offsets.len();
        if self.gaps.is_none() && distance as usize != dense {
            self.gaps = Some((0..u32::try_from(dense).unwrap_or(u32::MAX)).collect());
        }
        if let Some(gaps) = &mut self.gaps {
            gaps.push(distance);
        }
        self.offsets.push(u32::try_from(offset).unwrap_or(u32::MAX));
    }

    /// The offset of a frame.
    pub(crate) fn find(&self, lsn: Lsn) -> Option<u64> {
        let at = self.at(lsn)?.ok()?;
        self.offsets.get(at).copied().map(u64::from)
    }

    /// The offset of the first frame with this number or a later one.
    pub(crate) fn find_from(&self, lsn: Lsn) -> Option<u64> {
        let at = match self.at(lsn.max(self.first))? {
            Ok(at) | Err(at) => at,
        };
        self.offsets.get(at).copied().map(u64::from)
    }

    fn at(&self, lsn: Lsn) -> Option<Result<usize, usize>> {
        let distance = u32::try_from(lsn.checked_sub(self.first)?).ok()?;
        Some(match &self.gaps {
            None => Ok(distance as usize),
            Some(gaps) => gaps.binary_search(&distance),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len()
    }

    pub(crate) fn first(&self) -> Lsn {
        self.first
    }

    /// Each frame's distance from the first number, and its offset.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let distance = |at: usize| match &self.gaps {
            Some(gaps) => gaps.get(at).copied().unwrap_or(u32::MAX),
            None => u32::try_from(at).unwrap_or(u32::MAX),
        };
        let offsets = self.offsets.iter().enumerate();
        offsets.map(move |(at, offset)| (distance(at), *offset))
    }

    pub(crate) fn truncate(&mut self, count: usize) {
        self.offsets.truncate(count);
        if let Some(gaps) = &mut self.gaps {
            gaps.truncate(count);
        }
    }
}

/// What is known of a segment's bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The last number in it, or that it stands for; `first - 1` while it is empty.
    pub(crate) last: Lsn,
    /// Where the frames end, the seal not counted.
    pub(crate) end: u64,
    pub(crate) is_sealed: bool,
}

/// A file of the journal.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) first: Lsn,
    /// Compaction wrote it: frames are missing on purpose.
    pub(crate) is_sparse: bool,
    pub(crate) file: Box<dyn DiskFile>,
    extent: RwLock<Extent>,
    index: RwLock<Option<Index>>,
}

impl Segment {
    pub(crate) fn new(
        number: u64,
        first: Lsn,
        is_sparse: bool,
        file: Box<dyn DiskFile>,
        extent: Extent,
        index: Option<Index>,
    ) -> Arc<Self> {
        Arc::new(Self {
            number,
            first,
            is_sparse,
            file,
            extent: RwLock::new(extent),
            index: RwLock::new(index),
        })
    }

    pub(crate) fn extent(&self) -> Extent {
        *self.extent.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_extent(&self, extent: Extent) {
        *self.extent.write().unwrap_or_else(PoisonError::into_inner) = extent;
    }

    pub(crate) fn name(&self) -> String {
        file_name(self.number)
    }

    pub(crate) fn damage(&self, offset: u64, what: impl Into<String>) -> Damage {
        Damage {
            segment: self.name(),
            offset,
            what: what.into(),
        }
    }

    /// Frames that were appended to it.
    pub(crate) fn note(&self, frames: &[(Lsn, u64)]) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = index.as_mut() {
            for (lsn, offset) in frames {
                index.push(*lsn, *offset);
            }
        }
    }

    pub(crate) fn noted(&self) -> usize {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map_or(0, Index::len)
    }

    /// Asks the index, which is made first where it is not there yet.
    pub(crate) fn with_index<T>(
        &self,
        disk: &dyn Disk,
        ask: impl FnOnce(&Index) -> T,
    ) -> Result<T, StoreError> {
        let held = self.index.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = held.as_ref() {
            return Ok(ask(index));
        }
        drop(held);
        let made = match super::sidecar::read(disk, self) {
            Some(index) => index,
            None => self.make_index()?,
        };
        let answer = ask(&made);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Ok(answer)
    }

    fn make_index(&self) -> Result<Index, StoreError> {
        let mut index = Index::new(self.first);
        let end = self.extent().end;
        let stop = scan(
            &*self.file,
            SEGMENT_HEADER as u64,
            end,
            &mut |frame, offset| {
                index.push(frame.lsn, offset);
                true
            },
        )
        .map_err(StoreError::io(format!("reading {}", self.name())))?;
        match stop {
            Stop::End | Stop::Asked => Ok(index),
            Stop::Broken { offset, what } => Err(StoreError::Damaged(self.damage(offset, what))),
        }
    }

    /// The bytes of the frame at an offset; `guess` is how many are read first.
    pub(crate) fn read(&self, offset: u64, guess: usize) -> Result<Vec<u8>, StoreError> {
        read_frame(&*self.file, offset, guess, &self.name())
    }

    /// Whether the seal fits what lies before it: all frames whole, their number, their checksum.
    pub(crate) fn verify(&self) -> Result<Vec<Damage>, StoreError> {
        let extent = self.extent();
        let mut found = Vec::new();
        let mut from = SEGMENT_HEADER as u64;
        let (mut count, mut expected) = (0, self.first);
        loop {
            let stop = scan(&*self.file, from, extent.end, &mut |frame, offset| {
                if (self.is_sparse && frame.lsn < expected)
                    || (!self.is_sparse && frame.lsn != expected && found.is_empty())
                {
                    let what = format!("record {} stands in the place of {expected}", frame.lsn);
                    found.push(self.damage(offset, what));
                }
                expected = frame.lsn + 1;
                count += 1;
                true
            })
            .map_err(StoreError::io(format!("reading {}", self.name())))?;
            match stop {
                Stop::End | Stop::Asked => break,
                Stop::Broken { offset, what } => {
                    found.push(self.damage(offset, what));
                    match next_whole(&*self.file, offset + 1, &self.name())? {
                        Some((next, _)) => from = next,
                        None => break,
                    }
                }
            }
        }
        if extent.is_sealed && found.is_empty() {
            let seal = self.seal()?;
            let reading = StoreError::io(format!("reading {}", self.name()));
            let crc = crc(&*self.file, extent.end).map_err(reading)?;
            if seal != Some(Seal { count, crc }) {
                found.push(self.damage(extent.end, "its seal does not fit its records"));
            }
        }
        Ok(found)
    }

    /// The seal at the end of the file.
    pub(crate) fn seal(&self) -> Result<Option<Seal>, StoreError> {
        Ok(seal_of(&*self.file)
            .map_err(StoreError::io(format!("reading {}", self.name())))?
            .map(|(seal, _, _)| seal))
    }
}

/// The bytes of the frame at an offset.
pub(crate) fn read_frame(
    file: &dyn DiskFile,
    offset: u64,
    guess: usize,
    name: &str,
) -> Result<Vec<u8>, StoreError> {
    let failed = || StoreError::io(format!("reading {name}"));
    let damaged = |what: &str| {
        StoreError::Damaged(Damage {
            segment: name.to_owned(),
            offset,
            what: what.to_owned(),
        })
    };
    let mut bytes = vec![0; guess.max(HEADER)];
    let mut have = file.read_at(offset, &mut bytes).map_err(failed())?;
    loop {
        let got = bytes.get(..have).unwrap_or_default();
        match decode(got) {
            Ok((_, length)) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Err(Broken::Wrong(what)) => return Err(damaged(what)),
            Err(Broken::Short) => {
                let needs = needed(got);
                if needs <= have {
                    return Err(damaged("the file ends within a record"));
                }
                bytes.resize(needs, 0);
                let read = file.read_at(offset, &mut bytes).map_err(failed())?;
                if read <= have {
                    return Err(damaged("the file ends within a record"));
                }
                have = read;
            }
        }
    }
}

/// The next frame that is whole, at or after an offset, and the number of the first of its write.
pub(crate) fn next_whole(
    file: &dyn DiskFile,
    from: u64,
    name: &str,
) -> Result<Option<(u64, Lsn)>, StoreError> {
    let failed = || StoreError::io(format!("reading {name}"));
    let len = file.len().map_err(failed())?;
    let mut at = from;
    let mut buffer = vec![0; CHUNK];
    while at < len {
        let read = file.read_at(at, &mut buffer).map_err(failed())?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let mut place = 0;
        while let Some(found) = find_magic(bytes, place) {
            let offset = at + found as u64;
            if let Ok(whole) = read_frame(file, offset, HEADER, name)
                && let Ok((frame, _)) = decode(&whole)
                && frame.kind != SEAL
            {
                return Ok(Some((offset, frame.write_began())));
            }
            place = found + 1;
        }
        if read < buffer.len() {
            break;
        }
        // A magic may lie across two chunks.
        at += (read - 3) as u64;
    }
    Ok(None)
}

/// CRC-32C of the frames of a file, which end at `end`.
pub(crate) fn crc(file: &dyn DiskFile, end: u64) -> io::Result<u32> {
    let (mut crc, mut at) = (0, SEGMENT_HEADER as u64);
    let mut buffer = vec![0; CHUNK];
    while at < end {
        let read = file.read_at(at, &mut buffer)?;
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(read);
        if wanted == 0 {
            break;
        }
        crc = crc32c::crc32c_append(crc, buffer.get(..wanted).unwrap_or_default());
        at += wanted as u64;
    }
    Ok(crc)
}

/// Bytes that the frame at the beginning needs, as far as its header tells.
fn needed(bytes: &[u8]) -> usize {
    match bytes.get(4..8).and_then(|length| length.try_into().ok()) {
        Some(length) => HEADER + u32::from_le_bytes(length) as usize,
        None => HEADER,
    }
}

/// The seal at the end of a file, the number that would follow, and where the frames end.
pub(crate) fn seal_of(file: &dyn DiskFile) -> io::Result<Option<(Seal, Lsn, u64)>> {
    let len = file.len()?;
    let Some(at) = len.checked_sub(SEAL_BYTES as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; SEAL_BYTES];
    let read = file.read_at(at, &mut bytes)?;
    Ok(match decode(bytes.get(..read).unwrap_or_default()) {
        Ok((frame, _)) => Seal::of(&frame).map(|seal| (seal, frame.lsn, at)),
        Err(_) => None,
    })
}

/// Why a scan stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the end.
    End,
    /// The visitor wanted no more.
    Asked,
    /// What lies at the offset is no frame.
    Broken { offset: u64, what: &'static str },
}

/// Shows every frame between two offsets, with where it begins.
pub(crate) fn scan(
    file: &dyn DiskFile,
    from: u64,
    to: u64,
    visit: &mut dyn FnMut(&Frame<'_>, u64) -> bool,
) -> io::Result<Stop> {
    let mut buffer = Vec::new();
    let mut at = from;
    let mut wanted = CHUNK;
    while at < to {
        let room = usize::try_from(to - at).unwrap_or(usize::MAX);
        buffer.resize(wanted.min(room), 0);
        let read = file.read_at(at, &mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match decode(rest) {
                Ok((frame, length)) => {
                    if !visit(&frame, at + used as u64) {
                        return Ok(Stop::Asked);
                    }
                    used += length;
                }
                Err(Broken::Wrong(what)) => {
                    let offset = at + used as u64;
                    return Ok(Stop::Broken { offset, what });
                }
                Err(Broken::Short) => break,
            }
        }
        if used == 0 {
            // One frame is larger than what was read, or the file ends within it.
            let needs = needed(bytes);
            if needs <= read || needs > room || read < buffer.len() {
                let what = "the file ends within a record";
                return Ok(Stop::Broken { offset: at, what });
            }
            wanted = needs;
        } else {
            wanted = CHUNK;
        }
        at += used as u64;
    }
    Ok(Stop::End)
}
