//! Files that belong to a message. Their bytes lie outside the records, under their hash.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The BLAKE3 hash of some bytes: their name. Stored as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobHash([u8; 32]);

/// A text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not the hash of a file: 64 hexadecimal digits were expected")]
pub struct BlobHashError(String);

impl BlobHash {
    /// The hash with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for BlobHash {
    type Err = BlobHashError;
    fn from_str(text: &str) -> Result<Self, BlobHashError> {
        let refused = || BlobHashError(text.chars().take(80).collect());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(refused());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for digit in pair {
                let value = char::from(*digit).to_digit(16);
                let value = value.and_then(|value| u8::try_from(value).ok());
                *byte = (*byte << 4) | value.ok_or_else(refused)?;
            }
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for BlobHash {
    type Error = BlobHashError;
    fn try_from(text: String) -> Result<Self, BlobHashError> {
        text.parse()
    }
}

impl From<BlobHash> for String {
    fn from(hash: BlobHash) -> String {
        hash.to_string()
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobHash({self})")
    }
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The bytes.
    pub blake3: BlobHash,
    /// IANA media type.
    pub media_type: String,
    /// File name, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes.
    pub size: u64,
    /// The text that was taken out of it (of a PDF, for one), as a file of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<BlobHash>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_text_and_nothing_else_is_one() {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(place * 7).unwrap();
        }
        let hash = BlobHash::new(bytes);
        assert_eq!(hash.to_string().parse::<BlobHash>().unwrap(), hash);
        for bad in [
            String::new(),
            "0".repeat(63),
            "g".repeat(64),
            "é".repeat(32),
        ] {
            assert!(bad.parse::<BlobHash>().is_err(), "{bad}");
        }
    }
}
