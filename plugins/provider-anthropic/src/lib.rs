//! Anthropic Messages: thinking with its signatures, tool use, prompt caching with both lifetimes,
//! and tokens counted ahead.

mod errors;
mod mapper;
mod messages;
mod models;
mod request;
mod usage;

pub use mapper::MessagesMapper;

use vale_sdk::{Context, Error, HttpReply, HttpRequest, Listing, Provider, ProviderInfo, Request};

/// The provider.
#[derive(Clone, Copy, Debug)]
pub struct Anthropic;

impl Provider for Anthropic {
    type Mapper = MessagesMapper;

    fn describe() -> ProviderInfo {
        ProviderInfo {
            homepage: Some("https://www.anthropic.com".into()),
            ..ProviderInfo::named("Anthropic")
        }
    }

    fn list_step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
        models::step(context, replies)
    }

    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let body = request::body(context, request)?.with("stream", true);
        let post = HttpRequest::post_json(context.url("base_url", "messages")?, body)
            .header("accept", "text/event-stream");
        Ok(with_version(context, post))
    }

    fn mapper(_: &Context, _: &Request) -> MessagesMapper {
        MessagesMapper::default()
    }

    fn error_from_reply(reply: &HttpReply) -> Error {
        errors::of_reply(reply)
    }

    fn count_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let url = context.url("base_url", "messages/count_tokens")?;
        let post = HttpRequest::post_json(url, request::countable(context, request)?);
        Ok(with_version(context, post))
    }

    fn parse_count(_: &Context, reply: &HttpReply) -> Result<u64, Error> {
        let count = reply
            .json()?
            .get("input_tokens")
            .and_then(|count| count.u64());
        count.ok_or_else(|| Error::malformed("The server did not say how many tokens there are."))
    }
}

/// The API's version, and the features that the person asked for.
fn with_version(context: &Context, request: HttpRequest) -> HttpRequest {
    let request = request.header("anthropic-version", "2023-06-01");
    match context.text("beta") {
        Some(beta) => request.header("anthropic-beta", beta),
        None => request,
    }
}

vale_sdk::export_provider!(Anthropic);
