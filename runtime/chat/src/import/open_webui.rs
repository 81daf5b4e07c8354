//! Open WebUI's export: an array of rows with a `chat`, whose `history.messages` is the tree; older
//! ones have only the list `chat.messages`.

use serde::Deserialize;

use super::any::{Entries, Time, any, objects};
use super::element::Element;
use super::neutral::{
    FileBytes, Neutral, NeutralFile, NeutralFolder, NeutralMessage, NeutralPart, Node,
};
use crate::model::{Role, State};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WebUiChat {
    #[serde(deserialize_with = "any")]
    id: Option<String>,
    #[serde(deserialize_with = "any")]
    title: Option<String>,
    #[serde(deserialize_with = "any")]
    models: Vec<Option<String>>,
    #[serde(deserialize_with = "any")]
    system: Option<String>,
    #[serde(deserialize_with = "any")]
    params: Params,
    #[serde(deserialize_with = "any")]
    history: History,
    #[serde(deserialize_with = "any")]
    messages: Vec<WebUiMessage>,
    #[serde(deserialize_with = "any")]
    timestamp: Time,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(deserialize_with = "any")]
    system: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct History {
    #[serde(deserialize_with = "any")]
    messages: Entries<WebUiMessage>,
    #[serde(rename = "currentId", deserialize_with = "any")]
    current_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WebUiMessage {
    #[serde(deserialize_with = "any")]
    id: Option<String>,
    #[serde(rename = "parentId", deserialize_with = "any")]
    parent_id: Option<String>,
    #[serde(rename = "childrenIds", deserialize_with = "any")]
    children_ids: Vec<Option<String>>,
    #[serde(deserialize_with = "any")]
    role: Option<String>,
    #[serde(deserialize_with = "any")]
    content: Content,
    #[serde(deserialize_with = "any")]
    timestamp: Time,
    #[serde(deserialize_with = "any")]
    model: Option<String>,
    #[serde(deserialize_with = "any")]
    done: Option<Flag>,
    #[serde(deserialize_with = "any")]
    error: Option<Present>,
    #[serde(deserialize_with = "any")]
    files: Vec<WebUiFile>,
}

/// A flag of which it matters that it is there.
#[derive(Debug, Clone, Copy)]
struct Flag(bool);

impl super::any::Any for Option<Flag> {
    fn flag(flag: bool) -> Self {
        Some(Flag(flag))
    }
}

/// Some value that is not null and not false; its text, if it has one.
#[derive(Debug)]
struct Present(Option<String>);

impl super::any::Any for Option<Present> {
    fn flag(flag: bool) -> Self {
        flag.then_some(Present(None))
    }
    fn text(text: String) -> Self {
        Some(Present(Some(text)))
    }
    fn object<'de, A: serde::de::MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut text = None;
        while let Some(key) = object.next_key::<String>()? {
            let super::any::Lenient(value) =
                object.next_value::<super::any::Lenient<Option<String>>>()?;
            if matches!(key.as_str(), "content" | "message" | "detail") {
                text = text.or(value);
            }
        }
        Ok(Some(Present(text)))
    }
}

/// Text, or parts as a provider takes them.
#[derive(Debug, Default)]
enum Content {
    #[default]
    Nothing,
    Text(String),
    Parts(Vec<ContentPart>),
}

