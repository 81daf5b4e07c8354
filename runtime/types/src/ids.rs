//! Names that were checked once, at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty, too long or holds other characters than the rule allows.
    #[error(
        "{what} “{text}” is not valid: use 1 to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit"
    )]
    Invalid {
        /// What was being named.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// A model reference without a model part.
    #[error("“{0}” does not name a model: write provider/model, as `valechat model list` shows it")]
    NoModel(String),
}

fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    let first_ok = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    let all_ok = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if first_ok && all_ok && text.len() <= 64 {
        Ok(())
    } else {
        Err(IdError::Invalid {
            what,
            text: text.to_owned(),
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// An installed component: `openai`, or reverse DNS for other people's.
    PluginId,
    "the plugin id"
);
id!(
    /// A configured provider: one plugin with one set of settings and one key.
    ProviderId,
    "the provider id"
);

/// A model of a provider, written `provider/model`; the model part may hold slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    /// Which provider answers.
    pub provider: ProviderId,
    /// The model, as the provider names it.
    pub model: String,
}

impl FromStr for ModelRef {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (provider, model) = text
            .split_once('/')
            .ok_or_else(|| IdError::NoModel(text.to_owned()))?;
        if model.trim().is_empty() {
            return Err(IdError::NoModel(text.to_owned()));
        }
        Ok(Self {
            provider: provider.parse()?,
            model: model.to_owned(),
        })
    }
}

impl TryFrom<String> for ModelRef {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(reference: ModelRef) -> String {
        reference.to_string()
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// One attempt at one plugin call. UUIDv7: sorts by time, carries no machine counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallId(uuid::Uuid);

impl CallId {
    /// A new id, of now.
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_reference_keeps_slashes_in_the_model() {
        let reference: ModelRef = "openrouter/meta/llama-4".parse().unwrap();
        assert_eq!(reference.provider.as_str(), "openrouter");
        assert_eq!(reference.model, "meta/llama-4");
        assert_eq!(reference.to_string(), "openrouter/meta/llama-4");
    }

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for bad in ["", "..", ".a", "a/b", "a\\b", "a b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<PluginId>().is_err(), "{bad}");
        }
        for good in ["openai", "org.example.chat_2", "a-b.c"] {
            assert!(good.parse::<PluginId>().is_ok(), "{good}");
        }
    }
}
