//! The conversation, as this wire has it: text, images beside it, calls and results.

use vale_sdk::json::Json;
use vale_sdk::{Error, Media, Message, Part, ResultPart, Role, ToolCall, ToolResult};

use crate::request::invalid;

/// The `messages` array.
///
/// # Errors
/// `unsupported` for a part that this wire cannot carry.
pub(crate) fn all(messages: &[Message]) -> Result<Vec<Json>, Error> {
    let mut out = Vec::new();
    for message in messages {
        let mut rest = Vec::new();
        for part in &message.parts {
            match part {
                Part::ToolResult(result) => out.push(tool_result(result, messages)?),
                part => rest.push(part),
            }
        }
        if !rest.is_empty() || message.parts.is_empty() {
            out.push(spoken(&message.role, &rest)?);
        }
    }
    Ok(out)
}

fn spoken(role: &Role, parts: &[&Part]) -> Result<Json, Error> {
    let role = match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Other(name) => name.as_str(),
    };
    let (mut texts, mut thinking) = (Vec::new(), String::new());
    let (mut images, mut calls) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(text) => texts.push(text.as_str()),
            Part::Image(media) => images.push(image(media)?),
            Part::Thinking(block) => thinking.push_str(&block.text),
            // Sealed elsewhere: no model here can read it.
            Part::RedactedThinking(_) => {}
            Part::ToolCall(call) => calls.push(tool_call(call)?),
            part => return Err(cannot_carry(part)),
        }
    }
    let between = if role == "assistant" { "" } else { "\n\n" };
    let mut json = Json::object()
        .with("role", role)
        .with("content", texts.join(between));
    if !thinking.is_empty() && role == "assistant" {
        json.set("thinking", thinking);
    }
    if !images.is_empty() {
        json.set("images", images);
    }
    if !calls.is_empty() {
        json.set("tool_calls", calls);
    }
    Ok(json)
}

fn image(media: &Media) -> Result<Json, Error> {
    match media {
        Media::Blob(blob) => Ok(Json::Base64 {
            prefix: String::new(),
            blob: blob.id.clone(),
        }),
        Media::Url(_) => Err(Error::unsupported(
            "image by URL",
            "Ollama takes images as attachments, not as links.",
        )),
        Media::Other(extra) => Err(Error::unsupported(
            extra.name.as_str(),
            format!(
                "Ollama does not know attachments of kind \"{}\".",
                extra.name
            ),
        )),
    }
}

fn tool_call(call: &ToolCall) -> Result<Json, Error> {
    let what = format!("The arguments of {}", call.name);
    let arguments = match call.arguments_json.trim() {
        "" => Json::object(),
        arguments => Json::raw(&what, arguments)?,
    };
    // Ollama refuses the whole conversation for arguments of another kind.
    if matches!(&arguments, Json::Raw(text) if !text.starts_with('{')) {
        return Err(invalid(&what, "are no JSON object"));
    }
    let function = Json::object()
        .with("name", call.name.as_str())
        .with("arguments", arguments);
    Ok(Json::object()
        .with("id", call.id.as_str())
        .with("type", "function")
        .with("function", function))
}

fn tool_result(result: &ToolResult, messages: &[Message]) -> Result<Json, Error> {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for part in &result.content {
        match part {
            ResultPart::Text(text) | ResultPart::Json(text) => texts.push(text.as_str()),
            ResultPart::Image(media) => images.push(image(media)?),
            ResultPart::File(_) => return Err(no_files()),
            ResultPart::Other(extra) => {
                return Err(Error::unsupported(
                    extra.name.as_str(),
                    "Ollama cannot carry that part of a tool's result.",
                ));
            }
        }
    }
    // The wire has no flag for a failed tool.
    let prefix = if result.is_error { "Error: " } else { "" };
    let mut json = Json::object()
        .with("role", "tool")
        .with("content", format!("{prefix}{}", texts.join("\n")))
        .with("tool_call_id", result.call_id.as_str());
    if let Some(name) = result
        .name
        .as_deref()
        .or_else(|| called(&result.call_id, messages))
    {
        json.set("tool_name", name);
    }
    if !images.is_empty() {
        json.set("images", images);
    }
    Ok(json)
}

/// The name of the tool that a call named.
fn called<'m>(id: &str, messages: &'m [Message]) -> Option<&'m str> {
    let parts = messages.iter().flat_map(|message| &message.parts);
    let mut calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) if call.id == id => Some(call.name.as_str()),
        _ => None,
    });
    calls.next()
}

fn no_files() -> Error {
    Error::unsupported(
        "file",
        "Ollama takes no files; put the text into the message.",
    )
}

fn cannot_carry(part: &Part) -> Error {
    match part {
        Part::File(_) => no_files(),
        Part::Audio(_) => Error::unsupported("audio", "Ollama takes no sound."),
        Part::Other(extra) => Error::unsupported(
            extra.name.as_str(),
            format!("Ollama cannot carry \"{}\".", extra.name),
        ),
        _ => Error::unsupported("part", "Ollama cannot carry this part of a message."),
    }
}
