//! One JSON value a line. Blank lines are keep-alives and no frames.

use super::lines::Lines;
use super::{Flow, Frame, Item, Sink};
use crate::types::Error;

/// Cuts an `application/x-ndjson` body into frames.
#[derive(Debug)]
pub struct NdJsonFramer {
    lines: Lines,
}

impl NdJsonFramer {
    /// A framer that refuses lines of more than `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            lines: Lines::new(cap),
        }
    }

    /// See [`super::Framer::push`].
    ///
    /// # Errors
    /// The sink's, and [`super::too_large`].
    pub fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Flow, Error> {
        self.lines
            .push(bytes, &mut |line| dispatch(line, true, sink))
    }

    /// See [`super::Framer::end`].
    ///
    /// # Errors
    /// The sink's.
    pub fn end(&mut self, sink: &mut Sink<'_>) -> Result<Flow, Error> {
        dispatch(&self.lines.take_rest(), false, sink)
    }
}

fn dispatch(line: &[u8], terminated: bool, sink: &mut Sink<'_>) -> Result<Flow, Error> {
    let data = line.trim_ascii();
    if data.is_empty() {
        return Ok(Flow::Continue);
    }
    sink(Item::Frame(Frame {
        event: b"",
        data,
        id: b"",
        retry_ms: None,
        terminated,
    }))
}
