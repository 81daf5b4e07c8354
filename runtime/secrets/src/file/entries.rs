//! What is sealed: a count (4 bytes), then for each entry provider, credential and secret, each as
//! a length (2 bytes) and text. Our own few lines rather than JSON, because a parser that unescapes
//! leaves copies of keys in memory that nobody zeroes.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::format::{TAG_LEN, take};
use crate::{Secret, SecretName};

/// Provider and credential, and the secret.
pub(super) struct Entries(BTreeMap<(String, String), Secret>);

impl Entries {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn take(&mut self, name: &SecretName) -> Option<Secret> {
        self.0.remove(&key(name))
    }

    pub(super) fn insert(&mut self, name: &SecretName, secret: Secret) {
        self.0.insert(key(name), secret);
    }

    /// The bytes to seal, with room for the tag, so that sealing in place moves nothing.
    pub(super) fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let parts = || {
            self.0.iter().flat_map(|((provider, credential), secret)| {
                [provider.as_str(), credential.as_str(), secret.expose()]
            })
        };
        let len = 4 + parts().map(|part| 2 + part.len()).sum::<usize>();
        let mut bytes = Zeroizing::new(Vec::with_capacity(len + TAG_LEN));
        bytes.extend_from_slice(&u32::try_from(self.0.len()).ok()?.to_le_bytes());
        for part in parts() {
            bytes.extend_from_slice(&u16::try_from(part.len()).ok()?.to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Some(bytes)
    }

    /// `None` where the bytes are not what [`Entries::encode`] writes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let provider = text(&mut rest)?.to_owned();
            let credential = text(&mut rest)?.to_owned();
            let secret = Secret::new(text(&mut rest)?.to_owned()).ok()?;
            entries.insert((provider, credential), secret);
        }
        rest.is_empty().then_some(Self(entries))
    }
}

fn key(name: &SecretName) -> (String, String) {
    (name.provider().to_owned(), name.credential().to_owned())
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::from(u16::from_le_bytes(take(rest)?));
    let (text, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_and_nothing_else_is_read() {
        let name = |provider| SecretName::first(provider, "api-key").unwrap();
        let mut entries = Entries::new();
        for provider in ["openai", "anthropic"] {
            entries.insert(
                &name(provider),
                Secret::new(format!("sk-{provider}")).unwrap(),
            );
        }
        let bytes = entries.encode().unwrap();
        let mut back = Entries::decode(&bytes).unwrap();
        assert_eq!(back.take(&name("openai")).unwrap().expose(), "sk-openai");
        assert_eq!(
            back.take(&name("anthropic")).unwrap().expose(),
            "sk-anthropic"
        );
        assert!(back.take(&name("anthropic")).is_none());
        for len in 0..bytes.len() {
            assert!(Entries::decode(&bytes[..len]).is_none(), "cut at {len}");
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert!(Entries::decode(&longer).is_none());
        assert!(Entries::decode(&[0xff; 64]).is_none());
    }
}
