//! From the contract's parts to this wire's content blocks.

use vale_sdk::json::{Json, Value};
use vale_sdk::{
    Blob, Error, ErrorKind, Extra, Media, Part, ResultPart, Thinking, ToolCall, ToolResult,
};

use crate::cache::Lifetime;

/// The name under which a block of a kind that the contract has no word for (a search that the
/// server made, its results) comes out of an answer, and under which it goes back unchanged.
pub(crate) const CONTENT_BLOCK: &str = "anthropic-content-block";

/// A content block, and what its place in the request hangs on.
pub(crate) struct Block {
    pub(crate) json: Json,
    pub(crate) is_tool_result: bool,
    /// Whether the API takes a cache breakpoint on it.
    pub(crate) takes_mark: bool,
    /// The prefix that ends here is to be cached.
    pub(crate) mark: Option<Lifetime>,
}

impl Block {
    fn new(json: Json) -> Self {
        Self {
            json,
            is_tool_result: false,
            takes_mark: true,
            mark: None,
        }
    }

    fn text(text: &str) -> Self {
        Self::new(text_json(text))
    }

    /// A block that the model made and that must go back as it came.
    fn sealed(json: Json) -> Self {
        Self {
            takes_mark: false,
            ..Self::new(json)
        }
    }

    /// Takes the blanks off the end of a text block.
    pub(crate) fn trim_end(&mut self) {
        if let Json::Object(members) = &mut self.json {
            for (name, value) in members {
                if let (Json::String(text), "text") = (value, name.as_str()) {
                    text.truncate(text.trim_end().len());
                }
            }
        }
    }
}

/// Instructions: text and nothing else.
///
/// # Errors
/// `unsupported` for any other part.
pub(crate) fn instructions(parts: &[Part]) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => push_text(&mut blocks, text),
            part => return Err(Error::cannot_carry(part, "instructions")),
        }
    }
    Ok(blocks)
}

/// What a person or a tool says.
///
/// # Errors
/// `unsupported` for what this wire has no block for.
pub(crate) fn asked(parts: &[Part]) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => push_text(&mut blocks, text),
            Part::Image(media) => blocks.push(Block::new(image(media)?)),
            Part::File(media) => blocks.push(Block::new(document(media)?)),
            Part::ToolResult(result) => blocks.push(Block {
                is_tool_result: true,
                ..Block::new(tool_result(result)?)
            }),
            part => return Err(Error::cannot_carry(part, "what the user says")),
        }
    }
    Ok(blocks)
}

/// What the model said.
///
/// # Errors
/// As [`asked`]; `invalid-request` for arguments that are no JSON object.
pub(crate) fn said(parts: &[Part]) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => push_text(&mut blocks, text),
            Part::ToolCall(call) => blocks.push(Block::new(tool_use(call)?)),
            Part::Thinking(thinking) => blocks.extend(thought(thinking)),
            Part::RedactedThinking(data) => {
                let json = Json::object().with("type", "redacted_thinking");
                blocks.push(Block::sealed(json.with("data", data.as_str())));
            }
            Part::Other(extra) if extra.name == CONTENT_BLOCK => {
                blocks.push(Block::sealed(Json::raw(CONTENT_BLOCK, &extra.json)?));
            }
            part => return Err(Error::cannot_carry(part, "an answer of the model")),
        }
    }
    Ok(blocks)
}

/// The API refuses an empty text.
fn push_text(blocks: &mut Vec<Block>, text: &str) {
    if !text.trim().is_empty() {
        blocks.push(Block::text(text));
    }
}

fn text_json(text: &str) -> Json {
    Json::object().with("type", "text").with("text", text)
}

/// Without its seal the API refuses thinking, and the model can do without. With it the text must
/// not change, and may be empty: some models show none.
fn thought(thinking: &Thinking) -> Option<Block> {
    let signature = thinking.signature.as_deref();
    let signature = signature.filter(|signature| !signature.is_empty())?;
    let json = Json::object()
        .with("type", "thinking")
        .with("thinking", thinking.text.as_str())
        .with("signature", signature);
    Some(Block::sealed(json))
}

fn image(media: &Media) -> Result<Json, Error> {
    let source = match media {
        Media::Blob(blob) => base64(blob, image_type(&blob.media_type)?),
        media => link(media)?,
    };
    Ok(Json::object().with("type", "image").with("source", source))
}

/// The kinds of image that the API takes, as it names them.
fn image_type(media_type: &str) -> Result<&'static str, Error> {
    match plain_type(media_type).as_str() {
        "image/jpeg" | "image/jpg" => Ok("image/jpeg"),
        "image/png" => Ok("image/png"),
        "image/gif" => Ok("image/gif"),
        "image/webp" => Ok("image/webp"),
        _ => Err(Error::unsupported(
            media_type,
            format!("This provider takes images as JPEG, PNG, GIF or WebP, not as {media_type}."),
        )),
    }
}

