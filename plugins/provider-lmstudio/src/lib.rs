//! LM Studio: chat by its OpenAI wire, models by its own API, which tells more.

mod models;

use openai_wire::{OpenAi, WireMapper};
use vale_sdk::json::quoted;
use vale_sdk::{
    Context, Error, ErrorKind, HttpReply, HttpRequest, Listing, Provider, ProviderInfo, Request,
};

/// The provider.
#[derive(Clone, Copy, Debug)]
pub struct LmStudio;

impl Provider for LmStudio {
    type Mapper = WireMapper;

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
        OpenAi::completion_request(&openai(context)?, request)
    }

    fn mapper(context: &Context, request: &Request) -> WireMapper {
        let openai = openai(context);
        OpenAi::mapper(openai.as_ref().unwrap_or(context), request)
    }

    fn error_from_reply(reply: &HttpReply) -> Error {
        let mut error = OpenAi::error_from_reply(reply);
        let words = error.message.to_lowercase();
        if words.contains("no models loaded") || words.contains("model is not loaded") {
            error.kind = ErrorKind::ModelNotFound;
            error
                .message
                .push_str(" (load one in LM Studio, or with `lms load`)");
        }
        error
    }
}

/// The server's address without what people copy along with it.
pub(crate) fn base(context: &Context) -> Result<String, Error> {
    let base = context.required_text("base_url")?;
    let base = base.trim_end_matches('/');
    Ok(base.strip_suffix("/v1").unwrap_or(base).to_string())
}

/// The settings under which the OpenAI wire talks to this server.
fn openai(context: &Context) -> Result<Context, Error> {
    let url = quoted(&format!("{}/v1", base(context)?));
    Context::new(
        format!("{{\"base_url\":{url},\"api\":\"chat\",\"max_tokens_field\":\"max_tokens\"}}"),
        Vec::new(),
    )
}

vale_sdk::export_provider!(LmStudio);
