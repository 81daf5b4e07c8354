//! Between the contract's types and the domain model, field by field.

use rust_decimal::Decimal;
use vale_egress::{BodyPart, HttpError, HttpErrorKind, HttpRequest};
use vale_types as t;

use super::bindings::valechat::host::http;
use super::bindings::valechat::types::{chat, common, errors, models, stream_types as s};

pub(super) fn extras_in(extras: Vec<common::Extra>) -> Vec<t::Extra> {
    extras.into_iter().map(extra_in).collect()
}

pub(super) fn extra_in(extra: common::Extra) -> t::Extra {
    t::Extra {
        name: extra.name,
        json: extra.json,
    }
}

fn extras_out(extras: &[t::Extra]) -> Vec<common::Extra> {
    extras.iter().map(extra_out).collect()
}

fn extra_out(extra: &t::Extra) -> common::Extra {
    common::Extra {
        name: extra.name.clone(),
        json: extra.json.clone(),
    }
}

/// A decimal of the contract: digits, at most one point, no exponent. Anything else is unknown.
fn decimal(text: &str) -> Option<Decimal> {
    let plain = text.len() <= 40
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"-.".contains(&b));
    if plain { text.parse().ok() } else { None }
}

// ---- host to guest ----

pub(crate) fn request(request: &t::Request) -> chat::Request {
    chat::Request {
        model: request.model.clone(),
        messages: request.messages.iter().map(message).collect(),
        tools: request.tools.iter().map(tool_def).collect(),
        tool_choice: match &request.tool_choice {
            t::ToolChoice::Auto => chat::ToolChoice::Auto,
            t::ToolChoice::Any => chat::ToolChoice::Any,
            t::ToolChoice::None => chat::ToolChoice::None,
            t::ToolChoice::Named(name) => chat::ToolChoice::Named(name.clone()),
            t::ToolChoice::Other(name) => chat::ToolChoice::Other(name.clone()),
        },
        parallel_tools: request.parallel_tools,
        max_output_tokens: request.max_output_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        seed: request.seed,
        stop: request.stop.clone(),
        thinking: match &request.thinking {
            t::ThinkingMode::Default => chat::ThinkingMode::Default,
            t::ThinkingMode::Off => chat::ThinkingMode::Off,
            t::ThinkingMode::Effort(effort) => chat::ThinkingMode::Effort(effort.clone()),
            t::ThinkingMode::Budget(tokens) => chat::ThinkingMode::Budget(*tokens),
            t::ThinkingMode::Other(mode) => chat::ThinkingMode::Other(mode.clone()),
        },
        format: match &request.format {
            t::OutputFormat::Text => chat::OutputFormat::Text,
            t::OutputFormat::Json => chat::OutputFormat::Json,
            t::OutputFormat::Schema(schema) => chat::OutputFormat::Schema(schema.clone()),
            t::OutputFormat::Other(format) => chat::OutputFormat::Other(format.clone()),
        },
        cache_key: request.cache_key.clone(),
        options_json: request.options_json.clone(),
        extras: extras_out(&request.extras),
    }
}

fn tool_def(tool: &t::ToolDef) -> chat::ToolDef {
    chat::ToolDef {
        name: tool.name.clone(),
        description: tool.description.clone(),
        input_schema_json: tool.input_schema_json.clone(),
        extras: extras_out(&tool.extras),
    }
}

fn message(message: &t::Message) -> chat::Message {
    chat::Message {
        role: match &message.role {
            t::Role::System => chat::Role::System,
            t::Role::Developer => chat::Role::Developer,
            t::Role::User => chat::Role::User,
            t::Role::Assistant => chat::Role::Assistant,
            t::Role::Tool => chat::Role::Tool,
            t::Role::Other(role) => chat::Role::Other(role.clone()),
        },
        parts: message.parts.iter().map(part).collect(),
        cache: match &message.cache {
            t::CacheMark::None => chat::CacheMark::None,
            t::CacheMark::Short => chat::CacheMark::Short,
            t::CacheMark::Long => chat::CacheMark::Long,
            t::CacheMark::Other(mark) => chat::CacheMark::Other(mark.clone()),
        },
        extras: extras_out(&message.extras),
    }
}

