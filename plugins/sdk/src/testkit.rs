//! Replays recorded answers through a [`Provider`], natively.
//!
//! A recording is what `curl -s -N -i --http1.1` prints: status line, headers, a blank line, the
//! body. [`Replay::every_split`] proves that a mapper does not depend on where the network cuts.

use std::path::Path;

use crate::context::Context;
use crate::frame::Flow;
use crate::http::HttpReply;
use crate::provider::Provider;
use crate::session::Session;
use crate::types::{Error, Event, Finish, HttpError, HttpErrorKind, Message, Request, Role};

/// Parses a recording.
///
/// # Errors
/// A sentence that says what it lacks.
pub fn parse_recording(raw: &[u8]) -> Result<HttpReply, String> {
    let mut rest = raw;
    let mut line = || {
        let end = memchr::memchr(b'\n', rest).ok_or("the recording ends within its headers")?;
        let (line, tail) = rest.split_at(end);
        rest = tail.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok::<_, String>(String::from_utf8_lossy(line).into_owned())
    };
    let first = line()?;
    let status = first
        .strip_prefix("HTTP/")
        .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| format!("no status line: {first}"))?;
    let mut headers = Vec::new();
    loop {
        let header = line()?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| format!("no header: {header}"))?;
        headers.push((name.to_string(), value.trim().to_string()));
    }
    Ok(HttpReply {
        status,
        headers,
        body: rest.to_vec(),
        url: String::new(),
        received_unix_ms: 0,
    })
}

/// What a replay gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// All events, in order.
    pub events: Vec<Event>,
    /// How it ended.
    pub terminal: Result<Finish, Error>,
}

impl Outcome {
    /// All text joined.
    pub fn text(&self) -> String {
        self.joined(|event| match event {
            Event::Text(text) => Some(text),
            _ => None,
        })
    }

    /// All thinking joined.
    pub fn thinking(&self) -> String {
        self.joined(|event| match event {
            Event::Thinking(text) => Some(text),
            _ => None,
        })
    }

    /// The tool calls as (id, name, arguments), in the order of their index.
    pub fn tool_calls(&self) -> Vec<(String, String, String)> {
        let mut calls = std::collections::BTreeMap::<u32, (String, String, String)>::new();
        for event in &self.events {
            match event {
                Event::ToolCallStart(start) => {
                    let call = (start.id.clone(), start.name.clone(), String::new());
                    calls.insert(start.index, call);
                }
                Event::ToolCallDelta(delta) => {
                    if let Some(call) = calls.get_mut(&delta.index) {
                        call.2.push_str(&delta.arguments_json);
                    }
                }
                _ => {}
            }
        }
        calls.into_values().collect()
    }

    fn joined<'a>(&'a self, pick: impl Fn(&'a Event) -> Option<&'a String>) -> String {
        self.events
            .iter()
            .filter_map(pick)
            .map(String::as_str)
            .collect()
    }
}

/// A recording on its way through the provider `P`.
pub struct Replay<P: Provider> {
    reply: HttpReply,
    context: Context,
    request: Request,
    end: Result<(), HttpError>,
    provider: std::marker::PhantomData<P>,
}

impl<P: Provider> Replay<P> {
    /// A replay of this reply, for a request of one short message.
    pub fn of(reply: HttpReply) -> Self {
        Self {
            reply,
            context: Context::default(),
            request: Request::new("test", vec![Message::text(Role::User, "Hello")]),
            end: Ok(()),
            provider: std::marker::PhantomData,
        }
    }

    /// A replay of a status 200 with this body.
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self::of(HttpReply {
            status: 200,
            body: body.into(),
            ..HttpReply::default()
        })
    }

    /// A replay of a recording in a file.
    ///
    /// # Errors
    /// A sentence that says why it cannot be read.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref();
        let raw = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let reply =
            parse_recording(&raw).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self::of(reply))
    }

    /// With these settings.
    #[must_use]
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// As the answer to this request.
    #[must_use]
    pub fn request(mut self, request: Request) -> Self {
        self.request = request;
        self
    }

    /// As if the connection had been cut where the recording ends.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.end = Err(HttpError {
            kind: HttpErrorKind::Truncated,
            message: "the body ended before its end".into(),
            request_sent: true,
            extras: Vec::new(),
        });
        self
    }

    /// All bytes in one read.
    pub fn whole(&self) -> Outcome {
        self.run(std::iter::once(self.reply.body.as_slice()))
    }

    /// Reads of `size` bytes.
    pub fn pieces(&self, size: usize) -> Outcome {
        self.run(self.reply.body.chunks(size.max(1)))
    }

    /// Two reads, for every place where the body can be cut, and reads of 1, 2, 3, 7 and 64 bytes.
    ///
    /// # Errors
    /// A sentence that names the first cut whose outcome differs from the whole's.
    pub fn every_split(&self) -> Result<Outcome, String> {
        let whole = self.whole();
        for at in 0..=self.reply.body.len() {
            let (head, tail) = self.reply.body.split_at(at);
            let outcome = self.run([head, tail].into_iter());
            if outcome != whole {
                return Err(format!("cut at {at}: {outcome:?}, but whole: {whole:?}"));
            }
        }
        for size in [1, 2, 3, 7, 64] {
            let outcome = self.pieces(size);
            if outcome != whole {
                return Err(format!(
                    "pieces of {size}: {outcome:?}, but whole: {whole:?}"
                ));
            }
        }
        Ok(whole)
    }

    fn run<'a>(&self, reads: impl Iterator<Item = &'a [u8]>) -> Outcome {
        let mut events = Vec::new();
        let terminal = self.terminal(reads, &mut events);
        Outcome { events, terminal }
    }

    fn terminal<'a>(
        &self,
        reads: impl Iterator<Item = &'a [u8]>,
        events: &mut Vec<Event>,
    ) -> Result<Finish, Error> {
        if !(200..300).contains(&self.reply.status) {
            return Err(P::error_from_reply(&self.reply));
        }
        let mapper = P::mapper(&self.context, &self.request);
        let mut session = Session::new(P::FRAMING, mapper);
        for read in reads {
            if session.push(read, events)? == Flow::Done {
                break;
            }
        }
        session.finish(self.end.clone(), events)
    }
}
