//! Anthropic's Messages API at any base URL: Anthropic itself, and servers that speak its wire
//! (llama-server, LM Studio, Ollama, LiteLLM). Thinking with its seals, tool use, prompt caching
//! with both lifetimes, and tokens counted ahead.

mod blocks;
mod cache;
mod errors;
mod mapper;
mod messages;
mod models;
mod open_block;
mod options;
mod request;
mod settings;
mod usage;

pub use mapper::MessagesMapper;

use vale_sdk::json::Value;
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

    fn count_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let url = settings::url(context, "messages/count_tokens")?;
        let post = HttpRequest::post_json(url, request::countable(context, request)?);
        Ok(settings::with_version(context, post))
    }

    fn parse_count(_: &Context, reply: &HttpReply) -> Result<u64, Error> {
        let count = reply.json()?.get("input_tokens").and_then(Value::u64);
        count.ok_or_else(|| Error::malformed("The server did not say how many tokens there are."))
    }

    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let url = settings::url(context, "messages")?;
        let body = request::body(context, request)?.with("stream", true);
        let post = HttpRequest::post_json(url, body).header("accept", "text/event-stream");
        Ok(settings::with_version(context, post))
    }

    fn mapper(_: &Context, request: &Request) -> MessagesMapper {
        MessagesMapper::new(request.messages.len())
    }

    fn error_from_reply(reply: &HttpReply) -> Error {
        errors::of_reply(reply)
    }
}

vale_sdk::export_provider!(Anthropic);
