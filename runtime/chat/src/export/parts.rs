//! What pages say of a message, whatever their form.

use std::io::Read;

use super::{ExportError, ExportReport, Source};
use crate::import::MISSING_FILE;
use crate::import::time::for_people;
use crate::model::{Attachment, Conversation, Extra, Message, Role, State};

/// The longest text that a page takes from a file, bytes.
const LONGEST: u64 = 256 << 20;

/// Who speaks, for a heading.
pub(super) fn speaker(message: &Message) -> String {
    let who = match &message.role {
        Role::System | Role::Developer => "Instructions",
        Role::User => "You",
        Role::Assistant => "Assistant",
        Role::Tool => "Tool",
        Role::Unknown(role) => role,
    };
    match &message.model {
        Some(model) => format!("{who} ({})", model.model),
        None => who.to_owned(),
    }
}

/// What is to be said of a message that is not whole.
pub(super) fn state_note(message: &Message) -> Option<String> {
    Some(match &message.state {
        State::Complete => return None,
        State::Streaming | State::Interrupted => "This answer was interrupted.".to_owned(),
        State::Failed => {
            let last = message.attempts.last();
            match last.and_then(|attempt| attempt.error.as_ref()) {
                Some(error) => format!("This answer failed: {}", error.sentence),
                None => "This answer failed.".to_owned(),
            }
        }
        State::Cancelled => "This answer was stopped.".to_owned(),
        State::Unknown(state) => format!("State: {state}."),
    })
}

/// When and with what, for the head of a page.
pub(super) fn summary(conversation: &Conversation) -> String {
    let mut summary = for_people(conversation.created_ms);
    if conversation.updated_ms > conversation.created_ms {
        summary.push_str(" – ");
        summary.push_str(&for_people(conversation.updated_ms));
    }
    if let Some(model) = &conversation.model {
        summary.push_str(" · ");
        summary.push_str(&model.model);
    }
    summary
}

/// The title, or what stands for it.
pub(super) fn title(conversation: &Conversation) -> &str {
    match conversation.title.as_str() {
        "" => "Untitled conversation",
        title => title,
    }
}

/// What a file is called.
pub(super) fn file_label(attachment: &Attachment) -> &str {
    match attachment.name.as_deref() {
        Some(name) if !name.is_empty() => name,
        _ => "file",
    }
}

/// What stands for a part that a page cannot show.
pub(super) fn extra_note(extra: &Extra) -> String {
    if extra.name != MISSING_FILE {
        return format!("A part that this version cannot show ({}).", extra.name);
    }
    let details: serde_json::Value = serde_json::from_str(&extra.json).unwrap_or_default();
    match details.get("name").and_then(serde_json::Value::as_str) {
        Some(name) => format!("A file that was not in the imported export: {name}"),
        None => "A file that was not in the imported export.".to_owned(),
    }
}

/// A text that lies in a file.
pub(super) fn long_text(
    source: &mut dyn Source,
    attachment: &Attachment,
    report: &mut ExportReport,
) -> Result<Option<String>, ExportError> {
    let file = source
        .file(attachment.blake3)
        .map_err(ExportError::Source)?;
    let Some(file) = file else {
        report.missing_files += 1;
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.bytes.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}
