//! The files of an import, one behind the other: the file itself, or those in a zip that turn out
//! to hold conversations.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read, Seek};
use std::path::PathBuf;

use super::Limits;
use super::archive::{Archive, JsonEntry};
use super::element::{Element, Recognised};
use super::files::FileStore;
use super::input::{Input, Meter, Metered};
use super::native::{Native, NativeItem, Surroundings, check_version};
use super::neutral::Neutral;
use super::report::ImportError;
use super::scan::{Unfit, ValueLimits};
use super::split::{Next, Values};

type Reader = BufReader<Box<dyn Read + Send>>;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// Values of an entry of a zip that may be something else before it is left alone.
const PATIENCE: u64 = 64;

/// Bytes after the last conversation that are looked at.
const AFTER: u64 = 64 << 20;

/// Memory that the buffer keeps between conversations, bytes.
const KEPT: usize = 8 << 20;

/// What is read and what is still to be read.
pub(super) struct Sources {
    pub source: Source,
    pub shelf: Shelf,
    /// The folder of the export.
    pub beside: Option<PathBuf>,
}

/// Entries that were not looked into yet.
pub(super) struct Shelf {
    input: Input,
    meter: Meter,
    entries: VecDeque<JsonEntry>,
    limits: ValueLimits,
    /// Some conversation was found, whatever became of it.
    found: bool,
    in_zip: bool,
}

/// What is being read.
pub(super) struct Source {
    state: State,
    buffer: Vec<u8>,
    /// Something in this file was a conversation.
    found: bool,
    /// Titles of values of this file that were none, until it is known whether that matters.
    strangers: Vec<Option<String>>,
    /// How many values of this file were none.
    strange: u64,
}

enum State {
    Nothing,
    Values(Values<Reader>),
    Native(Box<Native<Reader>>),
}

/// A conversation or a folder, as it was in the export.
pub(super) enum Taken {
    Foreign(Box<Neutral>),
    Native(NativeItem),
}

impl Sources {
    /// Tells a zip from plain text, and opens the first file.
    pub(super) fn open(
        mut input: Input,
        meter: Meter,
        limits: &Limits,
    ) -> Result<(Self, Option<Archive>), ImportError> {
        let limits = ValueLimits {
            bytes: limits.conversation_bytes,
            string: limits.message_bytes,
            values: limits.conversation_values,
            depth: limits.depth,
        };
        let beside = input.beside().map(std::borrow::ToOwned::to_owned);
        let mut archive = None;
        let mut entries = VecDeque::new();
        let mut state = State::Nothing;
        if let Some(mut reader) = input.seekable()? {
            let mut magic = Vec::new();
            reader.by_ref().take(4).read_to_end(&mut magic)?;
            if is_zip(&magic) {
                reader.rewind()?;
                let (opened, found) = Archive::open(reader)?;
                meter.set_total(found.iter().map(|entry| entry.compressed).sum());
                entries = found.into();
                archive = Some(opened);
            }
        }
        if archive.is_none() {
            let metered = Metered {
                inner: input.readable()?,
                meter: meter.clone(),
            };
            let mut metered: Box<dyn Read + Send> = Box::new(metered);
            let mut magic = Vec::new();
            metered.by_ref().take(4).read_to_end(&mut magic)?;
            if is_zip(&magic) {
                return Err(ImportError::ZipStream);
            }
            if magic.starts_with(&[0xff, 0xfe]) || magic.starts_with(&[0xfe, 0xff]) {
                return Err(ImportError::Utf16);
            }
            let whole: Box<dyn Read + Send> = Box::new(std::io::Cursor::new(magic).chain(metered));
            state = State::Values(Values::new(BufReader::with_capacity(BUFFER, whole), limits));
        }
        let sources = Self {
            source: Source {
                state,
                buffer: Vec::new(),
                found: false,
                strangers: Vec::new(),
                strange: 0,
            },
            shelf: Shelf {
                input,
                meter,
                entries,
                limits,
                found: false,
                in_zip: archive.is_some(),
            },
            beside,
        };
        Ok((sources, archive))
    }
}

fn is_zip(magic: &[u8]) -> bool {
    // An entry first, or the directory of an empty zip.
    magic.starts_with(b"PK\x03\x04") || magic.starts_with(b"PK\x05\x06")
}

impl Source {
    /// The next conversation or folder, from this file or the next one.
    pub(super) fn next<F: FileStore>(
        &mut self,
        shelf: &mut Shelf,
        mut archive: Option<&mut Archive>,
        around: &mut Surroundings<'_, F>,
    ) -> Result<Option<Taken>, ImportError> {
        loop {
            match &mut self.state {
                State::Native(native) => {
                    shelf.found = true;
                    match native.next(around) {
                        Ok(Some(item)) => return Ok(Some(Taken::Native(item))),
                        Ok(None) => self.state = State::Nothing,
                        Err(ImportError::Read(error)) => self.give_up(error, shelf, around)?,
                        Err(error) => return Err(error),
                    }
                }
                State::Values(values) => {
                    if self.buffer.capacity() > KEPT {
                        self.buffer = Vec::new();
                    }
                    let mut next = values.next(&mut self.buffer);
                    if matches!(next, Ok(Next::End)) && shelf.in_zip {
                        // The checksum stands at the end of the entry.
                        next = values.read_on(AFTER).map(|()| Next::End);
                    }
                    match next.map_err(ImportError::from) {
                        Ok(next) => {
                            if let Some(taken) = self.value(next, shelf, around)? {
                                return Ok(Some(taken));
                            }
                        }
                        Err(ImportError::Read(error)) => self.give_up(error, shelf, around)?,
                        Err(error) => return Err(error),
                    }
                }
                State::Nothing => {
                    self.strangers.clear();
                    self.strange = 0;
                    self.found = false;
                    let (Some(entry), Some(archive)) =
                        (shelf.entries.pop_front(), archive.as_deref_mut())
                    else {
                        if shelf.found {
                            return Ok(None);
                        }
                        return Err(ImportError::UnknownFormat);
                    };
                    let reader = archive.entry(&entry, &shelf.input, &shelf.meter)?;
                    let reader = BufReader::with_capacity(BUFFER, reader);
                    self.state = State::Values(Values::new(reader, shelf.limits));
                }
            }
        }
    }

