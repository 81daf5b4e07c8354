//! The conversation, as this wire has it: user and assistant take turns, and a tool's result is
//! something that the user says.

use vale_sdk::json::Json;
use vale_sdk::{
    Blob, CacheMark, Context, Error, Media, Message, Part, ResultPart, Role, ToolCall, ToolResult,
};

/// Cache breakpoints in one request; the API refuses a fifth.
const MAX_BREAKPOINTS: usize = 4;

/// The `system` blocks and the `messages` of a request.
pub(crate) struct Conversation {
    pub(crate) system: Vec<Json>,
    pub(crate) messages: Vec<Json>,
}

/// One turn while it is put together.
struct Turn {
    role: &'static str,
    blocks: Vec<Json>,
}

/// Rewrites the conversation.
///
/// # Errors
/// `unsupported` for what this wire cannot carry: leaving it out in silence would let the model
/// answer another question.
pub(crate) fn all(_: &Context, messages: &[Message]) -> Result<Conversation, Error> {
    let marks = breakpoints(messages);
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (message, mark) in messages.iter().zip(marks) {
        let (role, mut blocks) = match message.role {
            // What comes in the middle of a conversation counts for all of it.
            Role::System | Role::Developer => ("system", blocks(&message.parts, "instructions")?),
            Role::Assistant => ("assistant", said(&message.parts)?),
            _ => ("user", asked(&message.parts)?),
        };
        if let (Some(mark), Some(last)) = (mark, blocks.last_mut()) {
            last.set("cache_control", mark);
        }
        if role == "system" {
            system.append(&mut blocks);
            continue;
        }
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.blocks.append(&mut blocks),
            _ if blocks.is_empty() => {}
            _ => turns.push(Turn { role, blocks }),
        }
    }
    let messages = turns.into_iter().map(|mut turn| {
        // Results of tools must come before anything else of the turn.
        turn.blocks.sort_by_key(|block| !is_tool_result(block));
        Json::object()
            .with("role", turn.role)
            .with("content", turn.blocks)
    });
    Ok(Conversation {
        system,
        messages: messages.collect(),
    })
}

/// The `cache_control` of each message. Where there are too many marks the last ones stay, which
/// reach furthest; and a long one must not follow a short one, so those before it become long.
fn breakpoints(messages: &[Message]) -> Vec<Option<Json>> {
    let marked = |message: &Message| matches!(message.cache, CacheMark::Short | CacheMark::Long);
    let all = messages.iter().filter(|message| marked(message)).count();
    let mut to_drop = all.saturating_sub(MAX_BREAKPOINTS);
    let last_long = messages
        .iter()
        .rposition(|message| matches!(message.cache, CacheMark::Long));
    let mark = |(at, message): (usize, &Message)| {
        if !marked(message) {
            return None;
        }
        if to_drop > 0 {
            to_drop -= 1;
            return None;
        }
        let control = Json::object().with("type", "ephemeral");
        Some(if last_long.is_some_and(|last| at <= last) {
            control.with("ttl", "1h")
        } else {
            control
        })
    };
    messages.iter().enumerate().map(mark).collect()
}

fn is_tool_result(block: &Json) -> bool {
    let Json::Object(members) = block else {
        return false;
    };
    let is_type = |(name, value): &(String, Json)| {
        name == "type" && *value == Json::String("tool_result".into())
    };
    members.iter().any(is_type)
}

/// What a person says.
fn asked(parts: &[Part]) -> Result<Vec<Json>, Error> {
    blocks(parts, "this message")
}

/// What the model said.
fn said(parts: &[Part]) -> Result<Vec<Json>, Error> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(text) => blocks.push(text_block(text)),
            Part::ToolCall(call) => blocks.push(tool_use(call)?),
            // Without its seal the API refuses it, and the model can do without.
            Part::Thinking(thinking) => {
                if let Some(signature) = &thinking.signature {
                    let block = Json::object()
                        .with("type", "thinking")
                        .with("thinking", thinking.text.as_str())
                        .with("signature", signature.as_str());
                    blocks.push(block);
                }
            }
            Part::RedactedThinking(data) => blocks.push(
                Json::object()
                    .with("type", "redacted_thinking")
                    .with("data", data.as_str()),
            ),
            part => return Err(cannot_carry(part, "an answer of the model")),
        }
    }
    Ok(blocks)
}

