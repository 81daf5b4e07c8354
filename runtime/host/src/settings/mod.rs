//! `config.toml`: what the person chose. Read whole, checked whole; edits keep comments.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use vale_billing::catalogue::Override;
use vale_plugins::Grant;
use vale_policy::PolicyConfig;
use vale_secrets::EnvStore;
use vale_types::{ModelRef, PluginId, ProviderId};

mod edit;
mod fallback;
mod plugins;

pub use edit::SettingsEdit;
pub use fallback::Fallback;
pub use plugins::PluginSettings;

/// Largest `config.toml` that is read, bytes.
const MAX_SETTINGS: u64 = 1 << 20;

/// Everything in `config.toml`. Missing keys have their defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The model of a chat that names none, `provider/model`.
    pub default_model: Option<ModelRef>,
    /// The embedded local model.
    pub inference: InferenceSettings,
    /// Where keys are kept.
    pub keys: KeySettings,
    /// The way to the network.
    pub network: NetworkSettings,
    /// Breakers, retries, waits and limits; the defaults of every provider.
    pub policy: PolicyConfig,
    /// Who answers when somebody cannot.
    pub fallback: Fallback,
    /// What the person knows of models: limits, prices, abilities.
    pub models: BTreeMap<ModelRef, Override>,
    /// Configured providers by id.
    #[serde(deserialize_with = "providers")]
    pub providers: BTreeMap<ProviderId, ProviderSettings>,
    /// What the person chose for plugins that they installed, and for those that came along.
    pub plugins: BTreeMap<PluginId, PluginSettings>,
}

/// `[inference]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceSettings {
    /// A GGUF file, or an https address of one; none = the model that came with the program.
    pub model: Option<String>,
    /// SHA-256 of the file, hex; needed when `model` is an address.
    pub sha256: Option<String>,
    /// Threads; none = one less than the physical cores.
    pub threads: Option<u32>,
    /// Tokens of context; none = what the model was trained for.
    pub context: Option<u32>,
    /// Seconds after which an idle model leaves memory; 0 = never.
    pub unload_after_s: u32,
}

impl InferenceSettings {
    /// The model's address and SHA-256, where `model` is an address and not a path.
    #[must_use]
    pub fn address(&self) -> Option<(Url, &str)> {
        let model = self.model.as_deref()?;
        let url = Url::parse(model).ok()?;
        let is_web = matches!(url.scheme(), "https" | "http");
        if is_web {
            Some((url, self.sha256.as_deref().unwrap_or_default()))
        } else {
            None
        }
    }

    /// What is wrong with an address, if it is one.
    fn problem(&self) -> Option<String> {
        let (_, sha256) = self.address()?;
        let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        (!is_hash).then(|| {
            "`model` under [inference] is an address, so `sha256` beside it must be the file's SHA-256, 64 hex digits"
                .to_owned()
        })
    }
}

impl Default for InferenceSettings {
    fn default() -> Self {
        Self {
            model: None,
            sha256: None,
            threads: None,
            context: None,
            unload_after_s: 300,
        }
    }
}

/// `[keys]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeySettings {
    /// Which store.
    pub store: KeyStore,
}

/// A place for keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStore {
    /// The operating system's keyring.
    #[default]
    Keyring,
    /// A file sealed by a passphrase, by explicit choice.
    File,
}

/// `[network]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// A proxy for everything but local servers.
    pub proxy: Option<Url>,
    /// PEM files of certificate authorities beside the system's own.
    pub ca_files: Vec<PathBuf>,
}

/// `[providers.<id>]`
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderSettings {
    /// The plugin that answers; where the file names none, the one that is called as the provider.
    pub plugin: PluginId,
    /// Values for the plugin's own settings.
    pub settings: Map<String, Value>,
    /// What the person agreed to.
    pub grant: Grant,
    /// What differs from `[policy]` for this provider.
    pub policy: Map<String, Value>,
}

/// `[providers.<id>]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    plugin: Option<PluginId>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    grant: Grant,
    #[serde(default)]
    policy: Map<String, Value>,
}

fn providers<'de, D>(from: D) -> Result<BTreeMap<ProviderId, ProviderSettings>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let written = BTreeMap::<ProviderId, Written>::deserialize(from)?;
    let named = written.into_iter().map(|(id, written)| {
        let plugin = match written.plugin {
            Some(plugin) => plugin,
            None => id.as_str().parse().map_err(serde::de::Error::custom)?,
        };
        let provider = ProviderSettings {
            plugin,
            settings: written.settings,
            grant: written.grant,
            policy: written.policy,
        };
        Ok((id, provider))
    });
    named.collect()
}

impl ProviderSettings {
    /// The policy of this provider: the common one, with what differs here.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn policy_over(&self, common: &PolicyConfig) -> Result<PolicyConfig, String> {
        if self.policy.is_empty() {
            return Ok(common.clone());
        }
        let mut merged = serde_json::to_value(common).map_err(|error| error.to_string())?;
        overlay(&mut merged, &Value::Object(self.policy.clone()));
        let policy: PolicyConfig =
            serde_json::from_value(merged).map_err(|error| error.to_string())?;
        policy.validate()?;
        Ok(policy)
    }
}

/// Puts what `over` says in the place of what `base` says, key by key.
fn overlay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Why settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("the settings in {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is too large to be settings.
    #[error("{path} is larger than 1 MiB, so it is not read as settings; move it away")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what it should be.
    #[error("the settings in {path} have a mistake, and nothing was changed:\n{problem}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, column and reason, as the parser draws them.
        problem: String,
    },
    /// The file cannot be written; the old one is untouched.
    #[error("the settings in {path} could not be saved, and the old ones are untouched: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A provider of that name exists or does not.
    #[error("{0}")]
    Provider(String),
}

impl Settings {
    /// Reads the file; no file means defaults.
    ///
    /// # Errors
    /// With the line and column of the mistake.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        match read(path)? {
            Some(text) => Self::parse(path, &text),
            None => Ok(Self::default()),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let invalid = |problem: String| SettingsError::Invalid {
            path: path.to_owned(),
            problem,
        };
        let settings: Self = toml::from_str(text)
            .map_err(|error| invalid(error.to_string().trim_end().to_owned()))?;
        match settings
            .shared_key_variable()
            .or_else(|| settings.inference.problem())
            .or_else(|| settings.policy_problem())
        {
            Some(problem) => Err(invalid(problem)),
            None => Ok(settings),
        }
    }

    /// What is wrong with a policy, if something is.
    fn policy_problem(&self) -> Option<String> {
        let of_all = self.policy.validate().err();
        of_all
            .map(|problem| format!("[policy] {problem}"))
            .or_else(|| {
                self.providers.iter().find_map(|(id, provider)| {
                    let problem = provider.policy_over(&self.policy).err()?;
                    Some(format!("[providers.{id}.policy] {problem}"))
                })
            })
    }

    /// Two providers that would read their key from one environment variable: one of them would
    /// send a key that is not its own.
    fn shared_key_variable(&self) -> Option<String> {
        let mut taken = BTreeMap::new();
        for id in self.providers.keys() {
            let variable = EnvStore::variable(id.as_str());
            if let Some(other) = taken.get(&variable) {
                return Some(format!(
                    "the providers “{other}” and “{id}” would share the key in {variable}; rename one of them"
                ));
            }
            taken.insert(variable, id);
        }
        None
    }
}

fn read(path: &Path) -> Result<Option<String>, SettingsError> {
    let failed = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(found) if found.len() > MAX_SETTINGS => {
            return Err(SettingsError::TooLarge {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    fs::read_to_string(path).map(Some).map_err(failed)
}
