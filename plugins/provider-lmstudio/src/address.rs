//! Where LM Studio's server is. Its own API is beside its OpenAI wire, under `/api`.

use vale_sdk::json::quoted;
use vale_sdk::{Context, Error};

/// The URL of a path from the server's root, such as `api/v1/models`.
///
/// # Errors
/// `invalid-request` for an empty address.
pub(crate) fn url(context: &Context, path: &str) -> Result<String, Error> {
    context.url("base_url", path)
}

/// Whether the address names the OpenAI wire itself, as people copy it from LM Studio. The host
/// lets nothing out beside the path of the address, so that `/api` is out of reach then.
pub(crate) fn is_openai_only(context: &Context) -> bool {
    let base = context.text("base_url").unwrap_or_default();
    base.trim_end_matches('/').ends_with("/v1")
}

/// The settings under which the OpenAI wire talks to this server.
///
/// # Errors
/// `invalid-request` for an empty address.
pub(crate) fn openai(context: &Context) -> Result<Context, Error> {
    let path = if is_openai_only(context) { "" } else { "v1" };
    let url = quoted(&url(context, path)?);
    Context::new(
        format!("{{\"base_url\":{url},\"api\":\"chat\",\"max_tokens_field\":\"max_tokens\"}}"),
        Vec::new(),
    )
}
