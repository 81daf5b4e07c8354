//! LM Studio: chat by its OpenAI wire, models by its own API, which tells more.

mod address;
mod errors;
mod mapper;
mod models;
mod wishes;

pub use mapper::ChatMapper;

use openai_wire::OpenAi;
use vale_sdk::{Context, Error, HttpReply, HttpRequest, Listing, Provider, ProviderInfo, Request};

/// The provider.
#[derive(Clone, Copy, Debug)]
pub struct LmStudio;

impl Provider for LmStudio {
    type Mapper = ChatMapper;

    fn describe() -> ProviderInfo {
        ProviderInfo {
            homepage: Some("https://lmstudio.ai".into()),
            ..ProviderInfo::named("LM Studio")
        }
    }

    fn list_step(context: &Context, replies: &[HttpReply]) -> Result<Listing, Error> {
        models::step(context, replies)
    }

    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        OpenAi::completion_request(&address::openai(context)?, &*wishes::adapted(request)?)
    }

    fn mapper(context: &Context, request: &Request) -> ChatMapper {
        // An address that cannot be read was refused before there is an answer to map.
        let openai = address::openai(context);
        ChatMapper::new(OpenAi::mapper(openai.as_ref().unwrap_or(context), request))
    }

    fn error_from_reply(reply: &HttpReply) -> Error {
        errors::explained(OpenAi::error_from_reply(reply))
    }
}

vale_sdk::export_provider!(LmStudio);
