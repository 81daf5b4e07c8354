//! LibreChat's export of one conversation: `messages` in a list with parents, or `messagesTree` with
//! `children` within each other.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::any::{Compact, Lenient, Time, any, objects};
use super::element::Element;
use super::neutral::{Neutral, NeutralFile, NeutralMessage, NeutralPart, Node};
use crate::model::{Role, State};

/// The parent of a first message.
const ROOT: &str = "00000000-0000-0000-0000-000000000000";

/// The stack that one step down a tree is sure to have, and what is added when it is short, bytes.
const STACK: (usize, usize) = (128 * 1024, 2 * 1024 * 1024);

/// Messages of either form, flat: those within `children` know their parent by place.
#[derive(Debug, Default)]
pub(super) struct LibreTree {
    pub was_there: bool,
    messages: Vec<LibreMessage>,
}

#[derive(Debug, Default)]
struct LibreMessage {
    /// The message whose `children` it stands in.
    above: Option<usize>,
    id: Option<String>,
    parent: Option<String>,
    text: Option<String>,
    content: Vec<LibrePart>,
    sender: Option<String>,
    by_user: Option<bool>,
    created: Time,
    model: Option<String>,
    unfinished: bool,
    error: bool,
    files: Vec<LibreFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LibrePart {
    #[serde(rename = "type", deserialize_with = "any")]
    kind: Option<String>,
    #[serde(deserialize_with = "any")]
    text: TextOrValue,
    #[serde(deserialize_with = "any")]
    think: TextOrValue,
    #[serde(deserialize_with = "any")]
    tool_call: LibreCall,
    #[serde(deserialize_with = "any")]
    image_url: LibreUrl,
}

/// `"text"` or `{"value": "text"}`.
#[derive(Debug, Default)]
struct TextOrValue(Option<String>);

impl super::any::Any for TextOrValue {
    fn text(text: String) -> Self {
        Self(Some(text))
    }
    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut found = Self::default();
        while let Some(key) = object.next_key::<String>()? {
            let Lenient(value) = object.next_value::<Lenient<Option<String>>>()?;
            if key == "value" {
                found.0 = value;
            }
        }
        Ok(found)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LibreCall {
    #[serde(deserialize_with = "any")]
    id: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
    #[serde(deserialize_with = "any")]
    args: Compact,
    #[serde(deserialize_with = "any")]
    output: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LibreUrl {
    #[serde(deserialize_with = "any")]
    url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LibreFile {
    #[serde(deserialize_with = "any")]
    file_id: Option<String>,
    #[serde(deserialize_with = "any")]
    filename: Option<String>,
    #[serde(rename = "type", deserialize_with = "any")]
    media_type: Option<String>,
}

/// The settings of a conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    #[serde(deserialize_with = "any")]
    model: Option<String>,
    #[serde(rename = "promptPrefix", deserialize_with = "any")]
    prompt_prefix: Option<String>,
    #[serde(deserialize_with = "any")]
    system: Option<String>,
}

objects!(LibrePart, LibreCall, LibreUrl, LibreFile, Options);

impl<'de> Deserialize<'de> for LibreTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tree = Self::default();
        let seed = Branch {
            messages: &mut tree.messages,
            above: None,
        };
        tree.was_there = seed.deserialize(deserializer)?;
        Ok(tree)
    }
}

/// A list of messages, added to `messages`. Gives whether there was a list.
struct Branch<'a> {
    messages: &'a mut Vec<LibreMessage>,
    above: Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Branch<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        let (red_zone, more) = STACK;
        stacker::maybe_grow(red_zone, more, || deserializer.deserialize_any(self))
    }
}

/// Values that are not what they should be count as nothing.
macro_rules! nothing {
    ($value:expr) => {
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

impl<'de> Visitor<'de> for Branch<'_> {
    type Value = bool;
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("messages")
    }
    nothing!(false);
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        loop {
            let one = One {
                messages: &mut *self.messages,
                above: self.above,
            };
            if list.next_element_seed(one)?.is_none() {
                return Ok(true);
            }
        }
    }
}

