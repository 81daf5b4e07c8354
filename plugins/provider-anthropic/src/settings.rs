//! What the settings say: where the API is, and which of its features are asked for.

use vale_sdk::{Context, Error, HttpRequest};

/// The version of the API that this plugin speaks; the server refuses a request without one.
const VERSION: &str = "2023-06-01";
/// The output limit of a request that names none, where the settings do not say either, in tokens.
const MAX_TOKENS: u32 = 8192;

/// The URL of an endpoint below `/v1`. People give the base URL with and without it.
///
/// # Errors
/// `invalid-request` if the base URL is empty.
pub(crate) fn url(context: &Context, endpoint: &str) -> Result<String, Error> {
    let base = context.required_text("base_url")?;
    let path = base.split('?').next().unwrap_or_default();
    if path.trim_end_matches('/').ends_with("/v1") {
        context.url("base_url", endpoint)
    } else {
        context.url("base_url", &format!("v1/{endpoint}"))
    }
}

/// Names the API's version, and the beta features where some are set.
pub(crate) fn with_version(context: &Context, request: HttpRequest) -> HttpRequest {
    let request = request.header("anthropic-version", VERSION);
    let beta = context.text("beta").unwrap_or_default();
    let names = beta.split(|c: char| c == ',' || c.is_whitespace());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    if names.is_empty() {
        request
    } else {
        request.header("anthropic-beta", names.join(","))
    }
}

/// The output limit of a request that names none, in tokens; the API wants one always.
pub(crate) fn max_tokens(context: &Context) -> u32 {
    let set = context.integer("max_tokens").filter(|limit| *limit > 0);
    set.and_then(|limit| u32::try_from(limit).ok())
        .unwrap_or(MAX_TOKENS)
}
