//! From what an upstream says to the contract's `error-kind`.
//!
//! OpenAI, Anthropic, Ollama, llama-server, vLLM, OpenRouter, LiteLLM and Gemini word the same
//! failures in a few shapes; one table serves them all. What the upstream *says* (its code or
//! type) counts before its status, because gateways often get the status wrong.

mod classify;
mod retry;
mod told;
mod web_page;

pub use retry::retry_after_ms;

use crate::http::HttpReply;
use crate::json::Value;
use crate::types::{
    AuthKind, Error, ErrorKind, Extra, HttpError, HttpErrorKind, NetworkFailure, NetworkKind, Part,
};
use told::Told;

/// The longest message taken from an upstream, in bytes.
const MAX_MESSAGE_BYTES: usize = 2000;

impl Error {
    /// A failure of this kind, told in this sentence, with nothing else known.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            http_status: None,
            provider_code: None,
            provider_request_id: None,
            retryable: None,
            extras: Vec::new(),
        }
    }

    /// A request that the plugin refuses: `what` names the parameter or feature.
    pub fn unsupported(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported(what.into()), message)
    }

    /// A part of a message that the wire has no place for; `place` ends the sentence.
    pub fn cannot_carry(part: &Part, place: &str) -> Self {
        let name = match part {
            Part::Text(_) => "text",
            Part::Image(_) => "image",
            Part::File(_) => "file",
            Part::Audio(_) => "audio",
            Part::ToolCall(_) => "tool call",
            Part::ToolResult(_) => "tool result",
            Part::Thinking(_) | Part::RedactedThinking(_) => "thinking",
            Part::Other(extra) => &extra.name,
        };
        Self::unsupported(
            name,
            format!("This provider cannot carry \"{name}\" in {place}."),
        )
    }

    /// An answer that the upstream's own protocol does not allow.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::MalformedResponse, message)
    }

    /// The answer ended before its terminal marker. Never a success: the text is not whole.
    pub fn truncated() -> Self {
        Self::new(
            ErrorKind::Network(NetworkFailure {
                kind: NetworkKind::Truncated,
                request_sent: true,
            }),
            "The server closed the answer before its end; what has arrived is kept.",
        )
    }

    /// A credential that the manifest requires and the person has not set.
    pub fn missing_credential(name: &str) -> Self {
        Self::new(
            ErrorKind::Auth(AuthKind::Missing),
            format!("The credential \"{name}\" is not set; nothing was sent."),
        )
    }
}

impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        let kind = match error.kind {
            HttpErrorKind::Denied => NetworkKind::DeniedByPolicy,
            HttpErrorKind::Dns => NetworkKind::Dns,
            HttpErrorKind::Connect => NetworkKind::Connect,
            HttpErrorKind::Tls => NetworkKind::Tls,
            HttpErrorKind::Timeout => NetworkKind::Timeout,
            HttpErrorKind::Reset => NetworkKind::Reset,
            HttpErrorKind::Truncated => NetworkKind::Truncated,
            HttpErrorKind::TooLarge => NetworkKind::TooLarge,
            HttpErrorKind::Protocol => NetworkKind::Protocol,
            HttpErrorKind::Other(name) => NetworkKind::Other(name),
        };
        let failure = NetworkFailure {
            kind,
            request_sent: error.request_sent,
        };
        Self {
            extras: error.extras,
            ..Self::new(ErrorKind::Network(failure), error.message)
        }
    }
}

/// The failure that a reply with an error status tells of.
pub fn from_reply(reply: &HttpReply) -> Error {
    let told = told_by(&reply.body);
    let retry_after = retry_after_ms(reply).or(told.retry_after_ms);
    let page = web_page::hint(&reply.body);
    let kind = classify::kind(
        &told,
        Some(reply.status),
        reply,
        retry_after,
        page.is_some(),
    );
    let message = match (told.message.clone(), page) {
        (Some(message), _) => shortened(&message),
        (None, Some(hint)) => format!("HTTP {}: {hint}", reply.status),
        (None, None) => without_words(reply),
    };
    let carries_wait = matches!(kind, ErrorKind::RateLimited(_) | ErrorKind::Overloaded(_));
    let extras = match retry_after {
        Some(ms) if !carries_wait => vec![Extra::new("retry-after-ms", ms.to_string())],
        _ => Vec::new(),
    };
    Error {
        http_status: Some(reply.status),
        provider_code: told.code.or(told.kind),
        provider_request_id: request_id(reply).or(told.request_id),
        retryable: retryable(reply),
        extras,
        ..Error::new(kind, message)
    }
}

