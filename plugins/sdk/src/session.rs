//! One answer, from bytes to events and exactly one terminal value. No I/O: the guest and the
//! test kit drive the same code.

use crate::errors;
use crate::frame::{Flow, Framer, Framing, Item, Sink};
use crate::provider::EventMapper;
use crate::types::{Error, ErrorKind, Event, Finish, HttpError};

/// The largest answer that comes as one JSON value instead of a stream, in bytes.
const MAX_WHOLE_BYTES: usize = 8 * 1024 * 1024;
/// How much of a web page is read to find its title, in bytes.
const MAX_PAGE_BYTES: usize = 16 * 1024;
/// How many blank bytes may come before the answer shows what it is.
const MAX_BLANK_BYTES: usize = 64 * 1024;

/// Reads one answer with a mapper.
#[derive(Debug)]
pub struct Session<M> {
    framing: Framing,
    framer: Framer,
    mapper: M,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Only blanks so far: a stream, a JSON value or a web page may follow.
    Unknown(Vec<u8>),
    Frames,
    Whole(Vec<u8>),
    Page(Vec<u8>),
    Done,
}

impl<M: EventMapper> Session<M> {
    /// A session for an answer that should be cut like this.
    pub fn new(framing: Framing, mapper: M) -> Self {
        Self {
            framing,
            framer: Framer::new(framing),
            mapper,
            state: State::Unknown(Vec::new()),
        }
    }

    /// Takes the next bytes and adds the events that they complete. After [`Flow::Done`] the
    /// answer is whole: go on to [`finish`](Self::finish), whatever else the body holds.
    ///
    /// # Errors
    /// The answer's failure; `out` may hold events that came before it.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<Flow, Error> {
        match &mut self.state {
            State::Done => Ok(Flow::Done),
            State::Frames => self.frames(bytes, out),
            State::Whole(body) => collect(body, bytes, MAX_WHOLE_BYTES),
            State::Page(body) => match collect(body, bytes, MAX_PAGE_BYTES) {
                Ok(flow) => Ok(flow),
                Err(_) => Err(errors::not_json(body)),
            },
            State::Unknown(head) => {
                head.extend_from_slice(bytes);
                let head = std::mem::take(head);
                self.recognise(head, out)
            }
        }
    }

    /// The body has ended, or [`push`](Self::push) was done. `end` is what the host says about
    /// the body: an answer without its terminal marker is a failure even if the host saw none.
    ///
    /// # Errors
    /// The answer's failure.
    pub fn finish(
        mut self,
        end: Result<(), HttpError>,
        out: &mut Vec<Event>,
    ) -> Result<Finish, Error> {
        let end = end.map_err(Error::from);
        match std::mem::replace(&mut self.state, State::Frames) {
            State::Done => return self.mapper.finish(out),
            State::Unknown(_) => {
                end?;
                return Err(Error::truncated());
            }
            State::Page(body) => return Err(errors::not_json(&body)),
            State::Whole(body) => {
                end?;
                self.mapper.on_whole(&body, out)?;
                return self.mapper.finish(out);
            }
            State::Frames => {}
        }
        let last = map_frames(&mut self.mapper, out, |sink| self.framer.end(sink));
        match (last, end) {
            (Ok(Flow::Done), _) => self.mapper.finish(out),
            (_, Err(error)) | (Err(error), Ok(())) => Err(error),
            (Ok(Flow::Continue), Ok(())) if self.mapper.is_whole_without_marker() => {
                self.mapper.finish(out)
            }
            (Ok(Flow::Continue), Ok(())) => Err(Error::truncated()),
        }
    }

    /// The first byte that is not blank tells a stream from a JSON value and from a web page;
    /// content types lie.
    fn recognise(&mut self, head: Vec<u8>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        let text = head.strip_prefix(BOM).unwrap_or(&head);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        // The start of a byte order mark tells nothing yet.
        let first = first.filter(|_| !BOM.starts_with(&head));
        match (first, self.framing) {
            (None, _) if head.len() < MAX_BLANK_BYTES => {
                self.state = State::Unknown(head);
                Ok(Flow::Continue)
            }
            (Some(b'<'), _) => {
                self.state = State::Page(Vec::new());
                self.push(&head, out)
            }
            (Some(b'{' | b'['), Framing::Sse) => {
                self.state = State::Whole(Vec::new());
                self.push(&head, out)
            }
            _ => {
                self.state = State::Frames;
                self.frames(&head, out)
            }
        }
    }

    fn frames(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<Flow, Error> {
        let framer = &mut self.framer;
        let flow = map_frames(&mut self.mapper, out, |sink| framer.push(bytes, sink))?;
        if flow == Flow::Done {
            self.state = State::Done;
        }
        Ok(flow)
    }
}

/// Runs the framer with a sink that maps each frame.
fn map_frames<M: EventMapper>(
    mapper: &mut M,
    out: &mut Vec<Event>,
    run: impl FnOnce(&mut Sink<'_>) -> Result<Flow, Error>,
) -> Result<Flow, Error> {
    run(&mut |item| match item {
        Item::Comment => {
            out.push(Event::Ping);
            Ok(Flow::Continue)
        }
        Item::Frame(frame) => mapper.on_frame(frame, out).map_err(|error| {
            // Half a frame cannot be read, and why is known: the body ended in it.
            if !frame.terminated && error.kind == ErrorKind::MalformedResponse {
                Error::truncated()
            } else {
                error
            }
        }),
    })
}

fn collect(body: &mut Vec<u8>, bytes: &[u8], max: usize) -> Result<Flow, Error> {
    let room = max.saturating_sub(body.len());
    match bytes.split_at_checked(room) {
        Some((fits, rest)) if !rest.is_empty() => {
            body.extend_from_slice(fits);
            Err(crate::frame::too_large(max))
        }
        _ => {
            body.extend_from_slice(bytes);
            Ok(Flow::Continue)
        }
    }
}
