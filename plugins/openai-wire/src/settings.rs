//! What the address and the settings say about the server behind them.

use vale_sdk::{Context, HttpRequest, Part, Request};

/// Whose server it is, where that changes what may be sent. Strict servers refuse unknown fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    OpenAi,
    OpenRouter,
    Other,
}

impl Server {
    pub(crate) fn of(context: &Context) -> Self {
        let host = host(&context.text("base_url").unwrap_or_default());
        let is_under = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if is_under("api.openai.com") || is_under("openai.azure.com") {
            Self::OpenAi
        } else if is_under("openrouter.ai") {
            Self::OpenRouter
        } else {
            Self::Other
        }
    }
}

/// Which of OpenAI's two wires a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Responses,
}

impl Api {
    /// As the person set it; else Responses at OpenAI itself, which keeps what a model thought
    /// from one tool round to the next, and Chat Completions elsewhere and for what only it takes.
    pub(crate) fn of(context: &Context, request: &Request) -> Self {
        let only_chat = !request.stop.is_empty() || request.seed.is_some() || has_audio(request);
        match context.text("api").as_deref() {
            Some("chat") => Self::Chat,
            Some("responses") => Self::Responses,
            _ if is_openai_itself(context) && !only_chat => Self::Responses,
            _ => Self::Chat,
        }
    }
}

fn is_openai_itself(context: &Context) -> bool {
    host(&context.text("base_url").unwrap_or_default()) == "api.openai.com"
}

fn has_audio(request: &Request) -> bool {
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    parts.any(|part| matches!(part, Part::Audio(_)))
}

/// How the model's own reasoning goes back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reasoning {
    Dropped,
    /// As text in `reasoning_content`: DeepSeek, Kimi and their like want it in tool rounds.
    Content,
    /// As `reasoning_details`, with its signatures: OpenRouter.
    Details,
}

impl Reasoning {
    pub(crate) fn of(context: &Context) -> Self {
        match context.text("send_reasoning").as_deref() {
            Some("reasoning_content") => Self::Content,
            Some("reasoning_details") => Self::Details,
            Some("never") => Self::Dropped,
            _ if Server::of(context) == Server::OpenRouter => Self::Details,
            _ => Self::Dropped,
        }
    }
}

/// Whether sealed reasoning goes back on the Responses wire: unless the person forbids it, since
/// the model works without it, only worse.
pub(crate) fn echoes_sealed(context: &Context) -> bool {
    context.text("send_reasoning").as_deref() != Some("never")
}

/// The name of the output limit. OpenAI's newer models refuse `max_tokens`; older servers do not
/// know the other.
pub(crate) fn max_tokens_field(context: &Context) -> &'static str {
    match context.text("max_tokens_field").as_deref() {
        Some("max_tokens") => "max_tokens",
        Some("max_completion_tokens") => "max_completion_tokens",
        _ if Server::of(context) == Server::OpenAi => "max_completion_tokens",
        _ => "max_tokens",
    }
}

/// Whether to ask for token counts; a few strict servers refuse the question.
pub(crate) fn asks_for_usage(context: &Context) -> bool {
    context.bool("include_usage").unwrap_or(true)
}

/// Names the organization and project that pay, where they are set.
pub(crate) fn with_account(context: &Context, mut request: HttpRequest) -> HttpRequest {
    let headers = [
        ("organization", "openai-organization"),
        ("project", "openai-project"),
    ];
    for (setting, header) in headers {
        if let Some(value) = context.text(setting) {
            request = request.header(header, value);
        }
    }
    // Names the program on the account's activity page there. No `HTTP-Referer`: that is the
    // address of a web site, and this program has none.
    if Server::of(context) == Server::OpenRouter {
        request = request.header("x-title", "ValeChat");
    }
    request
}

/// The host of a URL, in lower case. Only a hint: what may be reached is the gate's to judge.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host);
    host.to_ascii_lowercase()
}