fn part(part: &t::Part) -> chat::Part {
    match part {
        t::Part::Text(text) => chat::Part::Text(text.clone()),
        t::Part::Image(source) => chat::Part::Image(media(source)),
        t::Part::File(source) => chat::Part::File(media(source)),
        t::Part::Audio(source) => chat::Part::Audio(media(source)),
        t::Part::ToolCall(call) => chat::Part::ToolCall(chat::ToolCall {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments_json: call.arguments_json.clone(),
            signature: call.signature.clone(),
        }),
        t::Part::ToolResult(result) => chat::Part::ToolResult(chat::ToolResult {
            call_id: result.call_id.clone(),
            name: result.name.clone(),
            content: result.content.iter().map(result_part).collect(),
            is_error: result.is_error,
            extras: extras_out(&result.extras),
        }),
        t::Part::Thinking(thinking) => chat::Part::Thinking(chat::Thinking {
            id: thinking.id.clone(),
            text: thinking.text.clone(),
            signature: thinking.signature.clone(),
        }),
        t::Part::RedactedThinking(data) => chat::Part::RedactedThinking(data.clone()),
        t::Part::Other(extra) => chat::Part::Other(extra_out(extra)),
    }
}

fn result_part(part: &t::ResultPart) -> chat::ResultPart {
    match part {
        t::ResultPart::Text(text) => chat::ResultPart::Text(text.clone()),
        t::ResultPart::Image(source) => chat::ResultPart::Image(media(source)),
        t::ResultPart::File(source) => chat::ResultPart::File(media(source)),
        t::ResultPart::Json(json) => chat::ResultPart::Json(json.clone()),
        t::ResultPart::Other(extra) => chat::ResultPart::Other(extra_out(extra)),
    }
}

fn media(media: &t::Media) -> chat::Media {
    match media {
        t::Media::Blob(blob) => chat::Media::Blob(chat::Blob {
            id: blob.id.clone(),
            media_type: blob.media_type.clone(),
            size: blob.size,
            name: blob.name.clone(),
        }),
        t::Media::Url(url) => chat::Media::Url(url.clone()),
        t::Media::Other(extra) => chat::Media::Other(extra_out(extra)),
    }
}

pub(super) fn http_error(error: &HttpError) -> http::Error {
    http::Error {
        kind: match &error.kind {
            HttpErrorKind::Denied => http::Kind::Denied,
            HttpErrorKind::Dns => http::Kind::Dns,
            HttpErrorKind::Connect => http::Kind::Connect,
            HttpErrorKind::Tls => http::Kind::Tls,
            HttpErrorKind::Timeout => http::Kind::Timeout,
            HttpErrorKind::Reset => http::Kind::Reset,
            HttpErrorKind::Truncated => http::Kind::Truncated,
            HttpErrorKind::TooLarge => http::Kind::TooLarge,
            HttpErrorKind::Protocol => http::Kind::Protocol,
            HttpErrorKind::Other(kind) => http::Kind::Other(kind.clone()),
        },
        message: error.message.clone(),
        request_sent: error.request_sent,
        extras: Vec::new(),
    }
}

// ---- guest to host ----

pub(super) fn http_request(request: http::Request) -> Result<HttpRequest, HttpError> {
    let method = match request.method {
        http::Method::Get => "GET".to_owned(),
        http::Method::Head => "HEAD".to_owned(),
        http::Method::Post => "POST".to_owned(),
        http::Method::Put => "PUT".to_owned(),
        http::Method::Delete => "DELETE".to_owned(),
        http::Method::Patch => "PATCH".to_owned(),
        http::Method::Other(method) => method,
    };
    let mut body = Vec::with_capacity(request.body.len());
    for part in request.body {
        body.push(match part {
            http::BodyPart::Bytes(bytes) => BodyPart::Bytes(bytes.into()),
            http::BodyPart::Blob(id) => BodyPart::Blob(id),
            http::BodyPart::BlobBase64(id) => BodyPart::BlobBase64(id),
            http::BodyPart::BlobJsonText(id) => BodyPart::BlobJsonText(id),
            http::BodyPart::Other(extra) => {
                return Err(HttpError {
                    kind: HttpErrorKind::Protocol,
                    message: format!("This host knows no body part “{}”.", extra.name),
                    request_sent: false,
                });
            }
        });
    }
    Ok(HttpRequest {
        method,
        url: request.url,
        headers: request.headers,
        body,
    })
}

/// Longest error message that is kept, bytes: it goes to logs and terminals.
const MAX_MESSAGE: usize = 16 << 10;

fn capped(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        text.push('…');
    }
    text
}

