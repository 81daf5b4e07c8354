//! Ollama's own chat API: newline-delimited JSON, thinking, tools, images, and a context that is
//! always named, so that nothing of a conversation is cut in silence.

mod errors;
mod mapper;
mod messages;
mod models;
mod request;

pub use mapper::ChatMapper;

use vale_sdk::{
    Context, Error, Framing, HttpReply, HttpRequest, Listing, Provider, ProviderInfo, Request,
};

/// The provider.
#[derive(Clone, Copy, Debug)]
pub struct Ollama;

impl Provider for Ollama {
    const FRAMING: Framing = Framing::NdJson;

    type Mapper = ChatMapper;

    fn describe() -> ProviderInfo {
        ProviderInfo {
            homepage: Some("https://ollama.com".into()),
            ..ProviderInfo::named("Ollama")
        }
    }

    fn list_step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
        models::step(context, replies)
    }

    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let url = context.url("base_url", "api/chat")?;
        Ok(HttpRequest::post_json(
            url,
            request::body(context, request)?,
        ))
    }

    fn mapper(context: &Context, request: &Request) -> ChatMapper {
        ChatMapper::new(
            request.messages.len(),
            request::context_size(context, request).ok(),
        )
    }

    fn error_from_reply(reply: &HttpReply) -> Error {
        errors::of_reply(reply)
    }
}

vale_sdk::export_provider!(Ollama);