impl super::any::Any for Content {
    fn text(text: String) -> Self {
        Self::Text(text)
    }
    fn list<'de, A: serde::de::SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::list(list).map(Self::Parts)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContentPart {
    #[serde(deserialize_with = "any")]
    text: Option<String>,
    #[serde(deserialize_with = "any")]
    image_url: ImageUrl,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ImageUrl {
    #[serde(deserialize_with = "any")]
    url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WebUiFile {
    #[serde(rename = "type", deserialize_with = "any")]
    kind: Option<String>,
    #[serde(deserialize_with = "any")]
    url: Option<String>,
    #[serde(deserialize_with = "any")]
    id: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
    #[serde(deserialize_with = "any")]
    content_type: Option<String>,
    #[serde(deserialize_with = "any")]
    file: InnerFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InnerFile {
    #[serde(deserialize_with = "any")]
    filename: Option<String>,
    #[serde(deserialize_with = "any")]
    data: InnerData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InnerData {
    #[serde(deserialize_with = "any")]
    content: Option<String>,
}

objects!(
    WebUiChat,
    Params,
    History,
    WebUiMessage,
    ContentPart,
    ImageUrl,
    WebUiFile,
    InnerFile,
    InnerData,
);

/// Reads a row with a `chat`.
pub(super) fn read(element: Element, chat: WebUiChat) -> Neutral {
    let nodes = match chat.history.messages.0 {
        Some(messages) if !messages.is_empty() => messages
            .into_iter()
            .map(|(key, message)| message.node(key))
            .collect(),
        _ => in_line(chat.messages),
    };
    Neutral {
        app: "open-webui",
        id: element.id.or(chat.id),
        title: element.title.or(chat.title),
        created_ms: element.created_at.0.or(chat.timestamp.0),
        updated_ms: element.updated_at.0,
        folder: element
            .folder_id
            .map(|id| NeutralFolder::unnamed("Open WebUI folder", id)),
        archived: element.archived,
        pinned: element.pinned,
        model: chat.models.into_iter().flatten().next(),
        system_prompt: chat
            .params
            .system
            .or(chat.system)
            .filter(|prompt| !prompt.trim().is_empty()),
        nodes,
        current: chat.history.current_id,
    }
}

/// The list of an older export: each message follows the one before, unless it says otherwise.
fn in_line(messages: Vec<WebUiMessage>) -> Vec<Node> {
    let mut before: Option<String> = None;
    let mut nodes = Vec::with_capacity(messages.len());
    for (at, message) in messages.into_iter().enumerate() {
        let mut node = message.node(format!("#{at}"));
        if node.parent.is_none() && node.children.is_empty() {
            node.parent.clone_from(&before);
        }
        before = Some(node.id.clone());
        nodes.push(node);
    }
    nodes
}

impl WebUiMessage {
    fn node(self, key: String) -> Node {
        Node {
            id: self.id.clone().unwrap_or(key),
            parent: self.parent_id.clone(),
            children: self.children_ids.iter().flatten().cloned().collect(),
            message: Some(self.read()),
            lead: false,
        }
    }

    fn read(self) -> NeutralMessage {
        let role = match self.role.as_deref().unwrap_or_default() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            "tool" => Role::Tool,
            other => Role::Unknown(other.to_owned()),
        };
        let mut message = NeutralMessage::new(role);
        message.created_ms = self.timestamp.0;
        message.model = self.model;
        if message.role == Role::Assistant && self.done.is_some_and(|done| !done.0) {
            message.state = State::Interrupted;
        }
        match self.content {
            Content::Nothing => {}
            Content::Text(text) => split_thinking(text, &mut message),
            Content::Parts(parts) => {
                for part in parts {
                    message.push_text(part.text);
                    if let Some(url) = part.image_url.url {
                        let file = NeutralFile::at(url, None, None);
                        message.parts.push(NeutralPart::File(file));
                    }
                }
            }
        }
        if let Some(Present(text)) = self.error {
            message.state = State::Failed;
            if message.parts.is_empty() {
                message.push_text(text);
            }
        }
        for file in self.files {
            message.parts.push(NeutralPart::File(file.read()));
        }
        message
    }
}

/// Thinking stands within the text, as `<details type="reasoning">` at its beginning.
fn split_thinking(text: String, message: &mut NeutralMessage) {
    let mut rest = text.as_str();
    while let Some(block) = rest
        .trim_start()
        .strip_prefix("<details type=\"reasoning\"")
    {
        let parts = block
            .split_once('>')
            .and_then(|(_, body)| body.split_once("</details>"));
        let Some((body, after)) = parts else { break };
        let body = match body.trim_start().strip_prefix("<summary>") {
            Some(summary) => summary
                .split_once("</summary>")
                .map_or(body, |(_, body)| body),
            None => body,
        };
        // Written as a quotation, and escaped.
        let lines = body.trim().lines().map(|line| {
            let line = line.strip_prefix("&gt;").or(line.strip_prefix('>'));
            line.map_or("", |line| line.strip_prefix(' ').unwrap_or(line))
        });
        let quoted = body.trim_start().starts_with("&gt;") || body.trim_start().starts_with('>');
        let thinking = if quoted {
            lines.collect::<Vec<_>>().join("\n")
        } else {
            body.trim().to_owned()
        };
        message.parts.push(NeutralPart::Thinking(thinking));
        rest = after;
    }
    let rest = if rest.len() == text.len() {
        text
    } else {
        rest.trim_start().to_owned()
    };
    message.push_text(Some(rest));
}

impl WebUiFile {
    fn read(self) -> NeutralFile {
        let image = self.kind.as_deref() == Some("image");
        let name = self.name.or(self.file.filename);
        if let Some(text) = self.file.data.content.filter(|text| !text.is_empty()) {
            return NeutralFile {
                kind: super::neutral::FileKind::File,
                name,
                media_type: Some("text/plain".to_owned()),
                bytes: FileBytes::Text(text),
            };
        }
        let names = [self.id, self.url.clone(), name.clone()];
        let mut file = match self.url {
            Some(url) if url.contains(':') => NeutralFile::at(url, name, self.content_type),
            _ => NeutralFile {
                kind: NeutralFile::kind_of(self.content_type.as_deref()),
                name,
                media_type: self.content_type,
                bytes: FileBytes::Named(names.into_iter().flatten().collect()),
            },
        };
        if image {
            file.kind = super::neutral::FileKind::Image;
        }
        file
    }
}
