//! From another app's conversation to ours.
//!
//! Ids are made from the ids there, so that an import that is repeated finds its own messages again,
//! whether it was cut off or the conversation has grown since.

use std::io::Read;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::read::DecoderReader;

use super::Limits;
use super::archive::Archive;
use super::files::{FileStore, StoredFile, Unstored, put};
use super::fingerprint::stable;
use super::graph::{Placed, Placement};
use super::lenient::too_long;
use super::neutral::{
    FileBytes, FileKind, Neutral, NeutralFile, NeutralFolder, NeutralMessage, NeutralPart,
};
use super::report::{ImportError, Report};
use crate::model::{
    Attachment, Conversation, Extra, Folder, Media, Message, ModelName, Part, ResultPart,
    SourceRef, ThinkingBlock, TitleSource, ToolCall, ToolResult,
};
use crate::{ConversationId, FolderId, MessageId};

/// Characters that a title keeps.
const TITLE: usize = 300;

/// Padding or not: exporters differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is needed beside the conversation itself.
pub(super) struct Converter<'a, F> {
    pub files: &'a mut F,
    pub archive: Option<&'a mut Archive>,
    pub limits: &'a Limits,
    pub report: &'a mut Report,
    /// The conversation's place in the export.
    pub index: u64,
    /// Bytes of text that the message being converted may still take.
    pub left: usize,
}

/// A title in one line, or none.
pub(super) fn title(title: Option<String>) -> Option<String> {
    let title = title.filter(|title| too_long(title).is_none())?;
    let words: Vec<&str> = title.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(TITLE).collect();
    (!line.is_empty()).then_some(line)
}

/// Leaves out the messages over the limit. Returns what they had, bytes.
pub(super) fn drop_too_long(conversation: &mut Neutral, limit: u64) -> Vec<u64> {
    let mut dropped = Vec::new();
    for node in &mut conversation.nodes {
        let Some(message) = &node.message else {
            continue;
        };
        let texts = message.parts.iter().flat_map(NeutralPart::texts);
        let size: u64 = texts
            .map(|text| too_long(text).unwrap_or(text.len() as u64))
            .sum();
        if size > limit {
            dropped.push(size);
            node.message = None;
        }
    }
    dropped
}

/// The folder that another app's folder becomes.
pub(super) fn folder(app: &str, folder: &NeutralFolder) -> Folder {
    Folder {
        id: folder_id(app, folder),
        name: title(Some(folder.name.clone())).unwrap_or_else(|| app.to_owned()),
        parent: None,
        created_ms: 0,
        position: 0,
        extras: Vec::new(),
    }
}

fn folder_id(app: &str, folder: &NeutralFolder) -> FolderId {
    // Exports do not say when a folder was made.
    FolderId::new(0, &mut || stable("folder", app, &folder.id, ""))
}

