//! Keys: where they are, setting and forgetting them. Their values never come back.

use serde::Serialize;
use vale_host::{
    KeyError, KeyStore, Profile, Secret, SecretError, SettingsEdit, Source, tool_owner,
};
use vale_plugins::{CredentialSource, CredentialSpec, Manifest, PluginKind};
use vale_secrets::{Backend, Passphrases, SecretName, Vault, VaultConfig};
use vale_types::{PluginId, ProviderId};

use crate::api::{Api, blocking};
use crate::error::{ApiError, ApiErrorKind};

/// Whether a key is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum KeyState {
    /// It is.
    Set {
        /// Where, in words.
        place: String,
    },
    /// It is not.
    Missing,
    /// The encrypted file has it or not; nobody gave the passphrase.
    Locked,
    /// The store cannot tell.
    Unknown {
        /// Why.
        why: String,
    },
    /// ValeChat makes it for each run.
    MadeByValechat,
}

/// One credential of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyRow {
    /// Its name in the manifest.
    pub credential: String,
    /// Whether the plugin's usual address needs it.
    pub required: bool,
    /// Whether it is there.
    #[serde(flatten)]
    pub state: KeyState,
    /// How to get one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Whose key it is.
struct Owner {
    /// As the person calls it.
    name: String,
    /// As the stores call it.
    key: String,
    manifest: Manifest,
}