fn blocks(parts: &[Part], place: &str) -> Result<Vec<Json>, Error> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            // The API refuses an empty text.
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(text) => blocks.push(text_block(text)),
            Part::Image(media) => blocks.push(image(media)?),
            Part::File(media) => blocks.push(document(media)?),
            Part::ToolResult(result) => blocks.push(tool_result(result)?),
            part => return Err(cannot_carry(part, place)),
        }
    }
    Ok(blocks)
}

fn text_block(text: &str) -> Json {
    Json::object().with("type", "text").with("text", text)
}

fn image(media: &Media) -> Result<Json, Error> {
    if let Media::Blob(blob) = media
        && !matches!(
            blob.media_type.as_str(),
            "image/jpeg" | "image/png" | "image/gif" | "image/webp"
        )
    {
        return Err(Error::unsupported(
            blob.media_type.as_str(),
            format!(
                "This provider takes images as JPEG, PNG, GIF or WebP, not as {}.",
                blob.media_type
            ),
        ));
    }
    Ok(Json::object()
        .with("type", "image")
        .with("source", source(media)?))
}

/// PDF goes as it is; this plugin holds a handle and cannot read text out of another file.
fn document(media: &Media) -> Result<Json, Error> {
    let mut json = Json::object().with("type", "document");
    if let Media::Blob(blob) = media {
        if blob.media_type != "application/pdf" {
            return Err(Error::unsupported(
                blob.media_type.as_str(),
                format!(
                    "This provider takes files as PDF, not as {}; put text into the message.",
                    blob.media_type
                ),
            ));
        }
        if let Some(name) = &blob.name {
            json.set("title", name.as_str());
        }
    }
    json.set("source", source(media)?);
    Ok(json)
}

fn source(media: &Media) -> Result<Json, Error> {
    match media {
        Media::Blob(blob) => Ok(Json::object()
            .with("type", "base64")
            .with("media_type", blob.media_type.as_str())
            .with("data", base64(blob))),
        Media::Url(url) => Ok(Json::object().with("type", "url").with("url", url.as_str())),
        Media::Other(extra) => Err(Error::unsupported(
            extra.name.as_str(),
            format!(
                "This provider does not know attachments of kind \"{}\".",
                extra.name
            ),
        )),
    }
}

fn base64(blob: &Blob) -> Json {
    Json::Base64 {
        prefix: String::new(),
        blob: blob.id.clone(),
    }
}

fn tool_use(call: &ToolCall) -> Result<Json, Error> {
    let input = match call.arguments_json.trim() {
        "" => Json::object(),
        arguments => Json::raw(&format!("The arguments of {}", call.name), arguments)?,
    };
    Ok(Json::object()
        .with("type", "tool_use")
        .with("id", id(&call.id))
        .with("name", call.name.as_str())
        .with("input", input))
}

fn tool_result(result: &ToolResult) -> Result<Json, Error> {
    let mut content = Vec::new();
    for part in &result.content {
        content.push(match part {
            ResultPart::Text(text) | ResultPart::Json(text) if text.trim().is_empty() => continue,
            ResultPart::Text(text) | ResultPart::Json(text) => text_block(text),
            ResultPart::Image(media) => image(media)?,
            ResultPart::File(media) => document(media)?,
            ResultPart::Other(extra) => {
                return Err(Error::unsupported(
                    extra.name.as_str(),
                    "This provider cannot carry that part of a tool's result.",
                ));
            }
        });
    }
    let mut json = Json::object()
        .with("type", "tool_result")
        .with("tool_use_id", id(&result.call_id))
        .with("content", content);
    if result.is_error {
        json.set("is_error", true);
    }
    Ok(json)
}

/// An id that this API takes: letters, digits, `_` and `-`. Calls made elsewhere may have others;
/// call and result are changed alike.
fn id(id: &str) -> String {
    let fit = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    id.chars().map(fit).collect()
}

fn cannot_carry(part: &Part, place: &str) -> Error {
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
    Error::unsupported(
        name,
        format!("This provider cannot carry \"{name}\" in {place}."),
    )
}