/// The failure that a JSON value in the midst of an answer tells of, if it tells of one:
/// `{"error": …}`, `{"type":"error", …}`, `{"object":"error", …}`.
pub fn in_stream(value: &Value<'_>) -> Option<Error> {
    let told = Told::read(value)?;
    let status = told.code.as_deref().and_then(|code| code.parse().ok());
    let status = status.filter(|status| (400..600).contains(status));
    let nothing = HttpReply::default();
    let kind = classify::kind(&told, status, &nothing, told.retry_after_ms, false);
    let message = told.message.as_deref().map_or_else(
        || "The server reported an error in the midst of its answer and gave no reason.".into(),
        shortened,
    );
    Some(Error {
        http_status: status,
        provider_code: told.code.or(told.kind),
        provider_request_id: told.request_id,
        ..Error::new(kind, message)
    })
}

/// The failure of a frame that is none of the answer's: the error that it holds, or that it
/// cannot be read.
pub fn of_frame(data: &[u8]) -> Error {
    Value::parse(data)
        .and_then(|value| in_stream(&value))
        .unwrap_or_else(|| not_json(data))
}

/// The failure of a body that should be JSON (or a stream of it) and is not. Names a web page by
/// its title, and never carries more than a short piece of the body.
pub fn not_json(body: &[u8]) -> Error {
    if let Some(hint) = web_page::hint(body) {
        return Error::malformed(hint);
    }
    let text = String::from_utf8_lossy(body.get(..200).unwrap_or(body));
    let excerpt = web_page::one_line(&text, 80);
    Error::malformed(if excerpt.is_empty() {
        "The server sent an empty answer.".to_string()
    } else {
        format!("The server's answer is not what its protocol allows: {excerpt}")
    })
}

/// The request id of an upstream's headers, for support.
pub fn request_id(reply: &HttpReply) -> Option<String> {
    ["x-request-id", "request-id", "x-generation-id"]
        .iter()
        .find_map(|name| reply.header(name))
        .map(str::to_string)
}

fn retryable(reply: &HttpReply) -> Option<bool> {
    match reply.header("x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// What the body says: JSON, or the first JSON event of a stream (LiteLLM sends HTTP 500 so).
fn told_by(body: &[u8]) -> Told {
    if let Some(value) = Value::parse(body) {
        return Told::read(&value)
            .or_else(|| Told::bare(&value))
            .unwrap_or_default();
    }
    let mut told = Told::default();
    let mut framer = crate::frame::SseFramer::new(body.len() + 1);
    let mut sink = |item: crate::frame::Item<'_>| {
        if let crate::frame::Item::Frame(frame) = item
            && let Some(value) = Value::parse(frame.data)
            && let Some(found) = Told::read(&value)
        {
            told = found;
            return Ok(crate::Flow::Done);
        }
        Ok(crate::Flow::Continue)
    };
    // The cap is above the body's length and the sink never fails, so neither can this.
    if framer.push(body, &mut sink) == Ok(crate::Flow::Continue) {
        _ = framer.end(&mut sink);
    }
    told
}

fn without_words(reply: &HttpReply) -> String {
    if (300..400).contains(&reply.status) {
        // Without the query: it may carry a token.
        let target = reply.header("location").unwrap_or("another address");
        let target = target.split(['?', '#']).next().unwrap_or(target);
        return format!(
            "HTTP {}: the server points to {}; put that address into the settings if it is right.",
            reply.status,
            web_page::one_line(target, 200)
        );
    }
    let text = String::from_utf8_lossy(reply.body.get(..200).unwrap_or(&reply.body));
    match web_page::one_line(&text, 120) {
        excerpt if excerpt.is_empty() => format!("HTTP {} without a reason.", reply.status),
        excerpt => format!("HTTP {}: {excerpt}", reply.status),
    }
}

fn shortened(message: &str) -> String {
    match message
        .char_indices()
        .find(|(at, _)| *at >= MAX_MESSAGE_BYTES)
    {
        Some((at, _)) => message.get(..at).unwrap_or_default().to_string() + "…",
        None => message.to_string(),
    }
}
