//! A provider for servers that speak OpenAI's Chat Completions, in its smallest useful form.
//!
//! Every call runs in a fresh instance, so nothing survives from one to the next. What you change
//! for another wire: `request.rs`, `mapper.rs`, and the settings in `plugin.toml`.

mod mapper;
mod request;

pub use mapper::Mapper;
use vale_sdk::{
    Context, Error, HttpReply, HttpRequest, Model, Provider, ProviderInfo, Request, errors,
};

/// The provider.
#[derive(Debug)]
pub struct Echo;

impl Provider for Echo {
    type Mapper = Mapper;

    fn describe() -> ProviderInfo {
        ProviderInfo::named("Echo")
    }

    fn models_request(context: &Context) -> Result<HttpRequest, Error> {
        let request = HttpRequest::get(context.url("base_url", "models")?);
        Ok(with_organization(context, request))
    }

    fn parse_models(_: &Context, reply: &HttpReply) -> Result<Vec<Model>, Error> {
        let body = reply.json()?;
        // Without a list this is no answer; an empty list would say that there are no models.
        let models = body.get("data").filter(|data| data.is_array());
        let models = models.ok_or_else(|| errors::not_json(&reply.body))?;
        let ids = models
            .items()
            .iter()
            .filter_map(|model| model.get("id")?.text());
        // All else stays "the server does not say". Never guess.
        Ok(ids.map(Model::named).collect())
    }

    fn completion_request(context: &Context, request: &Request) -> Result<HttpRequest, Error> {
        let url = context.url("base_url", "chat/completions")?;
        let request = HttpRequest::post_json(url, request::body(request)?);
        Ok(with_organization(context, request))
    }

    fn mapper(_: &Context, _: &Request) -> Mapper {
        Mapper::default()
    }
}

/// Never the key: `plugin.toml` names its header, and the host adds it.
fn with_organization(context: &Context, request: HttpRequest) -> HttpRequest {
    match context.text("organization") {
        Some(organization) => request.header("openai-organization", organization),
        None => request,
    }
}

vale_sdk::export_provider!(Echo);
