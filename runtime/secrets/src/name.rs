//! Names of secrets.

use std::fmt;

use crate::SecretError;

/// Which credential of which provider. Only letters, digits and `-_.` occur, so the pair is
/// unambiguous in `provider/credential`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName {
    provider: String,
    credential: String,
    is_first: bool,
}

impl SecretName {
    /// The longest provider or credential name, in bytes. Room for any reverse-DNS id (a domain
    /// name has at most 253).
    pub const MAX_PART: usize = 255;

    /// Names the credential that the provider's manifest lists first (often the only one): the one
    /// that `VALECHAT_KEY_<PROVIDER>` gives.
    ///
    /// # Errors
    /// [`SecretError::BadName`].
    pub fn first(provider: &str, credential: &str) -> Result<Self, SecretError> {
        Self::new(provider, credential, true)
    }

    /// Names a credential that the manifest does not list first; the environment never gives it.
    ///
    /// # Errors
    /// [`SecretError::BadName`].
    pub fn further(provider: &str, credential: &str) -> Result<Self, SecretError> {
        Self::new(provider, credential, false)
    }

    fn new(provider: &str, credential: &str, is_first: bool) -> Result<Self, SecretError> {
        for part in [provider, credential] {
            let fits = !part.is_empty() && part.len() <= Self::MAX_PART;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if !fits || !part.chars().all(is_plain) {
                let shown = part
                    .chars()
                    .take(40)
                    .map(|c| if is_plain(c) { c } else { '?' });
                return Err(SecretError::BadName(shown.collect()));
            }
        }
        Ok(Self {
            provider: provider.to_owned(),
            credential: credential.to_owned(),
            is_first,
        })
    }

    /// The provider's id.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The credential's name in the provider's manifest.
    #[must_use]
    pub fn credential(&self) -> &str {
        &self.credential
    }

    /// Whether the manifest lists this credential first.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.is_first
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken_and_bad_ones_are_not_echoed_raw() {
        assert_eq!(
            SecretName::first("openai", "api-key").unwrap().to_string(),
            "openai/api-key"
        );
        for bad in ["", "a/b", "a b", "a\n", "ä", &"x".repeat(256)] {
            assert!(SecretName::first(bad, "api-key").is_err(), "{bad}");
            assert!(SecretName::further("openai", bad).is_err(), "{bad}");
        }
        let error = SecretName::first("a\u{1b}[31m", "k")
            .unwrap_err()
            .to_string();
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
}
