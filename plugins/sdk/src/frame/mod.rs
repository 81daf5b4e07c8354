//! Byte-level framers: Server-Sent Events and newline-delimited JSON.
//!
//! Both give the same frames wherever the network splits the bytes, take time linear in the
//! bytes, never panic, and hold at most one frame ([`MAX_FRAME_BYTES`]) in memory. They do not
//! judge UTF-8: what a frame holds is for its reader ([`crate::text`]).

mod lines;
mod ndjson;
mod sse;

use std::borrow::Cow;

pub use ndjson::NdJsonFramer;
pub use sse::SseFramer;

use crate::types::{Error, ErrorKind, NetworkFailure, NetworkKind};

/// The largest frame, in bytes. The largest honest one is a base64 image of a few MB in one event;
/// a guest has 64 MiB in all.
pub const MAX_FRAME_BYTES: usize = 8 * 1024 * 1024;

/// How an answer's body is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-Sent Events (`text/event-stream`).
    Sse,
    /// One JSON value a line (`application/x-ndjson`).
    NdJson,
}

/// Whether to go on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// More may come.
    Continue,
    /// The wire's terminal marker was seen; whatever follows is not looked at.
    Done,
}

/// One event of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The `event` field; empty if there was none. Always empty in NDJSON.
    pub event: &'a [u8],
    /// The payload; several `data` lines are joined with a line feed.
    pub data: &'a [u8],
    /// The last `id` seen on this stream; empty if none.
    pub id: &'a [u8],
    /// The last `retry` seen on this stream, in milliseconds.
    pub retry_ms: Option<u64>,
    /// False for a last frame that the body's end cut off before its terminator. It may be whole
    /// (several servers leave the last blank line out) or not.
    pub terminated: bool,
}

impl Frame<'_> {
    /// The payload as text, with U+FFFD for what is not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.data)
    }
}

/// What a framer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// An event.
    Frame(Frame<'a>),
    /// A comment: the server is alive and has nothing to say.
    Comment,
}

/// Takes what a framer finds and says whether to go on.
pub type Sink<'a> = dyn FnMut(Item<'_>) -> Result<Flow, Error> + 'a;

/// A framer of either kind.
#[derive(Debug)]
pub enum Framer {
    /// Server-Sent Events.
    Sse(SseFramer),
    /// Newline-delimited JSON.
    NdJson(NdJsonFramer),
}

impl Framer {
    /// A framer with the usual cap.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(SseFramer::new(MAX_FRAME_BYTES)),
            Framing::NdJson => Self::NdJson(NdJsonFramer::new(MAX_FRAME_BYTES)),
        }
    }

    /// Takes the next bytes and hands on each frame that they complete, until `sink` is done.
    ///
    /// # Errors
    /// The sink's, and [`too_large`]. After an error the framer is of no further use.
    pub fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Flow, Error> {
        match self {
            Self::Sse(framer) => framer.push(bytes, sink),
            Self::NdJson(framer) => framer.push(bytes, sink),
        }
    }

    /// The body ended: hands on a last frame that lacks its terminator.
    ///
    /// # Errors
    /// The sink's, and [`too_large`].
    pub fn end(&mut self, sink: &mut Sink<'_>) -> Result<Flow, Error> {
        match self {
            Self::Sse(framer) => framer.end(sink),
            Self::NdJson(framer) => framer.end(sink),
        }
    }
}

/// The failure of a frame above `cap` bytes.
pub fn too_large(cap: usize) -> Error {
    Error::new(
        ErrorKind::Network(NetworkFailure {
            kind: NetworkKind::TooLarge,
            request_sent: true,
        }),
        format!(
            "The server sent one event of more than {cap} bytes; the answer was stopped there."
        ),
    )
}
