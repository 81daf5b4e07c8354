//! The records that a journal keeps: what happened, in the order in which it happened.
//!
//! A record's kind and version stand beside its payload (in the journal's frame); the payload is a
//! MessagePack map with named fields. A field is only ever added, with a default; what cannot be
//! said so gets the next version and a function from the old one.

mod attempt;
mod conversation;
mod message;
mod other;
mod patch;
mod refer;

pub use attempt::{AttemptBegan, AttemptEnded, Channel, MessageEnded, TextDelta};
pub use conversation::{
    ConversationChanged, ConversationCreated, ConversationDeleted, ConversationPurged,
    ConversationUndeleted, LeafChosen,
};
pub use message::{BranchMoved, BranchPruned, BranchRestored, MessageAdded, MessagesPurged, Moved};
pub use other::{
    DraftCleared, DraftSaved, FolderChanged, FolderCreated, FolderRemoved, SourceImported,
};
pub use patch::{ConversationPatch, FolderPatch, SettingsPatch};

/// Why a record could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A kind that this version of the app does not have.
    #[error(
        "record kind {kind:#06x} (version {version}) is not known: a newer version of the app wrote it"
    )]
    UnknownKind {
        /// The kind.
        kind: u16,
        /// Its version.
        version: u8,
    },
    /// A kind that this version of the app has, in a later form.
    #[error(
        "a record “{name}” ({kind:#06x}) has version {version}, and this app knows up to {newest}: a newer version of the app wrote it"
    )]
    NewerVersion {
        /// The kind's name.
        name: &'static str,
        /// The kind.
        kind: u16,
        /// The version that was read.
        version: u8,
        /// The newest version that is known here.
        newest: u8,
    },
    /// The payload is not what the kind says.
    #[error("a record “{name}” ({kind:#06x}, version {version}) could not be read: {reason}")]
    Unreadable {
        /// The kind's name.
        name: &'static str,
        /// The kind.
        kind: u16,
        /// Its version.
        version: u8,
        /// What the decoder says.
        reason: String,
    },
    /// The record could not be put into bytes.
    #[error("a record “{name}” ({kind:#06x}) could not be written: {reason}")]
    Unwritable {
        /// The kind's name.
        name: &'static str,
        /// The kind.
        kind: u16,
        /// What the encoder says.
        reason: String,
    },
}

