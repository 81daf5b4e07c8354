//! The index of a sealed segment beside it, so that the first read in it need not scan it. Derived:
//! missing or damaged, it is made anew from the segment.

use super::segment::{FOLDER, Index, Segment};
use crate::disk::{Disk, read_all};

const MAGIC: &[u8; 4] = b"VCX1";

fn name(number: u64) -> String {
    format!("{FOLDER}/{number:08}.vcx")
}

/// Writes it; what goes wrong costs a scan later and nothing else.
pub(crate) fn write(disk: &dyn Disk, number: u64, index: &Index) {
    let bytes = index.encode(number);
    let path = name(number);
    let written = disk
        .remove(&path)
        .or(Ok(()))
        .and_then(|()| disk.create(&path))
        .and_then(|file| file.write_at(0, &bytes));
    if let Err(error) = written {
        tracing::debug!(number, %error, "the index of a segment was not written");
    }
}

/// Removes it.
pub(crate) fn remove(disk: &dyn Disk, number: u64) {
    // It may never have been there.
    drop(disk.remove(&name(number)));
}

pub(crate) fn read(disk: &dyn Disk, segment: &Segment) -> Option<Index> {
    if !segment.extent().is_sealed {
        return None;
    }
    let bytes = read_all(disk, &name(segment.number)).ok()?;
    let index = Index::decode(&bytes, segment.number)?;
    let seal = segment.seal().ok()??;
    (index.len() as u64 == seal.count).then_some(index)
}

impl Index {
    fn encode(&self, number: u64) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(number.to_le_bytes());
        bytes.extend(self.first().to_le_bytes());
        for (distance, offset) in self.pairs() {
            bytes.extend(distance.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8], number: u64) -> Option<Self> {
        let (content, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if crc32c::crc32c(content) != u32::from_le_bytes(crc.try_into().ok()?) {
            return None;
        }
        let content = content.strip_prefix(MAGIC)?;
        let (of, content) = content.split_first_chunk::<8>()?;
        let (first, content) = content.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*of) != number {
            return None;
        }
        let first = u64::from_le_bytes(*first);
        let mut index = Self::new(first);
        for pair in content.chunks_exact(8) {
            let (distance, offset) = pair.split_first_chunk::<4>()?;
            let distance = u32::from_le_bytes(*distance);
            let offset = u32::from_le_bytes(offset.try_into().ok()?);
            index.push(first + u64::from(distance), u64::from(offset));
        }
        Some(index)
    }
}
