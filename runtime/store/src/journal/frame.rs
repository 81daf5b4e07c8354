//! The bytes of the journal: segment headers, frames, seals. All numbers are little-endian.
//!
//! A frame, header of 36 bytes:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic `VCJ1` |
//! | 4 | 4 | length of the payload, at most 16 MiB |
//! | 8 | 4 | CRC-32C of bytes 4..8, 12..36 and the payload |
//! | 12 | 8 | sequence number (LSN) |
//! | 20 | 2 | kind |
//! | 22 | 1 | version of the kind |
//! | 23 | 1 | flags |
//! | 24 | 8 | wall clock, milliseconds since 1970 |
//! | 32 | 4 | frames between the first of its write and this one |
//! | 36 | n | payload |
//!
//! The last number tells a torn tail from damage. All frames of one write are on the disk before the
//! next write begins, so a broken frame with a whole one behind it is damage, unless both are of the same
//! write: a power cut may keep the end of a write and lose its beginning.

use uuid::Uuid;

/// A journal's sequence number: the first is 1, and there are no gaps but where compaction dropped frames.
pub type Lsn = u64;

/// Largest payload, bytes.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// Bytes of a frame before its payload.
pub(crate) const HEADER: usize = 36;
/// Bytes of a segment before its first frame.
pub(crate) const SEGMENT_HEADER: usize = 64;
/// The kind of the frame that ends a sealed segment.
pub(crate) const SEAL: u16 = 0xFFFF;

/// More frames of the same command follow: they count together or not at all.
pub const MORE: u8 = 1;
/// Whoever does not know this kind must not write.
pub const MUST_UNDERSTAND: u8 = 2;

const MAGIC: &[u8; 4] = b"VCJ1";
const SEGMENT_MAGIC: &[u8; 8] = b"VALEJRN1";
/// The format that is written.
pub(crate) const FORMAT: u32 = 1;

/// A record as it lies in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its sequence number.
    pub lsn: Lsn,
    /// What it is; the numbers are of whoever folds it.
    pub kind: u16,
    /// Version of the kind.
    pub version: u8,
    /// [`MORE`] and [`MUST_UNDERSTAND`].
    pub flags: u8,
    /// When it was written, milliseconds since 1970, by this machine's clock.
    pub time_ms: u64,
    /// Frames between the first of its write and this one.
    pub(crate) back: u32,
    /// Its content.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that a record will be.
    pub(crate) fn of(record: &'a super::Record, lsn: Lsn, time_ms: u64) -> Self {
        Self {
            lsn,
            kind: record.kind,
            version: record.version,
            flags: if record.must_understand {
                MUST_UNDERSTAND
            } else {
                0
            },
            time_ms,
            back: 0,
            payload: &record.payload,
        }
    }
}

impl Frame<'_> {
    /// A copy that owns its payload.
    #[must_use]
    pub fn to_owned(&self) -> OwnedFrame {
        OwnedFrame {
            lsn: self.lsn,
            kind: self.kind,
            version: self.version,
            flags: self.flags,
            time_ms: self.time_ms,
            back: self.back,
            payload: self.payload.to_vec(),
        }
    }

    /// The first frame of the write that this one was in.
    pub(crate) fn write_began(&self) -> Lsn {
        self.lsn.saturating_sub(u64::from(self.back))
    }

    /// Appends its bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut header = [0; HEADER];
        let mut put = Put(&mut header, 0);
        put.bytes(MAGIC);
        put.bytes(&length.to_le_bytes());
        put.bytes(&[0; 4]);
        put.bytes(&self.lsn.to_le_bytes());
        put.bytes(&self.kind.to_le_bytes());
        put.bytes(&[self.version, self.flags]);
        put.bytes(&self.time_ms.to_le_bytes());
        put.bytes(&self.back.to_le_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(self.payload);
        let crc = out.get(start..).map_or(0, checksum);
        if let Some(place) = out.get_mut(start + 8..start + 12) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
    }
}

/// A record with a payload of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFrame {
    /// Its sequence number.
    pub lsn: Lsn,
    /// What it is.
    pub kind: u16,
    /// Version of the kind.
    pub version: u8,
    /// [`MORE`] and [`MUST_UNDERSTAND`].
    pub flags: u8,
    /// When it was written, milliseconds since 1970.
    pub time_ms: u64,
    pub(crate) back: u32,
    /// Its content.
    pub payload: Vec<u8>,
}

impl OwnedFrame {
    /// The same, borrowed.
    #[must_use]
    pub fn as_frame(&self) -> Frame<'_> {
        Frame {
            lsn: self.lsn,
            kind: self.kind,
            version: self.version,
            flags: self.flags,
            time_ms: self.time_ms,
            back: self.back,
            payload: &self.payload,
        }
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// They end before the frame does; it needs so many more to tell.
    Short,
    /// They are something else.
    Wrong(&'static str),
}

/// The frame at the beginning of `bytes`, and how long it is.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Frame<'_>, usize), Broken> {
    let header = bytes.get(..HEADER).ok_or(Broken::Short)?;
    let get = Get(header);
    if get.array::<4>(0) != *MAGIC {
        return Err(Broken::Wrong("no record begins here"));
    }
    let length = u32::from_le_bytes(get.array(4)) as usize;
    if length > MAX_PAYLOAD {
        return Err(Broken::Wrong("a record is longer than any may be"));
    }
    let whole = bytes.get(..HEADER + length).ok_or(Broken::Short)?;
    if checksum(whole) != u32::from_le_bytes(get.array(8)) {
        return Err(Broken::Wrong("the checksum of a record does not match"));
    }
    let [version, flags] = get.array(22);
    let frame = Frame {
        lsn: u64::from_le_bytes(get.array(12)),
        kind: u16::from_le_bytes(get.array(20)),
        version,
        flags,
        time_ms: u64::from_le_bytes(get.array(24)),
        back: u32::from_le_bytes(get.array(32)),
        payload: whole.get(HEADER..).unwrap_or_default(),
    };
    Ok((frame, HEADER + length))
}

