//! ChatGPT's `conversations.json`: a `mapping` of nodes, of which a person saw some.

use serde::Deserialize;

use super::any::{Any, Time, any, objects};
use super::chatgpt_content::{Content, FileRef, Reference};
use super::element::Element;
use super::neutral::{FileBytes, Neutral, NeutralFolder, NeutralMessage, NeutralPart, Node};
use crate::model::{Finish, Role, State};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GptNode {
    #[serde(deserialize_with = "any")]
    parent: Option<String>,
    #[serde(deserialize_with = "any")]
    children: Vec<Option<String>>,
    #[serde(deserialize_with = "any")]
    message: Option<Box<GptMessage>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GptMessage {
    #[serde(deserialize_with = "any")]
    author: Author,
    #[serde(deserialize_with = "any")]
    create_time: Time,
    #[serde(deserialize_with = "any")]
    content: Content,
    #[serde(deserialize_with = "any")]
    status: Option<String>,
    #[serde(deserialize_with = "any")]
    weight: Option<f64>,
    #[serde(deserialize_with = "any")]
    recipient: Option<String>,
    #[serde(deserialize_with = "any")]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Author {
    #[serde(deserialize_with = "any")]
    role: Option<String>,
    #[serde(deserialize_with = "any")]
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "any")]
    model_slug: Option<String>,
    #[serde(deserialize_with = "any")]
    is_visually_hidden_from_conversation: bool,
    #[serde(deserialize_with = "any")]
    is_user_system_message: bool,
    #[serde(deserialize_with = "any")]
    attachments: Vec<FileRef>,
    #[serde(deserialize_with = "any")]
    finish_details: FinishDetails,
    #[serde(deserialize_with = "any")]
    content_references: Vec<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FinishDetails {
    #[serde(rename = "type", deserialize_with = "any")]
    kind: Option<String>,
}

objects!(GptNode, GptMessage, Author, Metadata, FinishDetails,);

impl Any for Option<Box<GptMessage>> {
    fn object<'de, A: serde::de::MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        GptMessage::object(object).map(|message| Some(Box::new(message)))
    }
}

/// Reads a conversation with a `mapping`.
pub(super) fn read(element: Element, mapping: Vec<(String, GptNode)>) -> Neutral {
    let mut conversation = Neutral {
        app: "chatgpt",
        id: element.conversation_id.or(element.id),
        title: element.title,
        created_ms: element.create_time.0,
        updated_ms: element.update_time.0,
        folder: element
            .gizmo_id
            .into_iter()
            .chain(element.conversation_template_id)
            .find(|id| id.starts_with("g-p-"))
            .map(|id| NeutralFolder::unnamed("ChatGPT project", id)),
        archived: element.is_archived,
        pinned: element.is_starred,
        model: element.default_model_slug,
        current: element.current_node,
        ..Neutral::default()
    };
    for (id, node) in mapping {
        let mut lead = false;
        let message = node.message.and_then(|message| {
            let kind = message.content.content_type.as_deref();
            lead = matches!(kind, Some("thoughts" | "reasoning_recap"));
            let parent = node.parent.as_deref();
            message.read(&id, parent, &mut conversation.system_prompt)
        });
        conversation.nodes.push(Node {
            id,
            parent: node.parent,
            children: node.children.into_iter().flatten().collect(),
            message,
            lead,
        });
    }
    conversation
}

impl GptMessage {
    /// What a person saw of it.
    fn read(
        self,
        id: &str,
        parent: Option<&str>,
        system_prompt: &mut Option<String>,
    ) -> Option<NeutralMessage> {
        let role = self.author.role.as_deref().unwrap_or_default();
        let kind = self.content.content_type.clone();
        let kind = kind.as_deref().unwrap_or("text");
        if kind == "user_editable_context" {
            // The person's own instructions; later ones replace earlier ones.
            if let Some(prompt) = self.content.instructions() {
                *system_prompt = Some(prompt);
            }
            return None;
        }
        if self.metadata.is_user_system_message {
            let prompt = self.content.plain();
            if !prompt.trim().is_empty() {
                *system_prompt = Some(prompt);
            }
            return None;
        }
        if self.metadata.is_visually_hidden_from_conversation
            || kind == "model_editable_context"
            || (self.weight == Some(0.0) && matches!(role, "system" | "tool"))
        {
            return None;
        }
        let role = match role {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            "system" | "developer" => Role::System,
            other => Role::Unknown(other.to_owned()),
        };
        let mut message = NeutralMessage::new(role);
        message.model = self.metadata.model_slug;
        message.created_ms = self.create_time.0;
        if message.role == Role::Assistant {
            message.state = match self.status.as_deref() {
                Some("in_progress") => State::Interrupted,
                _ => State::Complete,
            };
            message.finish = match self.metadata.finish_details.kind.as_deref() {
                Some("stop") => Some(Finish::Stop),
                Some("max_tokens") => Some(Finish::MaxTokens),
                Some("interrupted") => Some(Finish::Cancelled),
                _ => None,
            };
        }
        if kind == "reasoning_recap" {
            // Only "Thought for 4 seconds"; what was thought passes through it.
            return Some(message);
        }
        let files = self.metadata.attachments;
        let references = self.metadata.content_references;
        let recipient = self.recipient.filter(|to| to != "all" && !to.is_empty());
        let call = recipient.filter(|_| message.role == Role::Assistant);
        match call {
            Some(name) => {
                let arguments = self.content.plain();
                if !arguments.is_empty() {
                    message.parts.push(NeutralPart::ToolCall {
                        id: id.to_owned(),
                        name,
                        arguments,
                    });
                }
            }
            None => self.content.read(&mut message.parts, &files, &references),
        }
        for file in files {
            let id = file.id.clone().unwrap_or_default();
            if !message.parts.iter().any(|part| names(part, &id)) {
                message.parts.push(NeutralPart::File(file.into_file()));
            }
        }
        if message.role == Role::Tool && !message.parts.is_empty() {
            message.parts = vec![NeutralPart::ToolResult {
                call: parent.unwrap_or_default().to_owned(),
                name: self.author.name,
                content: message.parts,
                is_error: kind == "system_error",
            }];
        }
        Some(message)
    }
}

fn names(part: &NeutralPart, id: &str) -> bool {
    match part {
        NeutralPart::File(file) => {
            matches!(&file.bytes, FileBytes::Named(names) if names.iter().any(|name| name == id))
        }
        _ => false,
    }
}
