//! Claude's `conversations.json`: `chat_messages` with their parents, where the export has them.

use serde::Deserialize;

use super::any::{Compact, Time, any, objects};
use super::element::Element;
use super::neutral::{
    FileBytes, FileKind, Neutral, NeutralFile, NeutralFolder, NeutralMessage, NeutralPart, Node,
};
use crate::model::{Finish, Role};

/// The parent of a first message.
const ROOT: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ClaudeMessage {
    #[serde(deserialize_with = "any")]
    uuid: Option<String>,
    #[serde(deserialize_with = "any")]
    parent_message_uuid: Option<String>,
    #[serde(deserialize_with = "any")]
    sender: Option<String>,
    #[serde(deserialize_with = "any")]
    text: Option<String>,
    #[serde(deserialize_with = "any")]
    content: Vec<Block>,
    #[serde(deserialize_with = "any")]
    created_at: Time,
    #[serde(deserialize_with = "any")]
    attachments: Vec<Attachment>,
    #[serde(deserialize_with = "any")]
    files: Vec<FileRef>,
    #[serde(deserialize_with = "any")]
    files_v2: Vec<FileRef>,
    #[serde(deserialize_with = "any")]
    stop_reason: Option<String>,
    #[serde(deserialize_with = "any")]
    model: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Block {
    #[serde(rename = "type", deserialize_with = "any")]
    kind: Option<String>,
    #[serde(deserialize_with = "any")]
    text: Option<String>,
    #[serde(deserialize_with = "any")]
    thinking: Option<String>,
    #[serde(deserialize_with = "any")]
    id: Option<String>,
    #[serde(deserialize_with = "any")]
    tool_use_id: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
    #[serde(deserialize_with = "any")]
    input: Compact,
    #[serde(deserialize_with = "any")]
    content: BlockContent,
    #[serde(deserialize_with = "any")]
    is_error: bool,
    #[serde(deserialize_with = "any")]
    source: Image,
}

/// A tool's result is text or blocks.
#[derive(Debug, Default)]
enum BlockContent {
    #[default]
    Nothing,
    Text(String),
    Blocks(Vec<ResultBlock>),
}

impl super::any::Any for BlockContent {
    fn text(text: String) -> Self {
        Self::Text(text)
    }
    fn list<'de, A: serde::de::SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::list(list).map(Self::Blocks)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResultBlock {
    #[serde(deserialize_with = "any")]
    text: Option<String>,
    #[serde(deserialize_with = "any")]
    title: Option<String>,
    #[serde(deserialize_with = "any")]
    url: Option<String>,
    #[serde(deserialize_with = "any")]
    source: Image,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Image {
    #[serde(deserialize_with = "any")]
    media_type: Option<String>,
    #[serde(deserialize_with = "any")]
    data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attachment {
    #[serde(deserialize_with = "any")]
    file_name: Option<String>,
    #[serde(deserialize_with = "any")]
    extracted_content: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileRef {
    #[serde(deserialize_with = "any")]
    file_uuid: Option<String>,
    #[serde(deserialize_with = "any")]
    file_name: Option<String>,
    #[serde(deserialize_with = "any")]
    file_kind: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Project {
    #[serde(deserialize_with = "any")]
    uuid: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
}

objects!(
    ClaudeMessage,
    Block,
    ResultBlock,
    Image,
    Attachment,
    FileRef,
    Project,
);

/// Reads a conversation with `chat_messages`.
pub(super) fn read(element: Element, messages: Vec<ClaudeMessage>) -> Neutral {
    let folder = element.project.and_then(|project| {
        let name = project.name?;
        let id = project.uuid.unwrap_or_else(|| name.clone());
        Some(NeutralFolder { id, name })
    });
    // Without a single parent the list is one line.
    let in_line = messages
        .iter()
        .all(|message| message.parent_message_uuid.is_none());
    let mut before = None;
    let mut nodes = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        let id = message.uuid.clone().unwrap_or_else(|| format!("#{at}"));
        let parent = if in_line {
            before.replace(id.clone())
        } else {
            let named = message.parent_message_uuid.clone();
            named.filter(|parent| parent != ROOT)
        };
        nodes.push(Node {
            id,
            parent,
            message: Some(message.read()),
            ..Node::default()
        });
    }
    Neutral {
        app: "claude",
        id: element.uuid,
        title: element.name,
        created_ms: element.created_at.0,
        updated_ms: element.updated_at.0,
        folder,
        archived: element.is_archived,
        pinned: element.is_starred,
        model: element.model,
        system_prompt: None,
        nodes,
        current: element.current_leaf_message_uuid,
    }
}

impl ClaudeMessage {
    fn read(self) -> NeutralMessage {
        let role = match self.sender.as_deref().unwrap_or_default() {
            "human" | "user" => Role::User,
            "assistant" => Role::Assistant,
            other => Role::Unknown(other.to_owned()),
        };
        let mut message = NeutralMessage::new(role);
        message.created_ms = self.created_at.0;
        message.model = self.model;
        message.finish = match self.stop_reason.as_deref() {
            Some("end_turn" | "stop_sequence") => Some(Finish::Stop),
            Some("max_tokens") => Some(Finish::MaxTokens),
            Some("refusal") => Some(Finish::Refusal),
            Some("user_canceled") => Some(Finish::Cancelled),
            _ => None,
        };
        for block in self.content {
            block.read(&mut message);
        }
        // Older exports have the text only beside the blocks; newer ones repeat it there.
        let blocks_speak = message
            .parts
            .iter()
            .any(|part| matches!(part, NeutralPart::Text(_)));
        if !blocks_speak {
            message.push_text(self.text);
        }
        for attachment in self.attachments {
            let text = attachment.extracted_content.filter(|text| !text.is_empty());
            let name = attachment.file_name.filter(|name| !name.is_empty());
            message.parts.push(NeutralPart::File(NeutralFile {
                kind: FileKind::File,
                media_type: text.is_some().then(|| "text/plain".to_owned()),
                bytes: match text {
                    Some(text) => FileBytes::Text(text),
                    None => FileBytes::Named(name.clone().into_iter().collect()),
                },
                name,
            }));
        }
        // The same files under an older and a newer name.
        let files = if self.files_v2.is_empty() {
            self.files
        } else {
            self.files_v2
        };
        for file in files {
            let image = file.file_kind.as_deref() == Some("image");
            let names = [file.file_uuid, file.file_name.clone()];
            message.parts.push(NeutralPart::File(NeutralFile {
                kind: if image {
                    FileKind::Image
                } else {
                    FileKind::File
                },
                name: file.file_name,
                media_type: None,
                bytes: FileBytes::Named(names.into_iter().flatten().collect()),
            }));
        }
        message
    }
}

impl Block {
    fn read(self, message: &mut NeutralMessage) {
        match self.kind.as_deref().unwrap_or("text") {
            "text" => message.push_text(self.text),
            "thinking" => {
                let thinking = self.thinking.or(self.text);
                if let Some(thinking) = thinking.filter(|thinking| !thinking.is_empty()) {
                    message.parts.push(NeutralPart::Thinking(thinking));
                }
            }
            "tool_use" | "server_tool_use" => message.parts.push(NeutralPart::ToolCall {
                id: self.id.unwrap_or_default(),
                name: self.name.unwrap_or_default(),
                arguments: self.input.0.unwrap_or_default(),
            }),
            "tool_result" => {
                let content = self.content.read();
                message.parts.push(NeutralPart::ToolResult {
                    call: self.tool_use_id.unwrap_or_default(),
                    name: self.name,
                    content,
                    is_error: self.is_error,
                });
            }
            "image" => message.parts.extend(self.source.read()),
            // A block that only counts tokens or flags has no text, and then nothing is added.
            _ => message.push_text(self.text),
        }
    }
}

impl BlockContent {
    fn read(self) -> Vec<NeutralPart> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Text(text) => vec![NeutralPart::Text(text)],
            Self::Blocks(blocks) => {
                let mut parts = Vec::new();
                for block in blocks {
                    let texts = [block.title, block.url, block.text];
                    let texts: Vec<String> = texts.into_iter().flatten().collect();
                    if !texts.is_empty() {
                        parts.push(NeutralPart::Text(texts.join("\n")));
                    }
                    parts.extend(block.source.read());
                }
                parts
            }
        }
    }
}

impl Image {
    fn read(self) -> Option<NeutralPart> {
        let media_type = self.media_type.unwrap_or_else(|| "image/png".to_owned());
        let url = format!("data:{media_type};base64,{}", self.data?);
        let file = NeutralFile::at(url, None, Some(media_type));
        Some(NeutralPart::File(file))
    }
}