    /// An entry of a zip that is damaged costs itself; anything else that fails to be read ends the
    /// import.
    fn give_up<F: FileStore>(
        &mut self,
        error: io::Error,
        shelf: &mut Shelf,
        around: &mut Surroundings<'_, F>,
    ) -> Result<(), ImportError> {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if !shelf.in_zip || !matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) {
            return Err(ImportError::Read(error));
        }
        around.report.cut_off = Some(format!(
            "The zip file is damaged ({error}). What could be read is imported; download the export again and import it to get the rest."
        ));
        shelf.found = true;
        self.state = State::Nothing;
        Ok(())
    }

    /// What became of one value.
    fn value<F: FileStore>(
        &mut self,
        next: Next,
        shelf: &mut Shelf,
        around: &mut Surroundings<'_, F>,
    ) -> Result<Option<Taken>, ImportError> {
        match next {
            Next::Value => match Element::parse(&self.buffer).map(Element::recognise) {
                Ok(Recognised::Conversation(neutral)) => {
                    self.found(shelf, around);
                    return Ok(Some(Taken::Foreign(Box::new(neutral))));
                }
                Ok(Recognised::ValeChat(version)) => {
                    check_version(version)?;
                    if let State::Values(values) =
                        std::mem::replace(&mut self.state, State::Nothing)
                    {
                        self.state = State::Native(Box::new(Native::new(values.into_inner())));
                    }
                }
                Ok(Recognised::Unknown(title)) => self.stranger(title, shelf, around),
                Err(error) => {
                    let title = title_within(&self.buffer);
                    let why = format!("Left out: its JSON is damaged ({error}).");
                    skip(around, title, why);
                    shelf.found |= !shelf.in_zip;
                }
            },
            Next::Unfit(unfit) => {
                let limits = around.limits;
                let why = match unfit {
                    Unfit::Big => {
                        format!("it is larger than {} MiB", limits.conversation_bytes >> 20)
                    }
                    Unfit::Crowded => {
                        format!("it has more than {} values", limits.conversation_values)
                    }
                    Unfit::Deep => {
                        format!("its JSON is more than {} levels deep", limits.depth)
                    }
                };
                skip(around, None, format!("Left out: {why}."));
            }
            Next::End => self.state = State::Nothing,
            Next::Truncated => {
                if self.found || !shelf.in_zip {
                    around.report.cut_off = Some(
                        "The export ends in the middle. What came before is imported; download the export again to get the rest."
                            .to_owned(),
                    );
                    shelf.found = true;
                }
                self.state = State::Nothing;
            }
            Next::NotJson => self.state = State::Nothing,
        }
        Ok(None)
    }

    /// A conversation: what else is in this file was meant to be one too.
    fn found<F: FileStore>(&mut self, shelf: &mut Shelf, around: &mut Surroundings<'_, F>) {
        self.found = true;
        shelf.found = true;
        let listed = self.strangers.len() as u64;
        for title in std::mem::take(&mut self.strangers) {
            skip_stranger(around, title);
        }
        let unlisted = std::mem::take(&mut self.strange).saturating_sub(listed);
        around.report.read += unlisted;
        around.report.skipped_count += unlisted;
    }

    fn stranger<F: FileStore>(
        &mut self,
        title: Option<String>,
        shelf: &Shelf,
        around: &mut Surroundings<'_, F>,
    ) {
        if self.found {
            skip_stranger(around, title);
            return;
        }
        self.strange += 1;
        if self.strange <= PATIENCE {
            self.strangers.push(title);
        }
        // A zip holds lists of other things too.
        if shelf.in_zip && self.strange >= PATIENCE {
            self.state = State::Nothing;
        }
    }
}

fn skip<F>(around: &mut Surroundings<'_, F>, title: Option<String>, why: String) {
    let index = around.report.read;
    around.report.read += 1;
    around.report.skip(index, title, why);
}

fn skip_stranger<F>(around: &mut Surroundings<'_, F>, title: Option<String>) {
    let why = "Left out: it is no conversation in a form that ValeChat knows.";
    skip(around, title, why.to_owned());
}

/// The title in JSON that is damaged elsewhere.
fn title_within(json: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(json.get(..json.len().min(64 << 10))?);
    let rest = ["\"title\"", "\"name\""]
        .iter()
        .find_map(|key| text.split_once(key).map(|(_, rest)| rest))?;
    let rest = rest.trim_start().strip_prefix(':')?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    super::convert::title(values.next()?.ok())
}