/// What setting a key did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyStored {
    /// The provider, or the tool plugin.
    pub provider: String,
    /// The credential.
    pub credential: String,
    /// Where it lies now, in words.
    pub place: String,
    /// What else the person should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Api {
    /// The provider's credentials and where their keys are. The lookup blocks, on a thread of
    /// its own; it asks for a passphrase only if this API was opened with somebody to ask.
    pub(crate) async fn key_rows(&self, provider: &ProviderId) -> Vec<KeyRow> {
        let specs: Vec<CredentialSpec> = match self.profile.manifest(provider) {
            Ok(manifest) => manifest.credentials.clone(),
            Err(_) => return Vec::new(),
        };
        let (profile, id) = (self.profile.clone(), provider.clone());
        let rows = blocking(move || {
            let row = |(index, spec): (usize, CredentialSpec)| KeyRow {
                state: state(&profile, id.as_str(), &spec, index == 0),
                credential: spec.name,
                required: spec.required,
                help: spec.help,
            };
            Ok(specs.into_iter().enumerate().map(row).collect())
        });
        rows.await.unwrap_or_default()
    }

    /// Whom the person means: a provider, else a plugin of tools.
    fn owner(&self, name: &str) -> Result<Owner, ApiError> {
        let provider = self.find_provider(name);
        let tool = name
            .parse::<PluginId>()
            .ok()
            .and_then(|id| self.installed(&id))
            .filter(|found| found.manifest.world.kind == PluginKind::Tool);
        match (provider, tool) {
            (Ok(found), _) => Ok(Owner {
                manifest: self
                    .profile
                    .manifest(&found.id)
                    .map_err(|failure| self.explain(failure, &found.id))?,
                key: found.id.to_string(),
                name: found.id.to_string(),
            }),
            (Err(_), Some(tool)) => Ok(Owner {
                key: tool_owner(&tool.manifest.id),
                name: tool.manifest.id.to_string(),
                manifest: tool.manifest.clone(),
            }),
            (Err(error), None) => Err(error),
        }
    }

    /// The credential that the person means, and whether the manifest lists it first.
    fn credential(&self, owner: &Owner, wanted: Option<&str>) -> Result<(String, bool), ApiError> {
        let provider = &owner.name;
        let mut asked = owner
            .manifest
            .credentials
            .iter()
            .enumerate()
            .filter(|(_, spec)| spec.source == CredentialSource::Person);
        let names: Vec<&str> = asked.clone().map(|(_, spec)| spec.name.as_str()).collect();
        let found = match wanted {
            Some(name) => asked.find(|(_, spec)| spec.name == name),
            None => asked.next(),
        };
        found
            .map(|(index, spec)| (spec.name.clone(), index == 0))
            .ok_or_else(|| {
                if names.is_empty() {
                    ApiError::new(
                        ApiErrorKind::Usage,
                        format!("{provider} takes no key."),
                        "Nothing needs to be set.",
                    )
                } else {
                    ApiError::new(
                        ApiErrorKind::Usage,
                        format!("{provider} has no credential of that name."),
                        format!("It has: {}.", names.join(", ")),
                    )
                }
            })
    }

    /// Whether such a key can be set at all, before the person is asked for it.
    ///
    /// # Errors
    /// When there is no such provider, or it has no such credential.
    pub fn check_credential(
        &self,
        provider: &str,
        credential: Option<&str>,
    ) -> Result<(), ApiError> {
        let owner = self.owner(provider)?;
        self.credential(&owner, credential).map(drop)
    }

    /// Keeps a provider's key. With `store`, in that store, which is then also the one that the
    /// settings name from now on; `ask` asks for its passphrase.
    ///
    /// # Errors
    /// When nothing was stored, or when the settings could not name the new store.
    pub async fn set_key(
        &self,
        provider: &str,
        credential: Option<&str>,
        secret: Secret,
        store: Option<(KeyStore, Option<vale_host::Ask>)>,
    ) -> Result<KeyStored, ApiError> {
        let owner = self.owner(provider)?;
        let (credential, first) = self.credential(&owner, credential)?;
        let now = self.profile.settings().keys.store;
        let mut notes = Vec::new();
        let place = match store {
            Some((chosen, ask)) if chosen != now => {
                self.set_in_other_store(chosen, ask, &owner.key, &credential, first, secret)
                    .await?;
                notes.push(format!(
                    "Keys are kept in {} from now on (config.toml says so). Keys that lie in {} are not used any more: set them again.",
                    store_words(chosen),
                    store_words(now)
                ));
                store_words(chosen).to_owned()
            }
            _ => {
                let (profile, key, credential) =
                    (self.profile.clone(), owner.key.clone(), credential.clone());
                blocking(move || Ok(profile.set_key(&key, &credential, first, &secret)?)).await?;
                self.link.keys_changed().await;
                store_words(now).to_owned()
            }
        };
        if first {
            let variable = vale_secrets::EnvStore::variable(&owner.key);
            if std::env::var_os(&variable).is_some() {
                notes.push(format!(
                    "The environment variable {variable} is set too, and goes first."
                ));
            }
        }
        Ok(KeyStored {
            provider: owner.name,
            credential,
            place,
            notes,
        })
    }

    async fn set_in_other_store(
        &self,
        store: KeyStore,
        ask: Option<vale_host::Ask>,
        owner: &str,
        credential: &str,
        first: bool,
        secret: Secret,
    ) -> Result<(), ApiError> {
        let backend = match store {
            KeyStore::Keyring => Backend::Keyring,
            KeyStore::File => Backend::File {
                path: self.paths().secrets_file(),
            },
        };
        let name = if first {
            SecretName::first(owner, credential)?
        } else {
            SecretName::further(owner, credential)?
        };
        let config_file = self.paths().config_file.clone();
        blocking(move || {
            // Opened before the key is stored: settings with a mistake stop it here.
            let mut edit = SettingsEdit::open(&config_file)?;
            let env = vale_secrets::process_env();
            let vault = Vault::new(VaultConfig {
                backend,
                env: std::sync::Arc::clone(&env),
                passphrases: Passphrases::new(env, ask),
            });
            vault.set(&name, &secret)?;
            edit.set_key_store(store);
            edit.save()?;
            Ok(())
        })
        .await
    }

    /// Forgets a provider's key; false when there was none. A provider that is gone needs the
    /// credential's name.
    ///
    /// # Errors
    /// When it could not be removed.
    pub async fn remove_key(
        &self,
        provider: &str,
        credential: Option<&str>,
    ) -> Result<bool, ApiError> {
        let (key, credential, first) = match (self.owner(provider), credential) {
            (Ok(owner), wanted) => {
                let (name, first) = self.credential(&owner, wanted)?;
                (owner.key, name, first)
            }
            (Err(_), Some(name)) => {
                let id: ProviderId = provider.parse()?;
                (id.to_string(), name.to_owned(), false)
            }
            (Err(error), None) => return Err(error),
        };
        let profile = self.profile.clone();
        let removed = blocking(move || Ok(profile.remove_key(&key, &credential, first)?)).await;
        self.link.keys_changed().await;
        removed
    }
}

fn store_words(store: KeyStore) -> &'static str {
    match store {
        KeyStore::Keyring => "the system keyring",
        KeyStore::File => "the encrypted file",
    }
}

/// Whether the key is there. Blocks; `first`: the manifest lists the credential first.
pub(crate) fn state(
    profile: &Profile,
    owner: &str,
    spec: &CredentialSpec,
    first: bool,
) -> KeyState {
    if spec.source == CredentialSource::HostInfer {
        return KeyState::MadeByValechat;
    }
    match profile.key_source(owner, &spec.name, first) {
        Ok(Some(source)) => KeyState::Set {
            place: place(&source),
        },
        Ok(None) => KeyState::Missing,
        Err(KeyError::Store(SecretError::NoPassphrase)) => KeyState::Locked,
        Err(error) => KeyState::Unknown {
            why: ApiError::from(error).sentence,
        },
    }
}

fn place(source: &Source) -> String {
    match source {
        Source::Environment { variable } => format!("environment {variable}"),
        Source::Keyring => "system keyring".to_owned(),
        Source::File { .. } => "encrypted file".to_owned(),
        _ => "another store".to_owned(),
    }
}
