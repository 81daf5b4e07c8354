//! Enums as they are written down: by a word, never by a position, and a word of a later version is
//! kept as it is.

/// An enum that is stored as one word.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word that this version does not know; it is written back as it was read.
            Unknown(String),
        }

        impl $name {
            /// The word that is stored.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Unknown(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($text => Self::$variant,)+
                    _ => Self::Unknown(word),
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                Self::from(word.to_owned())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

/// An enum with content, stored as a map of one entry: the word and what it holds.
macro_rules! tagged {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident($content:ty) = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($content),)+
            /// A form that this version does not know; it is written back as it was read.
            Unknown(String, rmpv::Value),
        }

        impl $name {
            /// The word under which it is stored.
            #[must_use]
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$variant(_) => $text,)+
                    Self::Unknown(word, _) => word,
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(Some(1))?;
                match self {
                    $(Self::$variant(content) => map.serialize_entry($text, content)?,)+
                    Self::Unknown(word, content) => map.serialize_entry(word, content)?,
                }
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a map of one entry that holds a ", stringify!($name)))
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let Some(word) = map.next_key::<String>()? else {
                            return Err(serde::de::Error::invalid_length(0, &self));
                        };
                        let value = match word.as_str() {
                            $($text => $name::$variant(map.next_value()?),)+
                            _ => {
                                let content = map.next_value()?;
                                $name::Unknown(word, content)
                            }
                        };
                        // A later version may say more beside it.
                        while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                        Ok(value)
                    }
                }
                deserializer.deserialize_map(Visitor)
            }
        }
    };
}

pub(crate) use {tagged, word};