pub(crate) fn error(error: errors::Error) -> t::Error {
    t::Error {
        kind: error_kind(error.kind),
        message: capped(error.message),
        http_status: error.http_status,
        provider_code: error.provider_code,
        provider_request_id: error.provider_request_id,
        retryable: error.retryable,
        extras: extras_in(error.extras),
    }
}

fn error_kind(kind: errors::ErrorKind) -> t::ErrorKind {
    match kind {
        errors::ErrorKind::Auth(kind) => t::ErrorKind::Auth(match kind {
            errors::AuthKind::Missing => t::AuthKind::Missing,
            errors::AuthKind::Invalid => t::AuthKind::Invalid,
            errors::AuthKind::Expired => t::AuthKind::Expired,
            errors::AuthKind::Forbidden => t::AuthKind::Forbidden,
            errors::AuthKind::QuotaExhausted => t::AuthKind::QuotaExhausted,
            errors::AuthKind::Other(kind) => t::AuthKind::Other(kind),
        }),
        errors::ErrorKind::RateLimited(limit) => t::ErrorKind::RateLimited(t::RateLimit {
            retry_after_ms: limit.retry_after_ms,
            scope: match limit.scope {
                errors::LimitScope::Requests => t::LimitScope::Requests,
                errors::LimitScope::Tokens => t::LimitScope::Tokens,
                errors::LimitScope::Concurrent => t::LimitScope::Concurrent,
                errors::LimitScope::Spend => t::LimitScope::Spend,
                errors::LimitScope::Other(scope) => t::LimitScope::Other(scope),
            },
        }),
        errors::ErrorKind::Overloaded(wait) => t::ErrorKind::Overloaded(wait),
        errors::ErrorKind::ContextLength(limit) => t::ErrorKind::ContextLength(t::ContextLimit {
            limit: limit.limit,
            requested: limit.requested,
        }),
        errors::ErrorKind::ContentFilter(name) => t::ErrorKind::ContentFilter(name),
        errors::ErrorKind::Network(failure) => t::ErrorKind::Network(t::NetworkFailure {
            kind: network_kind(failure.kind),
            request_sent: failure.request_sent,
        }),
        errors::ErrorKind::InvalidRequest(what) => t::ErrorKind::InvalidRequest(what),
        errors::ErrorKind::ModelNotFound => t::ErrorKind::ModelNotFound,
        errors::ErrorKind::Unsupported(what) => t::ErrorKind::Unsupported(what),
        errors::ErrorKind::Cancelled => t::ErrorKind::Cancelled,
        errors::ErrorKind::MalformedResponse => t::ErrorKind::MalformedResponse,
        errors::ErrorKind::Internal => t::ErrorKind::Internal,
        errors::ErrorKind::Other(kind) => t::ErrorKind::Other(kind),
    }
}

fn network_kind(kind: errors::NetworkKind) -> t::NetworkKind {
    match kind {
        errors::NetworkKind::Dns => t::NetworkKind::Dns,
        errors::NetworkKind::Connect => t::NetworkKind::Connect,
        errors::NetworkKind::Tls => t::NetworkKind::Tls,
        errors::NetworkKind::Timeout => t::NetworkKind::Timeout,
        errors::NetworkKind::Reset => t::NetworkKind::Reset,
        errors::NetworkKind::Truncated => t::NetworkKind::Truncated,
        errors::NetworkKind::TooLarge => t::NetworkKind::TooLarge,
        errors::NetworkKind::DeniedByPolicy => t::NetworkKind::DeniedByPolicy,
        errors::NetworkKind::Protocol => t::NetworkKind::Protocol,
        errors::NetworkKind::Other(kind) => t::NetworkKind::Other(kind),
    }
}

pub(crate) fn event(event: s::Event) -> t::Event {
    match event {
        s::Event::Started(started) => t::Event::Started(t::Started {
            response_id: started.response_id,
            model: started.model,
            extras: extras_in(started.extras),
        }),
        s::Event::Text(text) => t::Event::Text(text),
        s::Event::Thinking(text) => t::Event::Thinking(text),
        s::Event::ThinkingEnd(end) => t::Event::ThinkingEnd(t::ThinkingEnd {
            id: end.id,
            signature: end.signature,
            extras: extras_in(end.extras),
        }),
        s::Event::RedactedThinking(data) => t::Event::RedactedThinking(data),
        s::Event::ToolCallStart(start) => t::Event::ToolCallStart(t::CallStart {
            index: start.index,
            id: start.id,
            name: start.name,
            extras: extras_in(start.extras),
        }),
        s::Event::ToolCallDelta(delta) => t::Event::ToolCallDelta(t::CallDelta {
            index: delta.index,
            arguments_json: delta.arguments_json,
        }),
        s::Event::ToolCallEnd(end) => t::Event::ToolCallEnd(t::CallEnd {
            index: end.index,
            signature: end.signature,
            extras: extras_in(end.extras),
        }),
        s::Event::Usage(snapshot) => t::Event::Usage(usage(snapshot)),
        s::Event::Ping => t::Event::Ping,
        s::Event::Other(extra) => t::Event::Other(extra_in(extra)),
    }
}

