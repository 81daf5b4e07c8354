//! The log of `preload/preload.c`.

/// What a process did, or what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process began; descriptors and syncs of an earlier one are gone.
    Start,
    /// A file was made.
    Create {
        /// Its path.
        path: String,
        /// Its inode, until it is removed.
        inode: u64,
    },
    /// A file was made longer or shorter.
    Len {
        /// The file.
        inode: u64,
        /// Its length from now on, bytes.
        len: u64,
    },
    /// Bytes were written.
    Write {
        /// The file.
        inode: u64,
        /// Where, bytes.
        offset: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A folder was made.
    MakeFolder {
        /// Its path.
        path: String,
        /// Its inode.
        inode: u64,
    },
    /// A name was changed; what had the new name is gone.
    Rename {
        /// The old path.
        from: String,
        /// The new path.
        to: String,
    },
    /// A file got a second name.
    Link {
        /// The path it had.
        from: String,
        /// The path it has too.
        to: String,
    },
    /// A name is gone, of a file or of an empty folder.
    Unlink {
        /// The path.
        path: String,
    },
    /// A sync began; what was written so far is durable when it ends.
    SyncBegin {
        /// The file or folder.
        inode: u64,
        /// Which sync of this process.
        sync: u64,
    },
    /// It ended.
    SyncEnd {
        /// The file or folder.
        inode: u64,
        /// Which sync of this process.
        sync: u64,
    },
    /// `sync_file_range`: counts as nothing, since it tells the disk nothing.
    Range,
    /// The process printed this.
    Printed(String),
    /// The process ended itself as if it were killed.
    Killed,
}

/// Why a log cannot be used.
#[derive(Debug)]
pub enum LogError {
    /// It ends within a record, or holds what is none.
    Broken(usize),
    /// The process made a call that is not simulated.
    NotSimulated {
        /// The number of the system call.
        call: u64,
        /// The path, if it has one.
        path: String,
    },
}

impl std::fmt::Display for LogError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(at) => write!(out, "The log makes no sense at byte {at}."),
            Self::NotSimulated { call, path } => {
                write!(out, "System call {call} ({path}) is not simulated yet.")
            }
        }
    }
}

impl std::error::Error for LogError {}

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The events.
    pub events: Vec<Event>,
}

/// Bytes of a record before its two texts.
const HEADER: usize = 32;

impl Log {
    /// Reads a log.
    ///
    /// # Errors
    /// When it is not whole, or holds a call that is not simulated.
    pub fn read(bytes: &[u8]) -> Result<Self, LogError> {
        let mut events = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let (event, length) =
                one(bytes.get(at..).unwrap_or_default()).ok_or(LogError::Broken(at))??;
            // A vector of buffers is one call of several records; text may be cut between them.
            events.push(event);
            at += length;
        }
        Ok(Self { events })
    }
}

type Parsed = Result<(Event, usize), LogError>;

fn one(bytes: &[u8]) -> Option<Parsed> {
    let header = bytes.get(..HEADER)?;
    let word = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let long = |at: usize| {
        let bytes = header.get(at..at + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let (op, first_len, second_len) = (word(0)?, word(4)? as usize, word(8)? as usize);
    let (inode, number) = (long(16)?, long(24)?);
    let first = bytes.get(HEADER..HEADER + first_len)?;
    let second = bytes.get(HEADER + first_len..HEADER + first_len + second_len)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let path = || text(first);
    let event = match op {
        1 => Event::Start,
        2 => Event::Create {
            path: path(),
            inode,
        },
        3 => Event::Len { inode, len: number },
        4 => Event::Write {
            inode,
            offset: number,
            bytes: first.to_vec(),
        },
        5 => Event::MakeFolder {
            path: path(),
            inode,
        },
        6 | 7 => {
            let (from, to) = (path(), text(second));
            if op == 6 {
                Event::Rename { from, to }
            } else {
                Event::Link { from, to }
            }
        }
        8 => Event::Unlink { path: path() },
        9 => Event::SyncBegin {
            inode,
            sync: number,
        },
        10 => Event::SyncEnd {
            inode,
            sync: number,
        },
        11 => Event::Range,
        12 => Event::Printed(path()),
        13 => {
            return Some(Err(LogError::NotSimulated {
                call: number,
                path: path(),
            }));
        }
        14 => Event::Killed,
        _ => return None,
    };
    Some(Ok((event, HEADER + first_len + second_len)))
}
