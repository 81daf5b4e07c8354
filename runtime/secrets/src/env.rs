//! Keys from environment variables, for servers and scripts.

use std::ffi::OsString;
use std::sync::Arc;

use crate::{Secret, SecretError, SecretName, SecretStore};

/// Looks up one environment variable; tests pass their own.
pub type EnvLookup = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// The environment of this process.
#[must_use]
pub fn process_env() -> EnvLookup {
    Arc::new(|variable| std::env::var_os(variable))
}

/// Reads `VALECHAT_KEY_<PROVIDER>`; cannot be written. An empty variable counts as not set.
///
/// Several provider ids can map to one variable (`a-b` and `a.b`): who installs providers refuses a
/// second one whose [`EnvStore::variable`] is taken, or a key would reach the wrong plugin.
pub struct EnvStore {
    lookup: EnvLookup,
}

impl EnvStore {
    /// A store over `lookup`; see [`process_env`].
    #[must_use]
    pub fn new(lookup: EnvLookup) -> Self {
        Self { lookup }
    }

    /// The variable for a provider: its id in upper case, everything but letters and digits as `_`.
    #[must_use]
    pub fn variable(provider: &str) -> String {
        let upper = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        std::iter::once("VALECHAT_KEY_")
            .flat_map(str::chars)
            .chain(provider.chars().map(upper))
            .collect()
    }
}

impl SecretStore for EnvStore {
    fn get(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        if !name.is_first() {
            return Ok(None);
        }
        let variable = Self::variable(name.provider());
        let Some(value) = (self.lookup)(&variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let Ok(value) = value.into_string() else {
            return Err(SecretError::EnvNotText(variable));
        };
        match Secret::new(value) {
            Ok(secret) => Ok(Some(secret)),
            Err(source) => Err(SecretError::EnvUnusable {
                variable,
                source: Box::new(source),
            }),
        }
    }

    fn set(&self, name: &SecretName, _: &Secret) -> Result<(), SecretError> {
        Err(SecretError::EnvReadOnly(Self::variable(name.provider())))
    }

    fn remove(&self, name: &SecretName) -> Result<bool, SecretError> {
        match self.get(name)? {
            Some(_) => Err(SecretError::EnvReadOnly(Self::variable(name.provider()))),
            None => Ok(false),
        }
    }

    fn describe(&self) -> String {
        "environment variables VALECHAT_KEY_<PROVIDER>".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(variable: &'static str, value: OsString) -> EnvStore {
        EnvStore::new(Arc::new(move |asked| {
            (asked == variable).then(|| value.clone())
        }))
    }

    #[test]
    fn the_variable_name_follows_the_provider_id() {
        assert_eq!(EnvStore::variable("openai"), "VALECHAT_KEY_OPENAI");
        assert_eq!(
            EnvStore::variable("com.example.my-llm"),
            "VALECHAT_KEY_COM_EXAMPLE_MY_LLM"
        );
    }

    #[test]
    fn it_gives_the_first_credential_only() {
        let store = store("VALECHAT_KEY_OPENAI", "sk-env".into());
        let first = SecretName::first("openai", "api-key").unwrap();
        assert_eq!(store.get(&first).unwrap().unwrap().expose(), "sk-env");
        let further = SecretName::further("openai", "admin-key").unwrap();
        assert!(store.get(&further).unwrap().is_none());
        let other = SecretName::first("anthropic", "api-key").unwrap();
        assert!(store.get(&other).unwrap().is_none());
    }

    #[test]
    fn an_empty_variable_is_no_key_and_a_broken_one_is_named_without_its_value() {
        let name = SecretName::first("openai", "api-key").unwrap();
        assert!(
            store("VALECHAT_KEY_OPENAI", "".into())
                .get(&name)
                .unwrap()
                .is_none()
        );
        let error = store("VALECHAT_KEY_OPENAI", "sk-env\r".into())
            .get(&name)
            .err()
            .unwrap();
        let sentence = error.to_string();
        assert!(sentence.contains("VALECHAT_KEY_OPENAI") && sentence.contains("line break"));
        assert!(!format!("{error:?}{sentence}").contains("sk-env"));
    }

    #[test]
    fn it_cannot_be_written() {
        let store = store("VALECHAT_KEY_OPENAI", "sk-env".into());
        let name = SecretName::first("openai", "api-key").unwrap();
        let secret = Secret::new("x".to_owned()).unwrap();
        assert!(matches!(
            store.set(&name, &secret),
            Err(SecretError::EnvReadOnly(_))
        ));
        assert!(matches!(
            store.remove(&name),
            Err(SecretError::EnvReadOnly(_))
        ));
        let unset = SecretName::first("mistral", "api-key").unwrap();
        assert!(!store.remove(&unset).unwrap());
    }
}