fn usage(usage: s::Usage) -> t::Usage {
    t::Usage {
        input: usage.input,
        cache_read: usage.cache_read,
        cache_write_5m: usage.cache_write_5m,
        cache_write_1h: usage.cache_write_1h,
        output: usage.output,
        reasoning: usage.reasoning,
        uses: usage.uses,
        service_tier: usage.service_tier,
        reported_cost: usage.reported_cost.and_then(|cost| {
            Some(t::Money {
                amount: decimal(&cost.amount)?,
                currency: cost.currency,
            })
        }),
        raw_json: usage.raw_json,
        extras: extras_in(usage.extras),
    }
}

pub(crate) fn finish(finish: s::Finish) -> t::Finish {
    t::Finish {
        reason: match finish.reason {
            s::FinishReason::Stop => t::FinishReason::Stop,
            s::FinishReason::MaxTokens => t::FinishReason::MaxTokens,
            s::FinishReason::ToolCalls => t::FinishReason::ToolCalls,
            s::FinishReason::ContentFilter => t::FinishReason::ContentFilter,
            s::FinishReason::Refusal => t::FinishReason::Refusal,
            s::FinishReason::Cancelled => t::FinishReason::Cancelled,
            s::FinishReason::Paused => t::FinishReason::Paused,
            s::FinishReason::Other(reason) => t::FinishReason::Other(reason),
        },
        usage: finish.usage.map(usage),
        response_id: finish.response_id,
        model: finish.model,
        extras: extras_in(finish.extras),
    }
}

pub(crate) fn model(model: models::Model) -> t::Model {
    t::Model {
        id: model.id,
        display_name: model.display_name,
        capabilities: model.capabilities.map(capabilities),
        context_window: model.context_window,
        max_output: model.max_output,
        prices: model.prices.into_iter().map(price).collect(),
        options_schema: model.options_schema,
        deprecated_on: model.deprecated_on,
        loaded: model.loaded,
        extras: extras_in(model.extras),
    }
}

fn capabilities(flags: models::Capabilities) -> t::Capabilities {
    use models::Capabilities as C;
    t::Capabilities {
        images_in: flags.contains(C::IMAGES_IN),
        files_in: flags.contains(C::FILES_IN),
        audio_in: flags.contains(C::AUDIO_IN),
        tools: flags.contains(C::TOOLS),
        parallel_tools: flags.contains(C::PARALLEL_TOOLS),
        thinking: flags.contains(C::THINKING),
        json_schema: flags.contains(C::JSON_SCHEMA),
        prompt_cache: flags.contains(C::PROMPT_CACHE),
        system_role: flags.contains(C::SYSTEM_ROLE),
    }
}

fn price(price: models::Price) -> t::Price {
    let rate = |text: Option<String>| text.as_deref().and_then(decimal);
    t::Price {
        currency: price.currency,
        above_input_tokens: price.above_input_tokens,
        input: rate(price.input),
        cache_read: rate(price.cache_read),
        cache_write_5m: rate(price.cache_write_5m),
        cache_write_1h: rate(price.cache_write_1h),
        output: rate(price.output),
        reasoning: rate(price.reasoning),
        extras: extras_in(price.extras),
    }
}

pub(crate) fn provider_info(info: models::ProviderInfo) -> t::ProviderInfo {
    t::ProviderInfo {
        display_name: info.display_name,
        homepage: info.homepage,
        extras: extras_in(info.extras),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_that_is_no_plain_decimal_is_unknown_never_zero() {
        assert_eq!(decimal("0.15"), Some("0.15".parse().unwrap()));
        for odd in ["", "1e3", "0x1", "1.2.3", "NaN", "1,5", &"9".repeat(41)] {
            assert_eq!(decimal(odd), None, "{odd}");
        }
    }
}
