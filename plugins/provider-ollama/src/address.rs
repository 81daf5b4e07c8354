//! Where Ollama's own API is.

use vale_sdk::{Context, Error, ErrorKind};

/// The URL of an endpoint such as `chat`. The address may be given with or without `/api`.
///
/// # Errors
/// `invalid-request` for an empty address, and for one that ends in `/v1`: that is Ollama's copy
/// of OpenAI's wire, and the host lets nothing out beside the address that the person gave.
pub(crate) fn url(context: &Context, endpoint: &str) -> Result<String, Error> {
    let base = context.required_text("base_url")?;
    let base = base.trim_end_matches('/');
    if base.ends_with("/v1") {
        return Err(Error::new(
            ErrorKind::InvalidRequest(Some("base_url".into())),
            "This provider speaks Ollama's own API: take /v1 off the end of its address. Nothing \
             was sent.",
        ));
    }
    let prefix = if base.ends_with("/api") { "" } else { "/api" };
    Ok(format!("{base}{prefix}/{endpoint}"))
}

/// Whether Ollama's cloud runs the model, directly or through the Ollama on this computer, which
/// passes on what is named `…:cloud` or `…-cloud`.
pub(crate) fn is_cloud(context: &Context, model: &str) -> bool {
    let base = context.text("base_url").unwrap_or_default();
    let rest = base.split_once("://").map_or(&*base, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or(rest);
    let host = host.to_ascii_lowercase();
    let by_host = host == "ollama.com" || host.ends_with(".ollama.com");
    by_host || model.ends_with(":cloud") || model.ends_with("-cloud")
}
