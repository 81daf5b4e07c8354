//! OpenAI's wires at any base URL: OpenAI, OpenRouter, LM Studio, llama-server, vLLM, LiteLLM and
//! `valechat-infer`. What differs between them is told by the address and the settings; answers
//! are read leniently, whoever sent them.
//!
//! A library: `provider-openai` makes a component of it, and `provider-lmstudio` builds on it.

mod calls;
mod mapper;
mod messages;
mod models;
mod request;
mod responses;
mod settings;
mod tokens;
mod wire;

pub use mapper::ChatMapper;
pub use wire::WireMapper;

use settings::Api;
use vale_sdk::{Context, Error, HttpReply, HttpRequest, Model, Provider, ProviderInfo, Request};

/// The provider.
#[derive(Clone, Copy, Debug)]
pub struct OpenAi;

impl Provider for OpenAi {
    type Mapper = WireMapper;

    fn describe() -> ProviderInfo {
        ProviderInfo {
            homepage: Some("https://platform.openai.com".into()),
            ..ProviderInfo::named("OpenAI")
        }
    }

    fn models_request(context: &Context) -> Result<HttpRequest, Error> {
        let request = HttpRequest::get(context.url("base_url", "models")?);
        Ok(settings::with_account(context, request))
    }

    fn parse_models(_: &Context, reply: &HttpReply) -> Result<Vec<Model>, Error> {
        models::parse(reply)
    }

    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let (path, body) = match Api::of(context, request) {
            Api::Chat => ("chat/completions", request::body(context, request)?),
            Api::Responses => ("responses", responses::body(context, request)?),
        };
        let post = HttpRequest::post_json(context.url("base_url", path)?, body)
            .header("accept", "text/event-stream");
        Ok(settings::with_account(context, post))
    }

    fn mapper(context: &Context, request: &Request) -> WireMapper {
        WireMapper::new(context, request)
    }
}
