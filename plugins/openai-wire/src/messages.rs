//! The conversation, as this wire has it.

use vale_sdk::json::Json;
use vale_sdk::{
    Blob, Context, Error, Media, Message, Part, ResultPart, Role, Thinking, ToolCall, ToolResult,
};

use crate::settings::{Reasoning, Server};

/// The `messages` array.
///
/// # Errors
/// `unsupported` for a part that this wire cannot carry: leaving it out in silence would let the
/// model answer another question.
pub(crate) fn all(context: &Context, messages: &[Message]) -> Result<Vec<Json>, Error> {
    let mut writer = Writer {
        server: Server::of(context),
        reasoning: Reasoning::of(context),
        messages: Vec::new(),
        shown: Vec::new(),
    };
    for message in messages {
        writer.message(message)?;
    }
    writer.show_images();
    Ok(writer.messages)
}

struct Writer {
    server: Server,
    reasoning: Reasoning,
    messages: Vec<Json>,
    /// Images of tool results. A `tool` message holds text only, and nothing may stand between
    /// the answers to one round of calls: they follow as a message of their own.
    shown: Vec<Json>,
}

impl Writer {
    fn message(&mut self, message: &Message) -> Result<(), Error> {
        let mut rest = Vec::new();
        for part in &message.parts {
            match part {
                Part::ToolResult(result) => self.tool_result(result)?,
                part => rest.push(part),
            }
        }
        let held_only_results = rest.is_empty() && !message.parts.is_empty();
        if held_only_results {
            return Ok(());
        }
        self.show_images();
        let json = match &message.role {
            Role::Assistant => self.assistant(&rest)?,
            role => Json::object()
                .with("role", self.role(role))
                .with("content", content(&rest)?),
        };
        self.messages.push(json);
        Ok(())
    }

    fn role<'a>(&self, role: &'a Role) -> &'a str {
        match role {
            Role::System => "system",
            // Only OpenAI's own models know it; chat templates elsewhere fail on it.
            Role::Developer if self.server == Server::Other => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
            Role::Other(name) => name,
        }
    }

    fn assistant(&self, parts: &[&Part]) -> Result<Json, Error> {
        let (mut text, mut thinking) = (String::new(), String::new());
        let (mut calls, mut details) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::ToolCall(call) => calls.push(tool_call(call)),
                Part::Thinking(block) => {
                    thinking.push_str(&block.text);
                    details.push(thinking_detail(block));
                }
                Part::RedactedThinking(data) => details.push(
                    Json::object()
                        .with("type", "reasoning.encrypted")
                        .with("data", data.as_str()),
                ),
                part => return Err(Error::cannot_carry(part, "an answer of the model")),
            }
        }
        let mut json = Json::object().with("role", "assistant");
        match (text.is_empty(), calls.is_empty()) {
            (true, false) => json.set("content", Json::Null),
            _ => json.set("content", text),
        }
        match self.reasoning {
            Reasoning::Content if !thinking.is_empty() => json.set("reasoning_content", thinking),
            Reasoning::Details if !details.is_empty() => json.set("reasoning_details", details),
            _ => {}
        }
        if !calls.is_empty() {
            json.set("tool_calls", calls);
        }
        Ok(json)
    }

    fn tool_result(&mut self, result: &ToolResult) -> Result<(), Error> {
        let mut texts = Vec::new();
        for part in &result.content {
            match part {
                ResultPart::Text(text) | ResultPart::Json(text) => texts.push(text.as_str()),
                ResultPart::Image(media) => {
                    self.shown.push(image(media)?);
                    texts.push("(The image follows.)");
                }
                ResultPart::File(media) => {
                    self.shown.push(file(media)?);
                    texts.push("(The file follows.)");
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
        let message = Json::object()
            .with("role", "tool")
            .with("tool_call_id", result.call_id.as_str())
            .with("content", format!("{prefix}{}", texts.join("\n")));
        self.messages.push(message);
        Ok(())
    }

    fn show_images(&mut self) {
        if self.shown.is_empty() {
            return;
        }
        let mut parts = vec![text_part(
            "These are the attachments of the tool results above.",
        )];
        parts.append(&mut self.shown);
        let message = Json::object().with("role", "user").with("content", parts);
        self.messages.push(message);
    }
}

/// A string where text is all there is (some servers know nothing else), else a list of parts.
fn content(parts: &[&Part]) -> Result<Json, Error> {
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if let Some(texts) = texts {
        return Ok(texts.join("\n\n").into());
    }
    let parts: Result<Vec<Json>, Error> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Ok(text_part(text)),
            Part::Image(media) => image(media),
            Part::File(media) => file(media),
            Part::Audio(media) => audio(media),
            part => Err(Error::cannot_carry(part, "this message")),
        })
        .collect();
    Ok(parts?.into())
}

fn text_part(text: &str) -> Json {
    Json::object().with("type", "text").with("text", text)
}

fn image(media: &Media) -> Result<Json, Error> {
    let url = match media {
        Media::Blob(blob) => Json::data_url(blob),
        Media::Url(url) => url.as_str().into(),
        Media::Other(extra) => return Err(unknown_media(&extra.name)),
    };
    Ok(Json::object()
        .with("type", "image_url")
        .with("image_url", Json::object().with("url", url)))
}

/// A file goes whole, in base64: this plugin holds a handle and cannot read text out of it.
fn file(media: &Media) -> Result<Json, Error> {
    let blob = blob_of(media, "file")?;
    let name = blob.name.as_deref().unwrap_or("file");
    let file = Json::object()
        .with("filename", name)
        .with("file_data", Json::data_url(blob));
    Ok(Json::object().with("type", "file").with("file", file))
}

fn audio(media: &Media) -> Result<Json, Error> {
    let blob = blob_of(media, "audio")?;
    let format = match blob.media_type.as_str() {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        other => {
            return Err(Error::unsupported(
                other,
                format!("This provider takes audio as WAV or MP3, not as {other}."),
            ));
        }
    };
    let data = Json::Base64 {
        prefix: String::new(),
        blob: blob.id.clone(),
    };
    let audio = Json::object().with("data", data).with("format", format);
    Ok(Json::object()
        .with("type", "input_audio")
        .with("input_audio", audio))
}

fn blob_of<'a>(media: &'a Media, what: &str) -> Result<&'a Blob, Error> {
    match media {
        Media::Blob(blob) => Ok(blob),
        Media::Url(_) => Err(Error::unsupported(
            format!("{what} by URL"),
            format!("This provider takes a {what} as an attachment, not as a link."),
        )),
        Media::Other(extra) => Err(unknown_media(&extra.name)),
    }
}

fn unknown_media(name: &str) -> Error {
    Error::unsupported(
        name,
        format!("This provider does not know attachments of kind \"{name}\"."),
    )
}

fn tool_call(call: &ToolCall) -> Json {
    // Providers refuse empty arguments; an empty object says the same.
    let arguments = match call.arguments_json.trim() {
        "" => "{}",
        arguments => arguments,
    };
    let function = Json::object()
        .with("name", call.name.as_str())
        .with("arguments", arguments);
    Json::object()
        .with("id", call.id.as_str())
        .with("type", "function")
        .with("function", function)
}

fn thinking_detail(thinking: &Thinking) -> Json {
    let mut json = Json::object()
        .with("type", "reasoning.text")
        .with("text", thinking.text.as_str());
    if let Some(signature) = &thinking.signature {
        json.set("signature", signature.as_str());
    }
    if let Some(id) = &thinking.id {
        json.set("id", id.as_str());
    }
    json
}
