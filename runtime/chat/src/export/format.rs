//! Our own JSON Lines, which lose nothing.
//!
//! One JSON object a line; a reader passes over keys that it does not know.
//!
//! | line | |
//! |---|---|
//! | `{"valechat-export":1,"exported_ms":…}` | first |
//! | `{"folder":{…}}` | before the conversations |
//! | `{"conversation":{…},"messages":n}` | followed by its messages |
//! | `{"message":{…},"pruned":true}` | in the order they had; `pruned` only where it is so |
//! | `{"file":{"blake3":…,"size":…}}` | before the first message that needs it, followed by |
//! | `{"bytes":"…"}` | base64, until `size` is reached |
//! | `{"end":{"conversations":n,"messages":n}}` | last: without it the file is cut off |
//!
//! Files may lie in a folder `files` beside it instead, under their hash.

use serde::{Deserialize, Serialize};

use crate::model::{Attachment, BlobHash, Conversation, Folder, Media, Message, Part, ResultPart};

/// The version of the format.
pub(crate) const VERSION: u32 = 1;

/// The folder beside an export that its files lie in.
pub const FILES_FOLDER: &str = "files";

/// A line as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    #[serde(rename = "valechat-export")]
    pub header: Option<u32>,
    pub folder: Option<Folder>,
    pub file: Option<FileLine>,
    pub bytes: Option<String>,
    pub conversation: Option<Conversation>,
    /// How many messages follow the conversation.
    pub messages: Option<u64>,
    pub message: Option<Message>,
    pub pruned: bool,
    pub end: Option<EndLine>,
}

/// A line as it is written.
#[derive(Serialize)]
pub(crate) enum LineRef<'a> {
    #[serde(rename = "folder")]
    Folder(&'a Folder),
    #[serde(rename = "file")]
    File(FileLine),
    #[serde(rename = "bytes")]
    Bytes(&'a str),
    #[serde(rename = "end")]
    End(EndLine),
    #[serde(untagged)]
    Header {
        #[serde(rename = "valechat-export")]
        version: u32,
        exported_ms: u64,
    },
    #[serde(untagged)]
    Conversation {
        conversation: &'a Conversation,
        messages: u64,
    },
    #[serde(untagged)]
    Message {
        message: &'a Message,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pruned: bool,
    },
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct FileLine {
    pub blake3: BlobHash,
    pub size: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EndLine {
    pub conversations: u64,
    pub messages: u64,
}

/// The files that a message needs: its attachments and the texts taken out of them.
pub(crate) fn files_of(message: &Message) -> Vec<BlobHash> {
    fn of(attachment: &Attachment) -> impl Iterator<Item = BlobHash> {
        [Some(attachment.blake3), attachment.text]
            .into_iter()
            .flatten()
    }
    let mut hashes = Vec::new();
    for part in &message.parts {
        match part {
            Part::LongText(attachment)
            | Part::Image(Media::Stored(attachment))
            | Part::File(Media::Stored(attachment))
            | Part::Audio(Media::Stored(attachment)) => hashes.extend(of(attachment)),
            Part::ToolResult(result) => {
                for part in &result.content {
                    if let ResultPart::Image(Media::Stored(attachment))
                    | ResultPart::File(Media::Stored(attachment)) = part
                    {
                        hashes.extend(of(attachment));
                    }
                }
            }
            _ => {}
        }
    }
    hashes
}