macro_rules! records {
    ($($(#[$doc:meta])* $constant:ident $record:ident = $kind:literal, version $version:literal, $name:literal;)+) => {
        /// The numbers of the kinds. A number is never used again for something else.
        pub mod kind {
            $($(#[$doc])* pub const $constant: u16 = $kind;)+

            /// All of them.
            pub const ALL: &[u16] = &[$($constant),+];
        }

        /// One thing that happened.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record {
            $($(#[$doc])* $record($record),)+
        }

        $(impl From<$record> for Record {
            fn from(record: $record) -> Self {
                Self::$record(record)
            }
        })+

        impl Record {
            /// The number of its kind.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self { $(Self::$record(_) => kind::$constant,)+ }
            }

            /// The version in which it is written.
            #[must_use]
            pub fn version(&self) -> u8 {
                match self { $(Self::$record(_) => $version,)+ }
            }

            /// The name of its kind.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$record(_) => $name,)+ }
            }

            /// The payload.
            ///
            /// # Errors
            /// [`RecordError::Unwritable`]: a value that MessagePack has no form for. No value of
            /// these types is known to cause it.
            pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
                let encoded = match self { $(Self::$record(record) => rmp_serde::to_vec_named(record),)+ };
                encoded.map_err(|error| self.unwritable(&error))
            }

            /// The payload as JSON, for people.
            ///
            /// # Errors
            /// [`RecordError::Unwritable`]: a value that JSON has no form for.
            pub fn encode_json(&self) -> Result<String, RecordError> {
                let encoded = match self { $(Self::$record(record) => serde_json::to_string_pretty(record),)+ };
                encoded.map_err(|error| self.unwritable(&error))
            }

            /// The record with this kind, version and payload.
            ///
            /// # Errors
            /// A kind or version that is not known here, or a payload that is something else.
            pub fn decode(kind: u16, version: u8, payload: &[u8]) -> Result<Self, RecordError> {
                match kind {
                    $($kind => {
                        check_version($name, kind, version, $version)?;
                        from_payload(payload)
                            .map(Self::$record)
                            .map_err(|error| unreadable($name, kind, version, &error))
                    })+
                    _ => Err(RecordError::UnknownKind { kind, version }),
                }
            }

            /// The record with this kind, version and JSON payload.
            ///
            /// # Errors
            /// As [`Record::decode`].
            pub fn decode_json(kind: u16, version: u8, payload: &str) -> Result<Self, RecordError> {
                match kind {
                    $($kind => {
                        check_version($name, kind, version, $version)?;
                        serde_json::from_str(payload)
                            .map(Self::$record)
                            .map_err(|error| unreadable($name, kind, version, &error))
                    })+
                    _ => Err(RecordError::UnknownKind { kind, version }),
                }
            }
        }
    };
}

records! {
    /// A conversation began.
    CONVERSATION_CREATED ConversationCreated = 0x0101, version 1, "conversation created";
    /// Something of a conversation changed that is not a message.
    CONVERSATION_CHANGED ConversationChanged = 0x0102, version 1, "conversation changed";
    /// A whole message came: a person's, an imported one, a copy.
    MESSAGE_ADDED MessageAdded = 0x0103, version 1, "message added";
    /// An attempt to have a message answered began.
    ATTEMPT_BEGAN AttemptBegan = 0x0104, version 1, "attempt began";
    /// A piece of an answer came.
    TEXT_DELTA TextDelta = 0x0105, version 1, "text delta";
    /// An attempt ended.
    ATTEMPT_ENDED AttemptEnded = 0x0106, version 1, "attempt ended";
    /// An answer ended; its pieces are of no use from here on.
    MESSAGE_ENDED MessageEnded = 0x0107, version 1, "message ended";
    /// The branch that is shown was chosen.
    LEAF_CHOSEN LeafChosen = 0x0108, version 1, "leaf chosen";
    /// What is being written was kept.
    DRAFT_SAVED DraftSaved = 0x0109, version 1, "draft saved";
    /// A draft was sent or thrown away.
    DRAFT_CLEARED DraftCleared = 0x010a, version 1, "draft cleared";
    /// A branch was hidden.
    BRANCH_PRUNED BranchPruned = 0x010b, version 1, "branch pruned";
    /// A hidden branch came back.
    BRANCH_RESTORED BranchRestored = 0x010c, version 1, "branch restored";
    /// A branch was hung below another message.
    BRANCH_MOVED BranchMoved = 0x010d, version 1, "branch moved";
    /// A conversation was deleted, and can come back.
    CONVERSATION_DELETED ConversationDeleted = 0x010e, version 1, "conversation deleted";
    /// A deleted conversation came back.
    CONVERSATION_UNDELETED ConversationUndeleted = 0x010f, version 1, "conversation undeleted";
    /// A conversation is gone for ever.
    CONVERSATION_PURGED ConversationPurged = 0x0110, version 1, "conversation purged";
    /// Messages are gone for ever.
    MESSAGES_PURGED MessagesPurged = 0x0111, version 1, "messages purged";
    /// A folder was made.
    FOLDER_CREATED FolderCreated = 0x0112, version 1, "folder created";
    /// A folder was renamed or moved.
    FOLDER_CHANGED FolderChanged = 0x0113, version 1, "folder changed";
    /// A folder was removed; what was in it is in none.
    FOLDER_REMOVED FolderRemoved = 0x0114, version 1, "folder removed";
    /// A conversation of another app was imported.
    SOURCE_IMPORTED SourceImported = 0x0115, version 1, "source imported";
}

impl Record {
    fn unwritable(&self, reason: &dyn std::fmt::Display) -> RecordError {
        RecordError::Unwritable {
            name: self.name(),
            kind: self.kind(),
            reason: reason.to_string(),
        }
    }
}

/// The nesting that a payload may have: more than JSON of the same content may (128), so that what
/// came in as JSON comes back, and little enough for the stack of any thread.
const MAX_DEPTH: usize = 256;

fn from_payload<'a, T: serde::Deserialize<'a>>(
    payload: &'a [u8],
) -> Result<T, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(payload);
    decoder.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut decoder)
}

fn unreadable(
    name: &'static str,
    kind: u16,
    version: u8,
    reason: &dyn std::fmt::Display,
) -> RecordError {
    RecordError::Unreadable {
        name,
        kind,
        version,
        reason: reason.to_string(),
    }
}

/// Every kind is still in its first version; the function from an old one to the next goes here.
fn check_version(
    name: &'static str,
    kind: u16,
    version: u8,
    newest: u8,
) -> Result<(), RecordError> {
    if version > newest {
        return Err(RecordError::NewerVersion {
            name,
            kind,
            version,
            newest,
        });
    }
    if version == 0 {
        return Err(unreadable(name, kind, version, &"versions begin at 1"));
    }
    Ok(())
}