/// One message, and those within it.
struct One<'a> {
    messages: &'a mut Vec<LibreMessage>,
    above: Option<usize>,
}

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();
    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a message")
    }
    nothing!(());
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        fn value<'de, T: super::any::Any, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
            map.next_value().map(|Lenient(value)| value)
        }
        // Its place is taken first, so that its children can name it.
        let place = self.messages.len();
        self.messages.push(LibreMessage::default());
        let mut message = LibreMessage {
            above: self.above,
            ..LibreMessage::default()
        };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "messageId" => message.id = value(&mut map)?,
                "parentMessageId" => message.parent = value(&mut map)?,
                "text" => message.text = value(&mut map)?,
                "content" => message.content = value(&mut map)?,
                "sender" => message.sender = value(&mut map)?,
                "isCreatedByUser" => message.by_user = Some(value(&mut map)?),
                "createdAt" => message.created = value(&mut map)?,
                "model" => message.model = value(&mut map)?,
                "unfinished" => message.unfinished = value(&mut map)?,
                "error" => message.error = value(&mut map)?,
                "files" | "attachments" => message.files.append(&mut value(&mut map)?),
                "children" => {
                    map.next_value_seed(Branch {
                        messages: &mut *self.messages,
                        above: Some(place),
                    })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if let Some(slot) = self.messages.get_mut(place) {
            *slot = message;
        }
        Ok(())
    }
}

/// Reads a conversation of either form.
pub(super) fn read(element: Element, tree: LibreTree) -> Neutral {
    let ids: Vec<String> = tree
        .messages
        .iter()
        .enumerate()
        .map(|(at, message)| message.id.clone().unwrap_or_else(|| format!("#{at}")))
        .collect();
    let mut nodes = Vec::with_capacity(ids.len());
    let mut updated = element.updated.0;
    for (message, id) in tree.messages.into_iter().zip(&ids) {
        let above = message.above.and_then(|above| ids.get(above).cloned());
        let named = message.parent.clone().filter(|parent| parent != ROOT);
        updated = updated.max(message.created.0);
        nodes.push(Node {
            id: id.clone(),
            parent: above.or(named),
            message: Some(message.read()),
            ..Node::default()
        });
    }
    let options = element.options;
    Neutral {
        app: "librechat",
        id: element.conversation_key,
        title: element.title,
        created_ms: element.created.0,
        updated_ms: updated,
        archived: element.is_archived,
        model: options.model.or(element.model),
        system_prompt: options
            .prompt_prefix
            .or(options.system)
            .filter(|prompt| !prompt.trim().is_empty()),
        nodes,
        ..Neutral::default()
    }
}

impl LibreMessage {
    fn read(self) -> NeutralMessage {
        let by_user = self
            .by_user
            .unwrap_or(matches!(self.sender.as_deref(), Some("User" | "user")));
        let mut message = NeutralMessage::new(if by_user { Role::User } else { Role::Assistant });
        message.created_ms = self.created.0;
        message.model = self.model.filter(|_| !by_user);
        if self.error {
            message.state = State::Failed;
        } else if self.unfinished {
            message.state = State::Interrupted;
        }
        message.push_text(self.text);
        let text_was_there = !message.parts.is_empty();
        for part in self.content {
            part.read(&mut message, text_was_there);
        }
        for file in self.files {
            let names = [file.file_id, file.filename.clone()];
            message.parts.push(NeutralPart::File(NeutralFile {
                kind: NeutralFile::kind_of(file.media_type.as_deref()),
                name: file.filename,
                media_type: file.media_type,
                bytes: super::neutral::FileBytes::Named(names.into_iter().flatten().collect()),
            }));
        }
        message
    }
}

impl LibrePart {
    fn read(self, message: &mut NeutralMessage, text_was_there: bool) {
        match self.kind.as_deref().unwrap_or("text") {
            "text" | "error" if !text_was_there => message.push_text(self.text.0),
            "think" => {
                if let Some(thinking) = self.think.0.filter(|thinking| !thinking.is_empty()) {
                    message.parts.push(NeutralPart::Thinking(thinking));
                }
            }
            "tool_call" => {
                let call = self.tool_call;
                let id = call.id.unwrap_or_default();
                message.parts.push(NeutralPart::ToolCall {
                    id: id.clone(),
                    name: call.name.clone().unwrap_or_default(),
                    arguments: call.args.0.unwrap_or_default(),
                });
                if let Some(output) = call.output {
                    message.parts.push(NeutralPart::ToolResult {
                        call: id,
                        name: call.name,
                        content: vec![NeutralPart::Text(output)],
                        is_error: false,
                    });
                }
            }
            "image_url" | "image_file" => {
                if let Some(url) = self.image_url.url {
                    let file = NeutralFile::at(url, None, None);
                    message.parts.push(NeutralPart::File(file));
                }
            }
            _ => {}
        }
    }
}
