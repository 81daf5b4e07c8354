//! Whichever of the two wires a request took, its answer is read by that wire's mapper.

use vale_sdk::{Context, Error, Event, EventMapper, Finish, Flow, Frame, Request};

use crate::mapper::ChatMapper;
use crate::responses::ResponsesMapper;
use crate::settings::Api;

/// Reads one answer of either wire.
pub struct WireMapper(Wire);

enum Wire {
    Chat(Box<ChatMapper>),
    Responses(Box<ResponsesMapper>),
}

impl WireMapper {
    /// A mapper for the answer to this request.
    pub(crate) fn new(context: &Context, request: &Request) -> Self {
        Self(match Api::of(context, request) {
            Api::Chat => Wire::Chat(Box::new(ChatMapper::new(request.messages.len()))),
            Api::Responses => Wire::Responses(Box::default()),
        })
    }
}

impl EventMapper for WireMapper {
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error> {
        match &mut self.0 {
            Wire::Chat(mapper) => mapper.on_frame(frame, out),
            Wire::Responses(mapper) => mapper.on_frame(frame, out),
        }
    }

    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        match &mut self.0 {
            Wire::Chat(mapper) => mapper.on_whole(body, out),
            Wire::Responses(mapper) => mapper.on_whole(body, out),
        }
    }

    fn is_whole_without_marker(&self) -> bool {
        match &self.0 {
            Wire::Chat(mapper) => mapper.is_whole_without_marker(),
            Wire::Responses(mapper) => mapper.is_whole_without_marker(),
        }
    }

    fn finish(self, out: &mut Vec<Event>) -> Result<Finish, Error> {
        match self.0 {
            Wire::Chat(mapper) => mapper.finish(out),
            Wire::Responses(mapper) => mapper.finish(out),
        }
    }
}
