//! Fingerprints of what an export holds: whether a conversation has changed, and ids that are the same
//! in each import.

use super::Digest;
use super::graph::{Placed, Placement};
use super::neutral::{FileBytes, Neutral, NeutralPart};

/// Changes when anything changes that an import brings.
pub(super) fn digest(conversation: &Neutral, placement: &Placement) -> Digest {
    let mut hash = FieldHash(blake3::Hasher::new_derive_key("ValeChat import digest 1"));
    hash.optional(conversation.title.as_deref());
    hash.optional(conversation.model.as_deref());
    hash.optional(conversation.system_prompt.as_deref());
    hash.optional(
        conversation
            .folder
            .as_ref()
            .map(|folder| folder.id.as_str()),
    );
    hash.number(u64::from(conversation.archived));
    hash.number(u64::from(conversation.pinned));
    hash.number(placement.current.map_or(0, |at| at as u64 + 1));
    for Placed {
        id,
        parent,
        message,
    } in &placement.messages
    {
        hash.text(id);
        hash.number(parent.map_or(0, |at| at as u64 + 1));
        hash.text(message.role.as_str());
        hash.text(message.state.as_str());
        hash.optional(message.finish.as_ref().map(|finish| finish.as_str()));
        hash.optional(message.model.as_deref());
        hash.number(message.created_ms.unwrap_or_default());
        hash.parts(&message.parts);
    }
    Digest(*hash.0.finalize().as_bytes())
}

/// Hashes fields so that no two lists of fields look alike.
struct FieldHash(blake3::Hasher);

impl FieldHash {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }
    fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }
    fn parts(&mut self, parts: &[NeutralPart]) {
        self.number(parts.len() as u64);
        for part in parts {
            match part {
                NeutralPart::Text(text) => {
                    self.text("text");
                    self.text(text);
                }
                NeutralPart::Thinking(text) => {
                    self.text("thinking");
                    self.text(text);
                }
                NeutralPart::ToolCall {
                    id,
                    name,
                    arguments,
                } => {
                    self.text("call");
                    self.text(id);
                    self.text(name);
                    self.text(arguments);
                }
                NeutralPart::ToolResult {
                    call,
                    name,
                    content,
                    is_error,
                } => {
                    self.text("result");
                    self.text(call);
                    self.optional(name.as_deref());
                    self.number(u64::from(*is_error));
                    self.parts(content);
                }
                NeutralPart::File(file) => {
                    self.text("file");
                    self.optional(file.name.as_deref());
                    self.optional(file.media_type.as_deref());
                    match &file.bytes {
                        FileBytes::Named(names) => names.iter().for_each(|name| self.text(name)),
                        FileBytes::Text(text) | FileBytes::DataUrl(text) | FileBytes::Url(text) => {
                            self.text(text);
                        }
                    }
                }
            }
        }
    }
}

/// Ten bytes that are always the same for the same thing of the same export.
pub(super) fn stable(what: &str, app: &str, id: &str, within: &str) -> [u8; 10] {
    let mut hash = FieldHash(blake3::Hasher::new_derive_key("ValeChat import ids 1"));
    for field in [what, app, id, within] {
        hash.text(field);
    }
    let mut bytes = [0; 10];
    hash.0.finalize_xof().fill(&mut bytes);
    bytes
}