/// Where the next magic is, at or after `from`.
pub(crate) fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let found = rest.windows(MAGIC.len()).position(|at| at == MAGIC)?;
    Some(from + found)
}

fn checksum(frame: &[u8]) -> u32 {
    let length = frame.get(4..8).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(length), frame.get(12..).unwrap_or_default())
}

/// What stands before a segment's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) store: Uuid,
    pub(crate) number: u64,
    /// The first number that it may hold.
    pub(crate) first: Lsn,
    /// The last number that it stands for, when compaction wrote it; 0 = it is as it was written.
    pub(crate) sparse_to: Lsn,
    /// Oldest program that may read it.
    pub(crate) min_reader: u32,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        let mut put = Put(&mut bytes, 0);
        put.bytes(SEGMENT_MAGIC);
        put.bytes(&FORMAT.to_le_bytes());
        put.bytes(&self.min_reader.to_le_bytes());
        put.bytes(self.store.as_bytes());
        put.bytes(&self.number.to_le_bytes());
        put.bytes(&self.first.to_le_bytes());
        put.bytes(&self.sparse_to.to_le_bytes());
        let crc = crc32c::crc32c(bytes.get(..60).unwrap_or_default());
        Put(&mut bytes, 60).bytes(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Broken> {
        let bytes = bytes.get(..SEGMENT_HEADER).ok_or(Broken::Short)?;
        let get = Get(bytes);
        if get.array::<8>(0) != *SEGMENT_MAGIC {
            return Err(Broken::Wrong("it does not begin as a journal"));
        }
        let crc = crc32c::crc32c(bytes.get(..60).unwrap_or_default());
        if crc != u32::from_le_bytes(get.array(60)) {
            return Err(Broken::Wrong("the checksum of its header does not match"));
        }
        Ok(Self {
            min_reader: u32::from_le_bytes(get.array(12)),
            store: Uuid::from_bytes(get.array(16)),
            number: u64::from_le_bytes(get.array(32)),
            first: u64::from_le_bytes(get.array(40)),
            sparse_to: u64::from_le_bytes(get.array(48)),
        })
    }
}

/// What the seal of a segment says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    /// Frames.
    pub(crate) count: u64,
    /// CRC-32C of all bytes of the frames.
    pub(crate) crc: u32,
}

/// Bytes of a seal with its header.
pub(crate) const SEAL_BYTES: usize = HEADER + 12;

impl Seal {
    /// The last frame of a segment whose next number would be `next`.
    pub(crate) fn encode(self, next: Lsn, time_ms: u64, out: &mut Vec<u8>) {
        let mut payload = [0; 12];
        let mut put = Put(&mut payload, 0);
        put.bytes(&self.count.to_le_bytes());
        put.bytes(&self.crc.to_le_bytes());
        let frame = Frame {
            lsn: next,
            kind: SEAL,
            version: 1,
            flags: MUST_UNDERSTAND,
            time_ms,
            back: 0,
            payload: &payload,
        };
        frame.encode(out);
    }

    pub(crate) fn of(frame: &Frame<'_>) -> Option<Self> {
        if frame.kind != SEAL || frame.payload.len() != 12 {
            return None;
        }
        let get = Get(frame.payload);
        Some(Self {
            count: u64::from_le_bytes(get.array(0)),
            crc: u32::from_le_bytes(get.array(8)),
        })
    }
}

struct Put<'a>(&'a mut [u8], usize);

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        let end = self.1 + bytes.len();
        if let Some(place) = self.0.get_mut(self.1..end) {
            place.copy_from_slice(bytes);
        }
        self.1 = end;
    }
}

struct Get<'a>(&'a [u8]);

impl Get<'_> {
    /// Zeroes where there are no such bytes; callers have checked the length.
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let found = self
            .0
            .get(at..at + N)
            .and_then(|bytes| bytes.try_into().ok());
        found.unwrap_or([0; N])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Frame<'_> {
        Frame {
            lsn: 7,
            kind: 3,
            version: 2,
            flags: MORE,
            time_ms: 1_764_000_000_000,
            back: 2,
            payload,
        }
    }

    #[test]
    fn a_frame_comes_back_and_every_flipped_bit_is_seen() {
        let mut bytes = Vec::new();
        frame(b"a few words").encode(&mut bytes);
        assert_eq!(decode(&bytes), Ok((frame(b"a few words"), bytes.len())));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            if let Some(byte) = flipped.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(
                decode(bytes.get(..cut).unwrap_or_default()),
                Err(Broken::Short)
            );
        }
    }

    #[test]
    fn a_header_comes_back_and_every_flipped_bit_is_seen() {
        let header = SegmentHeader {
            store: Uuid::from_u128(77),
            number: 4,
            first: 900,
            sparse_to: 1200,
            min_reader: 1,
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            if let Some(byte) = flipped.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
        }
    }
}
