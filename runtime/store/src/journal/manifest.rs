//! Which segments count, once compaction has replaced some.

use std::io::ErrorKind;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::frame::Lsn;
use crate::disk::{Disk, read_all, write_whole};
use crate::error::{Damage, StoreError};

pub(crate) const PATH: &str = "journal/MANIFEST";

/// A segment that the manifest names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) number: u64,
    pub(crate) first: Lsn,
    pub(crate) last: Lsn,
}

/// The list: these segments in this order, then every one that compaction did not write and whose number
/// is `from` or higher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) store: Uuid,
    /// The segment that was written to when this list was made.
    pub(crate) from: u64,
    pub(crate) segments: Vec<Listed>,
}

impl Manifest {
    /// Reads it; none while nothing was ever compacted.
    pub(crate) fn read(disk: &dyn Disk) -> Result<Option<Self>, StoreError> {
        let bytes = match read_all(disk, PATH) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("reading the journal's manifest")(error)),
        };
        let damaged = |what: &str| {
            StoreError::Damaged(Damage {
                segment: PATH.to_owned(),
                offset: 0,
                what: what.to_owned(),
            })
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is no text"))?;
        let (json, crc) = text
            .trim_end()
            .rsplit_once('\n')
            .ok_or_else(|| damaged("it is cut"))?;
        if crc != format!("{:08x}", crc32c::crc32c(json.as_bytes())) {
            return Err(damaged("its checksum does not match"));
        }
        let manifest: Self =
            serde_json::from_str(json).map_err(|error| damaged(&error.to_string()))?;
        if manifest.format != super::frame::FORMAT {
            let what = format!("a newer ValeChat wrote it (format {})", manifest.format);
            return Err(StoreError::ReadOnly(what));
        }
        Ok(Some(manifest))
    }

    /// Puts it in place; the old one counts until this returns.
    pub(crate) fn write(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        disk_write(disk, &self.encode()?)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let json = serde_json::to_string(self).map_err(|error| StoreError::Io {
            what: "writing the journal's manifest".to_owned(),
            error: error.to_string(),
            is_full: false,
        })?;
        let crc = crc32c::crc32c(json.as_bytes());
        Ok(format!("{json}\n{crc:08x}\n").into_bytes())
    }
}

fn disk_write(disk: &dyn Disk, bytes: &[u8]) -> Result<(), StoreError> {
    write_whole(disk, PATH, bytes).map_err(StoreError::io("writing the journal's manifest"))
}
