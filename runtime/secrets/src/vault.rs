//! What the host uses: the environment before the store that the person chose.

use std::path::PathBuf;

use crate::{
    EnvLookup, EnvStore, FileStore, KeyringStore, Passphrases, Secret, SecretError, SecretName,
    SecretStore,
};

/// The store that the person chose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Backend {
    /// The system keyring.
    #[default]
    Keyring,
    /// The encrypted file at this path; never used without being chosen.
    File {
        /// The file.
        path: PathBuf,
    },
}

/// How a [`Vault`] is put together.
pub struct VaultConfig {
    /// Where keys are kept.
    pub backend: Backend,
    /// Where `VALECHAT_KEY_<PROVIDER>` is looked up; see [`process_env`](crate::process_env).
    pub env: EnvLookup,
    /// What opens the encrypted file; unused with the keyring.
    pub passphrases: Passphrases,
}

/// Where a key was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// In this environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// In the system keyring.
    Keyring,
    /// In the encrypted file.
    File {
        /// The file.
        path: PathBuf,
    },
}

/// Finds keys in the environment, then in the chosen store; writes to the chosen store only. It
/// never falls back from one store to another by itself: where keys lie is the person's decision.
pub struct Vault {
    env: EnvStore,
    store: Box<dyn SecretStore>,
    source: Source,
}

impl Vault {
    /// Opens nothing and asks nothing yet.
    #[must_use]
    pub fn new(config: VaultConfig) -> Self {
        let env = EnvStore::new(config.env);
        match config.backend {
            Backend::Keyring => Self {
                env,
                store: Box::new(KeyringStore::new()),
                source: Source::Keyring,
            },
            Backend::File { path } => {
                let store = FileStore::new(path.clone(), config.passphrases);
                Self {
                    env,
                    store: Box::new(store),
                    source: Source::File { path },
                }
            }
        }
    }

    /// The key of that name and where it was found; `None` where it is set nowhere.
    ///
    /// # Errors
    /// When the environment holds something unusable or the chosen store cannot tell.
    pub fn get(&self, name: &SecretName) -> Result<Option<(Secret, Source)>, SecretError> {
        if let Some(secret) = self.env.get(name)? {
            let variable = EnvStore::variable(name.provider());
            return Ok(Some((secret, Source::Environment { variable })));
        }
        Ok(self
            .store
            .get(name)?
            .map(|secret| (secret, self.source.clone())))
    }

    /// Keeps the key in the chosen store. Where the environment gives one of the same name, that
    /// one still goes first; see [`Vault::shadowed_by`].
    ///
    /// # Errors
    /// When nothing was stored. Where the keyring is not available the sentence names the way out,
    /// `valechat key set --store file`.
    pub fn set(&self, name: &SecretName, secret: &Secret) -> Result<(), SecretError> {
        self.store.set(name, secret)
    }

    /// Removes the key from the chosen store; `false` where it held none.
    ///
    /// # Errors
    /// When it could not be removed, or [`SecretError::EnvReadOnly`] where the store held none and
    /// the environment gives one, which would otherwise stay in use unnoticed.
    pub fn remove(&self, name: &SecretName) -> Result<bool, SecretError> {
        if self.store.remove(name)? {
            Ok(true)
        } else {
            self.env.remove(name)
        }
    }

    /// The environment variable that goes before the chosen store for this name, if it is set.
    #[must_use]
    pub fn shadowed_by(&self, name: &SecretName) -> Option<String> {
        match self.env.get(name) {
            Ok(None) => None,
            Ok(Some(_)) | Err(_) => Some(EnvStore::variable(name.provider())),
        }
    }

    /// Where keys live, in words, in the order in which they are looked for.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{}, then {}", self.env.describe(), self.store.describe())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Passphrase;

    fn vault(path: PathBuf, variable: Option<&'static str>) -> Vault {
        let value = move |asked: &str| (Some(asked) == variable).then(|| "sk-env".into());
        Vault::new(VaultConfig {
            backend: Backend::File { path },
            env: Arc::new(value),
            passphrases: Passphrases::new(
                Arc::new(|_| None),
                Some(Box::new(|_| {
                    Passphrase::new("a passphrase".to_owned()).map(Some)
                })),
            ),
        })
    }

    #[test]
    fn the_environment_goes_first_and_each_key_says_where_it_came_from() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let name = SecretName::first("openai", "api-key").unwrap();
        let plain = vault(path.clone(), None);
        assert!(plain.get(&name).unwrap().is_none());
        plain
            .set(&name, &Secret::new("sk-file".to_owned()).unwrap())
            .unwrap();
        let (secret, source) = plain.get(&name).unwrap().unwrap();
        assert_eq!(
            (secret.expose(), source),
            ("sk-file", Source::File { path: path.clone() })
        );
        assert_eq!(plain.shadowed_by(&name), None);

        let with_env = vault(path, Some("VALECHAT_KEY_OPENAI"));
        let variable = "VALECHAT_KEY_OPENAI".to_owned();
        assert_eq!(with_env.shadowed_by(&name), Some(variable.clone()));
        let (secret, source) = with_env.get(&name).unwrap().unwrap();
        assert_eq!(
            (secret.expose(), source),
            ("sk-env", Source::Environment { variable })
        );

        assert!(with_env.remove(&name).unwrap(), "the file's key is removed");
        let left = with_env.remove(&name);
        assert!(
            matches!(left, Err(SecretError::EnvReadOnly(_))),
            "the variable is pointed out"
        );
        assert!(!plain.remove(&name).unwrap());
        assert!(
            plain
                .describe()
                .contains("VALECHAT_KEY_<PROVIDER>, then the file")
        );
    }
}
