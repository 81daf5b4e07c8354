//! Server-Sent Events, as the HTML standard has them, but for one thing: a last event that lacks
//! its blank line is handed on (`terminated: false`), because model servers leave it out.

use super::lines::Lines;
use super::{Flow, Frame, Item, Sink, too_large};
use crate::types::Error;

/// Cuts a `text/event-stream` body into frames.
#[derive(Debug)]
pub struct SseFramer {
    lines: Lines,
    fields: Fields,
}

/// The event under construction, and what outlives it.
#[derive(Debug)]
struct Fields {
    event: Vec<u8>,
    data: Vec<u8>,
    /// An event whose data is one empty line is an event; one without a data line is none.
    has_data: bool,
    id: Vec<u8>,
    retry_ms: Option<u64>,
    cap: usize,
}

impl SseFramer {
    /// A framer that refuses events of more than `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self {
            lines: Lines::new(cap),
            fields: Fields {
                event: Vec::new(),
                data: Vec::new(),
                has_data: false,
                id: Vec::new(),
                retry_ms: None,
                cap,
            },
        }
    }

    /// See [`super::Framer::push`].
    ///
    /// # Errors
    /// The sink's, and [`too_large`].
    pub fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<Flow, Error> {
        let fields = &mut self.fields;
        self.lines.push(bytes, &mut |line| fields.line(line, sink))
    }

    /// See [`super::Framer::end`].
    ///
    /// # Errors
    /// The sink's, and [`too_large`].
    pub fn end(&mut self, sink: &mut Sink<'_>) -> Result<Flow, Error> {
        let rest = self.lines.take_rest();
        if !rest.is_empty() {
            self.fields.line(&rest, sink)?;
        }
        self.fields.dispatch(false, sink)
    }
}

impl Fields {
    fn line(&mut self, line: &[u8], sink: &mut Sink<'_>) -> Result<Flow, Error> {
        if line.is_empty() {
            return self.dispatch(true, sink);
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(0) => return sink(Item::Comment),
            Some(colon) => {
                let (name, value) = line.split_at(colon);
                let value = value.strip_prefix(b":").unwrap_or(value);
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, b"".as_slice()),
        };
        match name {
            b"data" => {
                if self.data.len() + value.len() >= self.cap {
                    return Err(too_large(self.cap));
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => value.clone_into(&mut self.event),
            // The standard: an id with a NUL in it is no id.
            b"id" if memchr::memchr(0, value).is_none() => value.clone_into(&mut self.id),
            b"retry" => {
                if let Some(ms) = digits(value) {
                    self.retry_ms = Some(ms);
                }
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn dispatch(&mut self, terminated: bool, sink: &mut Sink<'_>) -> Result<Flow, Error> {
        let flow = if self.has_data {
            sink(Item::Frame(Frame {
                event: &self.event,
                data: &self.data,
                id: &self.id,
                retry_ms: self.retry_ms,
                terminated,
            }))?
        } else {
            Flow::Continue
        };
        self.event.clear();
        self.data.clear();
        self.has_data = false;
        Ok(flow)
    }
}

/// A number of ASCII digits only; `str::parse` would also take a sign.
fn digits(value: &[u8]) -> Option<u64> {
    if value.iter().all(u8::is_ascii_digit) {
        std::str::from_utf8(value).ok()?.parse().ok()
    } else {
        None
    }
}
