//! The conversation as this wire has it: a list of items.

use vale_sdk::json::Json;
use vale_sdk::{
    Context, Error, Media, Message, Part, ResultPart, Role, Thinking, ToolCall, ToolResult,
};

use crate::settings;

/// The `input` array.
///
/// # Errors
/// `unsupported` for a part that this wire cannot carry.
pub(crate) fn all(context: &Context, messages: &[Message]) -> Result<Vec<Json>, Error> {
    let echoes = settings::echoes_sealed(context);
    let mut items = Vec::new();
    for message in messages {
        match message.role {
            Role::Assistant => said(&message.parts, echoes, &mut items)?,
            ref role => asked(role, &message.parts, &mut items)?,
        }
    }
    Ok(items)
}

fn asked(role: &Role, parts: &[Part], items: &mut Vec<Json>) -> Result<(), Error> {
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => content.push(input_text(text)),
            Part::Image(media) => content.push(image(media)?),
            Part::File(media) => content.push(file(media)?),
            Part::ToolResult(result) => items.push(output(result)?),
            part => return Err(Error::cannot_carry(part, "this message")),
        }
    }
    if content.is_empty() {
        return Ok(());
    }
    let role = match role {
        Role::System => "system",
        Role::Developer => "developer",
        _ => "user",
    };
    items.push(message(role, content));
    Ok(())
}

/// What the model said, in the order in which it said it: reasoning must come right before what it
/// led to.
fn said(parts: &[Part], echoes: bool, items: &mut Vec<Json>) -> Result<(), Error> {
    for part in parts {
        match part {
            Part::Text(text) if text.is_empty() => {}
            Part::Text(text) => {
                let content = Json::object()
                    .with("type", "output_text")
                    .with("text", text.as_str())
                    .with("annotations", Vec::new());
                items.push(message("assistant", vec![content]));
            }
            Part::ToolCall(call) => items.push(function_call(call)),
            Part::Thinking(_) | Part::RedactedThinking(_) if !echoes => {}
            // Without its seal the API does not take it, and the model can do without.
            Part::Thinking(thinking) => items.extend(reasoning(thinking)),
            Part::RedactedThinking(data) => items.push(
                Json::object()
                    .with("type", "reasoning")
                    .with("summary", Vec::new())
                    .with("encrypted_content", data.as_str()),
            ),
            part => return Err(Error::cannot_carry(part, "an answer of the model")),
        }
    }
    Ok(())
}

fn message(role: &str, content: Vec<Json>) -> Json {
    Json::object()
        .with("type", "message")
        .with("role", role)
        .with("content", content)
}

fn reasoning(thinking: &Thinking) -> Option<Json> {
    let sealed = thinking.signature.as_deref()?;
    let mut json = Json::object().with("type", "reasoning");
    if let Some(id) = &thinking.id {
        json.set("id", id.as_str());
    }
    let summary = if thinking.text.is_empty() {
        Vec::new()
    } else {
        vec![
            Json::object()
                .with("type", "summary_text")
                .with("text", thinking.text.as_str()),
        ]
    };
    Some(
        json.with("summary", summary)
            .with("encrypted_content", sealed),
    )
}

fn function_call(call: &ToolCall) -> Json {
    let arguments = match call.arguments_json.trim() {
        "" => "{}",
        arguments => arguments,
    };
    Json::object()
        .with("type", "function_call")
        .with("call_id", call.id.as_str())
        .with("name", call.name.as_str())
        .with("arguments", arguments)
}

/// Text where text is all there is, else a list of parts.
fn output(result: &ToolResult) -> Result<Json, Error> {
    let (mut texts, mut parts, mut only_text) = (Vec::new(), Vec::new(), true);
    for part in &result.content {
        match part {
            ResultPart::Text(text) | ResultPart::Json(text) => {
                texts.push(text.as_str());
                parts.push(input_text(text));
            }
            ResultPart::Image(media) => {
                only_text = false;
                parts.push(image(media)?);
            }
            ResultPart::File(media) => {
                only_text = false;
                parts.push(file(media)?);
            }
            ResultPart::Other(extra) => {
                return Err(Error::unsupported(
                    extra.name.as_str(),
                    "This provider cannot carry that part of a tool's result.",
                ));
            }
        }
    }
    // The wire has no flag for a failed tool.
    let prefix = if result.is_error { "Error: " } else { "" };
    let json = Json::object()
        .with("type", "function_call_output")
        .with("call_id", result.call_id.as_str());
    Ok(if only_text {
        json.with("output", format!("{prefix}{}", texts.join("\n")))
    } else {
        if result.is_error {
            parts.insert(0, input_text(prefix.trim_end()));
        }
        json.with("output", parts)
    })
}

fn input_text(text: &str) -> Json {
    Json::object().with("type", "input_text").with("text", text)
}

fn image(media: &Media) -> Result<Json, Error> {
    let url: Json = match media {
        Media::Blob(blob) => Json::data_url(blob),
        Media::Url(url) => url.as_str().into(),
        Media::Other(extra) => return Err(unknown_media(&extra.name)),
    };
    Ok(Json::object()
        .with("type", "input_image")
        .with("image_url", url))
}

fn file(media: &Media) -> Result<Json, Error> {
    let json = Json::object().with("type", "input_file");
    match media {
        Media::Blob(blob) => Ok(json
            .with("filename", blob.name.as_deref().unwrap_or("file"))
            .with("file_data", Json::data_url(blob))),
        Media::Url(url) => Ok(json.with("file_url", url.as_str())),
        Media::Other(extra) => Err(unknown_media(&extra.name)),
    }
}

fn unknown_media(name: &str) -> Error {
    Error::unsupported(
        name,
        format!("This provider does not know attachments of kind \"{name}\"."),
    )
}
