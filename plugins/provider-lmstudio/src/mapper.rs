//! An answer of the OpenAI wire, whose failures are explained.

use openai_wire::WireMapper;
use vale_sdk::{Error, Event, EventMapper, Finish, Flow, Frame};

use crate::errors::explained;

/// Reads one answer.
pub struct ChatMapper(WireMapper);

impl ChatMapper {
    /// A mapper over the OpenAI wire's own.
    pub(crate) fn new(wire: WireMapper) -> Self {
        Self(wire)
    }
}

impl EventMapper for ChatMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        self.0.on_frame(frame, out).map_err(explained)
    }

    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        self.0.on_whole(body, out).map_err(explained)
    }

    fn is_whole_without_marker(&self) -> bool {
        self.0.is_whole_without_marker()
    }

    fn finish(self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        self.0.finish(out).map_err(explained)
    }
}