/// PDF goes as it is, in base64; a text file as its text, which the host puts in.
fn document(media: &Media) -> Result<Json, Error> {
    const PDF: &str = "application/pdf";
    let mut json = Json::object().with("type", "document");
    match media {
        Media::Blob(blob) if plain_type(&blob.media_type) == PDF => {
            json.set("source", base64(blob, PDF));
            titled(&mut json, blob);
        }
        Media::Blob(blob) if is_text(&plain_type(&blob.media_type)) => {
            let source = Json::object()
                .with("type", "text")
                .with("media_type", "text/plain")
                .with("data", Json::BlobText(blob.id.clone()));
            json.set("source", source);
            titled(&mut json, blob);
        }
        Media::Blob(blob) => {
            return Err(Error::unsupported(
                blob.media_type.as_str(),
                format!(
                    "This provider takes files as PDF or text, not as {}.",
                    blob.media_type
                ),
            ));
        }
        media => json.set("source", link(media)?),
    }
    Ok(json)
}

fn titled(json: &mut Json, blob: &Blob) {
    if let Some(name) = blob.name.as_deref().filter(|name| !name.trim().is_empty()) {
        json.set("title", name);
    }
}

/// Types that are text whatever they mean.
fn is_text(plain: &str) -> bool {
    plain.starts_with("text/") || matches!(plain, "application/json" | "application/xml")
}

/// A media type without its parameters.
fn plain_type(media_type: &str) -> String {
    let plain = media_type.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

fn base64(blob: &Blob, media_type: &str) -> Json {
    let data = Json::Base64 {
        prefix: String::new(),
        blob: blob.id.clone(),
    };
    Json::object()
        .with("type", "base64")
        .with("media_type", media_type)
        .with("data", data)
}

fn link(media: &Media) -> Result<Json, Error> {
    match media {
        Media::Url(url) => Ok(Json::object().with("type", "url").with("url", url.as_str())),
        Media::Blob(blob) => Err(unknown_media(&blob.media_type)),
        Media::Other(extra) => Err(unknown_media(&extra.name)),
    }
}

fn unknown_media(name: &str) -> Error {
    Error::unsupported(
        name,
        format!("This provider does not know attachments of kind \"{name}\"."),
    )
}

fn tool_use(call: &ToolCall) -> Result<Json, Error> {
    let input = match call.arguments_json.trim() {
        "" | "null" => Json::object(),
        arguments => object(&format!("The arguments of {}", call.name), arguments)?,
    };
    Ok(Json::object()
        .with("type", "tool_use")
        .with("id", wire_id(&call.id))
        .with("name", call.name.as_str())
        .with("input", input))
}

fn tool_result(result: &ToolResult) -> Result<Json, Error> {
    let mut content = Vec::new();
    for part in &result.content {
        match part {
            ResultPart::Text(text) | ResultPart::Json(text) if text.trim().is_empty() => {}
            ResultPart::Text(text) | ResultPart::Json(text) => content.push(text_json(text)),
            ResultPart::Image(media) => content.push(image(media)?),
            ResultPart::File(media) => content.push(document(media)?),
            ResultPart::Other(Extra { name, .. }) => {
                return Err(Error::unsupported(
                    name.as_str(),
                    format!("This provider cannot carry \"{name}\" in a tool's result."),
                ));
            }
        }
    }
    let mut json = Json::object()
        .with("type", "tool_result")
        .with("tool_use_id", wire_id(&result.call_id));
    if !content.is_empty() {
        json.set("content", content);
    }
    if result.is_error {
        json.set("is_error", true);
    }
    Ok(json)
}

/// JSON text that must be an object, as it is written.
///
/// # Errors
/// `invalid-request` naming `what`.
pub(crate) fn object(what: &str, text: &str) -> Result<Json, Error> {
    match Value::parse(text.as_bytes()) {
        Some(value) if value.is_object() => Json::raw(what, text),
        _ => Err(Error::new(
            ErrorKind::InvalidRequest(Some(what.to_string())),
            format!("{what} must be a JSON object; nothing was sent."),
        )),
    }
}

/// An id of letters, digits, `_` and `-`, which is all that the API takes; other providers' ids
/// hold more. The same id always gives the same, so that call and result still fit, and what is
/// replaced is spelt out, so that `a:1` and `a.1` stay apart.
fn wire_id(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for c in id.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            out.push(c);
        } else {
            out.push_str(&format!("_{:x}_", u32::from(c)));
        }
    }
    if out.is_empty() {
        out.push('_');
    }
    out
}