impl<F: FileStore> Converter<'_, F> {
    /// The conversation and its messages, parents first; its files are stored on the way.
    pub(super) fn convert(
        &mut self,
        neutral: Neutral,
        placement: Placement,
        source: SourceRef,
    ) -> Result<(Conversation, Vec<Message>), ImportError> {
        let app = neutral.app;
        let times = || {
            placement
                .messages
                .iter()
                .filter_map(|placed| placed.message.created_ms)
        };
        let created_ms = neutral
            .created_ms
            .or_else(|| times().min())
            .unwrap_or_default();
        let updated_ms = neutral
            .updated_ms
            .or_else(|| times().max())
            .unwrap_or(created_ms);
        let random = stable("conversation", app, &source.id, "");
        let mut conversation =
            Conversation::new(ConversationId::new(created_ms, &mut || random), created_ms);
        conversation.updated_ms = updated_ms.max(created_ms);
        if let Some(title) = title(neutral.title) {
            conversation.title = title;
            conversation.title_source = TitleSource::Imported;
        }
        conversation.folder = neutral.folder.as_ref().map(|folder| folder_id(app, folder));
        conversation.archived = neutral.archived;
        conversation.pinned = neutral.pinned;
        conversation.model = neutral.model.map(|model| model_name(app, model));
        conversation.system_prompt = neutral
            .system_prompt
            .filter(|prompt| too_long(prompt).is_none());

        let current = placement.current;
        let mut messages: Vec<Message> = Vec::with_capacity(placement.messages.len());
        for Placed {
            id,
            parent,
            message,
        } in placement.messages
        {
            let parent = parent.and_then(|at| messages.get(at));
            // Some messages have no time; the one before had one.
            let created_ms = message
                .created_ms
                .or(parent.map(|parent| parent.created_ms))
                .unwrap_or(created_ms);
            let parent = parent.map(|parent| parent.id);
            let random = stable("message", app, &source.id, &id);
            let own = MessageId::new(created_ms, &mut || random);
            let NeutralMessage {
                role,
                parts,
                model,
                state,
                finish,
                ..
            } = message;
            self.left = self.limits.inline_message;
            let parts = self.parts(parts)?;
            let mut message = Message::new(own, parent, role, parts, created_ms);
            message.state = state;
            message.finish = finish;
            message.model = model.map(|model| model_name(app, model));
            message.source = Some(SourceRef {
                app: app.to_owned(),
                id,
            });
            messages.push(message);
        }
        conversation.active_leaf = current.and_then(|at| messages.get(at)).map(|leaf| leaf.id);
        conversation.source = Some(source);
        Ok((conversation, messages))
    }

    /// Whether a text stays within its message, which then has that much less room.
    fn fits(&mut self, text: &str, limit: usize) -> bool {
        match self.left.checked_sub(text.len()) {
            Some(left) if text.len() <= limit => {
                self.left = left;
                true
            }
            _ => false,
        }
    }

    fn parts(&mut self, parts: Vec<NeutralPart>) -> Result<Vec<Part>, ImportError> {
        let mut converted = Vec::with_capacity(parts.len());
        for part in parts {
            let part = match part {
                NeutralPart::Text(text) => {
                    if self.fits(&text, self.limits.inline_text) {
                        Part::Text(text)
                    } else {
                        Part::LongText(self.text_file(&text, None)?)
                    }
                }
                NeutralPart::Thinking(text) => {
                    if self.fits(&text, usize::MAX) {
                        Part::Thinking(ThinkingBlock {
                            text,
                            ..ThinkingBlock::default()
                        })
                    } else {
                        let file = self.text_file(&text, Some("thinking.txt".to_owned()))?;
                        Part::File(Media::Stored(file))
                    }
                }
                NeutralPart::ToolCall {
                    id,
                    name,
                    mut arguments,
                } => {
                    if !self.fits(&arguments, usize::MAX) {
                        let file = "arguments.json".to_owned();
                        let file = self.text_file(&arguments, Some(file))?;
                        converted.push(Part::File(Media::Stored(file)));
                        arguments = String::new();
                    }
                    Part::ToolCall(ToolCall {
                        id,
                        name,
                        arguments_json: as_object(arguments),
                        signature: None,
                    })
                }
                NeutralPart::ToolResult {
                    call,
                    name,
                    content,
                    is_error,
                } => Part::ToolResult(ToolResult {
                    call_id: call,
                    name,
                    content: self.result(content)?,
                    is_error,
                    extras: Vec::new(),
                }),
                NeutralPart::File(file) => {
                    let kind = file.kind;
                    let media = self.file(file)?;
                    match kind {
                        FileKind::Image => Part::Image(media),
                        FileKind::Audio => Part::Audio(media),
                        FileKind::File => Part::File(media),
                    }
                }
            };
            converted.push(part);
        }
        Ok(converted)
    }

    fn result(&mut self, content: Vec<NeutralPart>) -> Result<Vec<ResultPart>, ImportError> {
        let mut converted = Vec::with_capacity(content.len());
        for part in content {
            converted.push(match part {
                NeutralPart::Text(text)
                | NeutralPart::Thinking(text)
                | NeutralPart::ToolCall {
                    arguments: text, ..
                } => {
                    if self.fits(&text, self.limits.inline_text) {
                        ResultPart::Text(text)
                    } else {
                        ResultPart::File(Media::Stored(self.text_file(&text, None)?))
                    }
                }
                NeutralPart::File(file) => {
                    let image = file.kind == FileKind::Image;
                    let media = self.file(file)?;
                    if image {
                        ResultPart::Image(media)
                    } else {
                        ResultPart::File(media)
                    }
                }
                // No format puts a result into a result; should one, its parts are kept.
                NeutralPart::ToolResult { content, .. } => {
                    converted.extend(self.result(content)?);
                    continue;
                }
            });
        }
        Ok(converted)
    }

    fn text_file(&mut self, text: &str, name: Option<String>) -> Result<Attachment, ImportError> {
        match put(self.files, &mut text.as_bytes(), u64::MAX) {
            Ok(stored) => {
                self.report.files += 1;
                Ok(attachment(
                    stored,
                    "text/plain; charset=utf-8".to_owned(),
                    name,
                ))
            }
            Err(Unstored::Fatal(error)) => Err(error),
            Err(Unstored::Unreadable) => Err(ImportError::Store(std::io::Error::other(
                "a text could not be read back from memory",
            ))),
        }
    }

    fn file(&mut self, file: NeutralFile) -> Result<Media, ImportError> {
        let NeutralFile {
            kind,
            name,
            media_type,
            bytes,
        } = file;
        let limit = self.limits.file_bytes;
        let (stored, found_name) = match bytes {
            FileBytes::Url(url) => return Ok(Media::Url(url)),
            FileBytes::Text(text) => {
                return self.text_file(&text, name).map(Media::Stored);
            }
            FileBytes::DataUrl(url) => {
                let body = url.split_once(";base64,").map(|(_, body)| body);
                let stored = body.map(|body| {
                    let mut bytes = DecoderReader::new(body.trim().as_bytes(), &BASE64);
                    put(self.files, &mut bytes, limit)
                });
                (stored, None)
            }
            FileBytes::Named(names) => {
                let archive = self.archive.as_deref_mut();
                let found = archive.and_then(|archive| {
                    let index = names.iter().find_map(|name| archive.find(name))?;
                    Some((archive, index))
                });
                match found {
                    None => {
                        let name = name.or_else(|| names.into_iter().next());
                        return Ok(self.absent(kind, name, media_type));
                    }
                    Some((archive, index)) => match archive.file(index) {
                        Err(_) => (None, None),
                        Ok((entry, mut reader)) => {
                            let stored = put(self.files, &mut reader as &mut dyn Read, limit);
                            (Some(stored), Some(entry))
                        }
                    },
                }
            }
        };
        match stored {
            Some(Ok(stored)) => {
                self.report.files += 1;
                let named = name.as_deref().or(found_name.as_deref());
                let media_type = media_type
                    .or_else(|| named.and_then(guess))
                    .unwrap_or_else(|| "application/octet-stream".to_owned());
                let name = name.or(found_name);
                Ok(Media::Stored(attachment(stored, media_type, name)))
            }
            Some(Err(Unstored::Fatal(error))) => Err(error),
            Some(Err(Unstored::Unreadable)) | None => {
                Ok(self.absent(kind, name.or(found_name), media_type))
            }
        }
    }

    /// The place of a file that the export does not hold.
    fn absent(
        &mut self,
        kind: FileKind,
        name: Option<String>,
        media_type: Option<String>,
    ) -> Media {
        let name = name.map(|name| match too_long(&name) {
            Some(size) => format!("a file of {size} bytes, over the limit"),
            None => name,
        });
        let shown = name.clone().unwrap_or_else(|| {
            let kind = match kind {
                FileKind::Image => "an image",
                FileKind::Audio => "a sound",
                FileKind::File => "a file",
            };
            format!("{kind} without a name")
        });
        self.report.missing(self.index, shown);
        let what = serde_json::json!({ "name": name, "media_type": media_type });
        Media::Other(Extra {
            name: super::MISSING_FILE.to_owned(),
            json: what.to_string(),
        })
    }
}

fn attachment(stored: StoredFile, media_type: String, name: Option<String>) -> Attachment {
    Attachment {
        blake3: stored.hash,
        media_type,
        name,
        size: stored.size,
        text: None,
    }
}

fn model_name(app: &str, model: String) -> ModelName {
    ModelName {
        provider: app.to_owned(),
        model,
    }
}

fn guess(name: &str) -> Option<String> {
    mime_guess::from_path(name).first_raw().map(str::to_owned)
}

/// A call's arguments are a JSON object; code that was sent to a tool becomes one.
fn as_object(arguments: String) -> String {
    let object = serde_json::from_str::<&serde_json::value::RawValue>(&arguments);
    if object.is_ok_and(|object| object.get().starts_with('{')) {
        return arguments;
    }
    if arguments.is_empty() {
        return "{}".to_owned();
    }
    serde_json::json!({ "input": arguments }).to_string()
}
