//! What a model is told of a conversation.

use std::sync::Arc;

use bytes::Bytes;
use vale_chat::model::{ConvertError, Part};
use vale_chat::{MessageId, Tree};
use vale_store::{BlobHash, Store};
use vale_types::{Media, Message, Request, Role};

use super::error::ConversationError;

/// What gives the gate the bytes of files for the length of a request.
pub trait Handles: Send + Sync {
    /// Keeps bytes and gives the handle by which a request names them.
    fn keep(&self, bytes: Bytes) -> String;
    /// Lets go of them.
    fn forget(&self, handle: &str);
}

/// Files of one request; dropping this lets go of them.
pub(crate) struct HandedOver {
    to: Arc<dyn Handles>,
    handles: Vec<String>,
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        for handle in &self.handles {
            self.to.forget(handle);
        }
    }
}

/// The request for the answer `answer`: instructions, the branch before it, and what it begins with when
/// it goes on with another one.
pub(crate) fn request(
    tree: &Tree,
    answer: MessageId,
    store: &Store,
) -> Result<Request, ConversationError> {
    let conversation = tree.conversation();
    let mut request = Request::default();
    if let Some(system) = conversation
        .system_prompt
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        request.messages.push(Message::text(Role::System, system));
    }
    for id in tree.path(answer) {
        let Some(message) = tree.message(id) else {
            continue;
        };
        let mut message = message.clone();
        message.parts = message
            .parts
            .into_iter()
            .map(|part| whole(part, store))
            .collect::<Result<_, _>>()?;
        let message = Message::try_from(message)?;
        if !message.parts.is_empty() {
            request.messages.push(message);
        }
    }
    let settings = &conversation.settings;
    request.temperature = settings.temperature;
    request.max_output_tokens = settings.max_output_tokens;
    if let Some(thinking) = settings.thinking.clone() {
        request.thinking = thinking.into();
    }
    request.cache_key = Some(conversation.id.to_string());
    Ok(request)
}

/// A long text as the text itself.
fn whole(part: Part, store: &Store) -> Result<Part, ConversationError> {
    match part {
        Part::LongText(file) => {
            let hash = BlobHash::from_bytes(*file.blake3.as_bytes());
            let bytes = store.blobs().get(hash)?;
            let text = String::from_utf8(bytes);
            Ok(Part::Text(text.map_err(|_| {
                ConversationError::Convert(ConvertError::LongText(file.blake3))
            })?))
        }
        part => Ok(part),
    }
}

/// Gives the gate every file that the request names.
pub(crate) fn hand_over(
    request: &mut Request,
    store: &Store,
    to: &Arc<dyn Handles>,
) -> Result<HandedOver, ConversationError> {
    let mut over = HandedOver {
        to: Arc::clone(to),
        handles: Vec::new(),
    };
    for part in request
        .messages
        .iter_mut()
        .flat_map(|message| &mut message.parts)
    {
        match part {
            vale_types::Part::Image(media)
            | vale_types::Part::File(media)
            | vale_types::Part::Audio(media) => over.give(media, store)?,
            vale_types::Part::ToolResult(result) => {
                for part in &mut result.content {
                    if let vale_types::ResultPart::Image(media)
                    | vale_types::ResultPart::File(media) = part
                    {
                        over.give(media, store)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(over)
}

impl HandedOver {
    fn give(&mut self, media: &mut Media, store: &Store) -> Result<(), ConversationError> {
        if let Media::Blob(blob) = media {
            let hash: BlobHash = blob.id.parse()?;
            blob.id = self.to.keep(Bytes::from(store.blobs().get(hash)?));
            self.handles.push(blob.id.clone());
        }
        Ok(())
    }
}
