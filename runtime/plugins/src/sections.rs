//! The top level of a component file: sections one after the other, each with an id and a length.
//!
//! Component model binary format, `Binary.md`: after eight bytes of preamble, `section*`, each
//! `id:byte size:u32(leb128) contents`, as in core WebAssembly; a custom section (id 0) begins with its
//! name. Nested modules and components are sections too, so nothing here goes deeper than one level,
//! and only headers are read: a plugin of 20 MB costs a few kilobytes.

use std::io::{self, Read, Seek, SeekFrom};

/// Most sections in one file; componentize-py makes some hundreds.
const MAX_SECTIONS: usize = 65_536;
/// Longest name of a custom section that is read, bytes; longer ones are no section of ours.
const MAX_NAME: u64 = 256;
/// Length of the preamble, bytes.
pub(crate) const PREAMBLE: u64 = 8;
/// Magic, version 13, layer 1: a component.
pub(crate) const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
/// Magic, version 1: a core module, the usual thing to have instead.
pub(crate) const MODULE: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

/// One section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The name of a custom section.
    pub(crate) name: Option<String>,
    /// Where the section begins in the file, its header included.
    pub(crate) start: u64,
    /// Where its contents begin; of a custom section, behind its name.
    pub(crate) contents: u64,
    /// Where it ends.
    pub(crate) end: u64,
}

/// Why a file is no component.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The disk said no.
    #[error("it could not be read: {0}")]
    Io(#[from] io::Error),
    /// No WebAssembly at all, or less than its first eight bytes.
    #[error("it is no WebAssembly file ({0} bytes)")]
    NotWasm(u64),
    /// A core module.
    #[error(
        "it is a WebAssembly module, not a component: its author must wrap it (`valechat plugin pack` does)"
    )]
    CoreModule,
    /// It ends in the middle of a section, or its lengths make no sense.
    #[error("it is damaged or cut off: the section at byte {at} {what}")]
    Damaged {
        /// Where the section begins.
        at: u64,
        /// Completes "the section at byte …".
        what: &'static str,
    },
}

/// The sections of a file of `size` bytes, in order.
///
/// # Errors
/// When it is no component, or ends in the middle.
pub(crate) fn sections(
    file: &mut (impl Read + Seek),
    size: u64,
) -> Result<Vec<Section>, FileError> {
    let mut preamble = [0; PREAMBLE as usize];
    file.seek(SeekFrom::Start(0))?;
    match file.read_exact(&mut preamble) {
        Ok(()) if preamble == COMPONENT => {}
        Ok(()) if preamble == MODULE => return Err(FileError::CoreModule),
        Ok(()) => return Err(FileError::NotWasm(size)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(FileError::NotWasm(size));
        }
        Err(error) => return Err(error.into()),
    }
    let mut found = Vec::new();
    let mut at = PREAMBLE;
    while at < size {
        let damaged = |what| FileError::Damaged { at, what };
        if found.len() >= MAX_SECTIONS {
            return Err(damaged("is one of too many"));
        }
        let mut cursor = Cursor { file, at };
        let id = cursor.byte().map_err(|error| cut(error, at))?;
        let length = cursor.leb128().map_err(|error| cut(error, at))?;
        let length = length.ok_or_else(|| damaged("has an impossible length"))?;
        let start = cursor.at;
        let end = start
            .checked_add(length)
            .filter(|end| *end <= size)
            .ok_or_else(|| damaged("ends behind the end of the file"))?;
        let (name, contents) = if id == 0 {
            let length = cursor.leb128().map_err(|error| cut(error, at))?;
            let length = length.ok_or_else(|| damaged("has a name of impossible length"))?;
            let behind = cursor
                .at
                .checked_add(length)
                .filter(|behind| *behind <= end);
            let behind = behind.ok_or_else(|| damaged("has a name longer than itself"))?;
            let name = if length <= MAX_NAME {
                let bytes = cursor.bytes(length).map_err(|error| cut(error, at))?;
                String::from_utf8(bytes).ok()
            } else {
                None
            };
            (name, behind)
        } else {
            (None, start)
        };
        found.push(Section {
            name,
            start: at,
            contents,
            end,
        });
        at = end;
        file.seek(SeekFrom::Start(at))?;
    }
    Ok(found)
}

/// The contents of a section.
pub(crate) fn contents(
    file: &mut (impl Read + Seek),
    section: &Section,
) -> Result<Vec<u8>, FileError> {
    file.seek(SeekFrom::Start(section.contents))?;
    Cursor {
        file,
        at: section.contents,
    }
    .bytes(section.end - section.contents)
    .map_err(|error| cut(error, section.start))
}

/// A custom section as it stands in a file.
pub(crate) fn custom(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut body = leb128(name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(contents);
    let mut section = vec![0];
    section.extend(leb128(body.len()));
    section.extend(body);
    section
}

fn leb128(value: usize) -> Vec<u8> {
    let (mut value, mut bytes) = (value, Vec::new());
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn cut(error: io::Error, at: u64) -> FileError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        FileError::Damaged {
            at,
            what: "is cut off",
        }
    } else {
        error.into()
    }
}

struct Cursor<'f, F> {
    file: &'f mut F,
    at: u64,
}

impl<F: Read> Cursor<'_, F> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.file.read_exact(&mut byte)?;
        self.at += 1;
        Ok(byte[0])
    }

    /// A u32; nothing when it is longer than five bytes or does not fit.
    fn leb128(&mut self) -> io::Result<Option<u64>> {
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(u32::try_from(value).ok().map(u64::from));
            }
        }
        Ok(None)
    }

    fn bytes(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.file.take(length).read_to_end(&mut bytes)?;
        self.at += length;
        if read as u64 == length {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor as Bytes;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Section>, FileError> {
        sections(&mut Bytes::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn what_is_written_is_found_again_whatever_stands_around_it() {
        let mut file = COMPONENT.to_vec();
        file.extend([1, 3, b'x', b'y', b'z']);
        file.extend(custom("valechat:manifest", &vec![b'm'; 300]));
        file.extend(custom("name", b""));
        let found = read(&file).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|section| section.name.as_deref())
            .collect();
        assert_eq!(names, [None, Some("valechat:manifest"), Some("name")]);
        let text = contents(&mut Bytes::new(&file), &found[1]).unwrap();
        assert_eq!(text, vec![b'm'; 300]);
    }

    #[test]
    fn a_file_cut_anywhere_is_damaged_and_says_where() {
        let mut file = COMPONENT.to_vec();
        let whole = custom("valechat:readme", b"hello");
        file.extend(&whole);
        for cut in 9..file.len() {
            let error = read(&file[..cut]).unwrap_err();
            assert!(
                matches!(error, FileError::Damaged { at: 8, .. }),
                "{cut}: {error}"
            );
        }
        assert!(matches!(read(&file[..5]), Err(FileError::NotWasm(5))));
        assert!(matches!(read(b"<html></html>"), Err(FileError::NotWasm(_))));
        assert!(matches!(read(&MODULE), Err(FileError::CoreModule)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_behind_the_end(tail in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut file = COMPONENT.to_vec();
            file.extend(&tail);
            if let Ok(found) = read(&file) {
                for section in found {
                    prop_assert!(section.end <= file.len() as u64 && section.contents <= section.end);
                }
            }
        }
    }
}
