//! What a provider author writes.

use crate::context::Context;
use crate::errors;
use crate::frame::{Flow, Frame, Framing};
use crate::http::HttpReply;
use crate::types::{Error, Event, Finish, HttpRequest, Model, ProviderInfo, Request};

/// A step of listing models, see [`Provider::list_step`].
#[derive(Clone, Debug, PartialEq)]
pub enum Listing {
    /// This request comes next.
    Ask(HttpRequest),
    /// These are the models.
    Done(Vec<Model>),
}

/// A model provider: how its requests look, and which [`EventMapper`] reads its answers.
pub trait Provider: Sized + 'static {
    /// How a completion's body is cut.
    const FRAMING: Framing = Framing::Sse;

    /// Reads one completion.
    type Mapper: EventMapper;

    /// Names for people.
    fn describe() -> ProviderInfo;

    /// The request for the list of models, where one request is enough.
    ///
    /// # Errors
    /// Settings that cannot work; unless overridden, `unsupported`.
    fn models_request(context: &Context) -> Result<HttpRequest, Error> {
        _ = context;
        Err(Error::unsupported(
            "list-models",
            "This provider does not list its models.",
        ))
    }

    /// The list of models in a reply with a success status.
    ///
    /// # Errors
    /// See [`HttpReply::json`].
    fn parse_models(context: &Context, reply: &HttpReply) -> Result<Vec<Model>, Error> {
        _ = (context, reply);
        Err(Error::unsupported(
            "list-models",
            "This provider does not list its models.",
        ))
    }

    /// The next step of listing models, given the replies so far in the order of their requests,
    /// whatever their status. For wires where one request is not enough; else leave it and write
    /// [`models_request`](Self::models_request) and [`parse_models`](Self::parse_models).
    ///
    /// # Errors
    /// What ends the listing.
    fn list_step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
        match replies {
            [] => Ok(Listing::Ask(Self::models_request(context)?)),
            [reply, ..] if reply.is_success() => {
                Ok(Listing::Done(Self::parse_models(context, reply)?))
            }
            [reply, ..] => Err(Self::error_from_reply(reply)),
        }
    }

    /// The request that counts a completion's input tokens without generating.
    ///
    /// # Errors
    /// Unless overridden, `unsupported`.
    fn count_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        _ = (context, request);
        Err(Error::unsupported(
            "count-tokens",
            "This provider does not count tokens ahead.",
        ))
    }

    /// The count in a reply with a success status.
    ///
    /// # Errors
    /// See [`HttpReply::json`].
    fn parse_count(context: &Context, reply: &HttpReply) -> Result<u64, Error> {
        _ = (context, reply);
        Err(Error::unsupported(
            "count-tokens",
            "This provider does not count tokens ahead.",
        ))
    }

    /// The request for one completion, streamed.
    ///
    /// # Errors
    /// `invalid-request` or `unsupported`, for what this wire cannot say.
    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error>;

    /// A fresh mapper for the answer to this request.
    fn mapper(context: &Context, request: &Request) -> Self::Mapper;

    /// The failure that a reply with another status tells of.
    fn error_from_reply(reply: &HttpReply) -> Error {
        errors::from_reply(reply)
    }
}

/// Turns one answer's frames into events. Usage goes through
/// [`UsageTracker`](crate::usage::UsageTracker), text through
/// [`TextJoiner`](crate::text::TextJoiner).
pub trait EventMapper: 'static {
    /// Adds this frame's events to `out`. [`Flow::Done`] says that it was the wire's terminal
    /// marker.
    ///
    /// # Errors
    /// The failure that the frame tells of; the answer ends there.
    fn on_frame(&mut self, frame: Frame<'_>, out: &mut Vec<Event>) -> Result<Flow, Error>;

    /// The body turned out to be one JSON value: some gateways answer a request for a stream so.
    ///
    /// # Errors
    /// As [`on_frame`](Self::on_frame); unless overridden, what the body says or
    /// `malformed-response`.
    fn on_whole(&mut self, body: &[u8], out: &mut Vec<Event>) -> Result<(), Error> {
        _ = out;
        Err(errors::of_frame(body))
    }

    /// Whether the answer is whole although no frame was the terminal marker and the body has
    /// ended. Unless overridden it never is, and the call fails as truncated.
    fn is_whole_without_marker(&self) -> bool {
        false
    }

    /// The answer is whole: adds its last events and says how it ended.
    ///
    /// # Errors
    /// A contradiction that shows only at the end.
    fn finish(self, out: &mut Vec<Event>) -> Result<Finish, Error>;
}
