//! Names of the things of a conversation: UUIDv7, so that they sort by time and carry no machine
//! counter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// Where new ids take their randomness from: the system's in the product, a counter in a test.
pub trait IdSource {
    /// Ten bytes that nobody else gets.
    fn random(&mut self) -> [u8; 10];
}

impl<F: FnMut() -> [u8; 10]> IdSource for F {
    fn random(&mut self) -> [u8; 10] {
        self()
    }
}

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl IdSource for SystemIds {
    fn random(&mut self) -> [u8; 10] {
        // Of the ten bytes taken, six bits are not random; a version 7 puts its own there.
        let [_, _, _, _, _, _, random @ ..] = Uuid::new_v4().into_bytes();
        random
    }
}

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{text}” is not the id of {what}: an id is 36 characters, such as 01890a5d-ac96-774b-bcce-b302099a8057; copy it from where it is shown"
)]
pub struct IdError {
    /// What was being named.
    pub what: &'static str,
    /// What was given.
    pub text: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id of something made at `at_ms` (milliseconds since 1970), told apart from others
            /// of that moment by `ids`.
            #[must_use]
            pub fn new(at_ms: u64, ids: &mut dyn IdSource) -> Self {
                Self(Builder::from_unix_timestamp_millis(at_ms, &ids.random()).into_uuid())
            }

            /// The id in 16 bytes, which sort by time.
            #[must_use]
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The id whose 16 bytes these are.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let id = Uuid::parse_str(text.trim()).ok();
                let id = id.filter(|id| id.get_version_num() == 7);
                id.map(Self).ok_or_else(|| IdError {
                    what: $what,
                    text: text.chars().take(80).collect(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// A conversation.
    ConversationId,
    "a conversation"
);
id!(
    /// A message: one version of one turn. Another version is another message.
    MessageId,
    "a message"
);
id!(
    /// A folder of conversations.
    FolderId,
    "a folder"
);
id!(
    /// One attempt to have a message answered.
    AttemptId,
    "an attempt"
);
id!(
    /// Answers to one question that are compared with each other.
    GroupId,
    "a group of compared answers"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_bytes_and_sorts_by_time() {
        let mut counter = 0_u8;
        let mut ids = || {
            counter += 1;
            [counter; 10]
        };
        let early = MessageId::new(1_700_000_000_000, &mut ids);
        let late = MessageId::new(1_700_000_000_001, &mut ids);
        assert!(early < late && early.to_bytes() < late.to_bytes());
        assert_eq!(early.to_string().parse::<MessageId>().unwrap(), early);
        assert_eq!(MessageId::from_bytes(early.to_bytes()), early);
        assert_ne!(
            MessageId::new(1, &mut SystemIds),
            MessageId::new(1, &mut SystemIds)
        );
    }

    #[test]
    fn what_is_no_id_is_refused_in_a_sentence() {
        let version_4 = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        for bad in ["", "x", version_4, "01890a5d-ac96-774b-bcce-b302099a805"] {
            let error = bad.parse::<ConversationId>().unwrap_err();
            assert!(error.to_string().contains("of a conversation"), "{error}");
        }
    }
}
