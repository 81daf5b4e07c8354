//! Ollama's own chat API: newline-delimited JSON, thinking, tools, images, and a context that is
//! always named, so that nothing of a conversation is cut in silence.

mod address;
mod calls;
mod errors;
mod mapper;
mod messages;
mod models;
mod request;
mod window;

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
        let url = address::url(context, "chat")?;
        let post = HttpRequest::post_json(url, request::body(context, request)?);
        Ok(post.header("accept", "application/x-ndjson"))
    }

    fn mapper(context: &Context, request: &Request) -> ChatMapper {
        ChatMapper::new(request.messages.len(), window::watched(context, request))
    }

    fn error_from_reply(reply: &HttpReply) -> Error {
        errors::of_reply(reply)
    }
}

vale_sdk::export_provider!(Ollama);
