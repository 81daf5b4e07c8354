//! Configured providers: list, test, remove.

use std::time::Instant;

use futures::future::join_all;
use serde::Serialize;
use serde_json::{Map, Value};
use vale_host::{Grant, ProviderSummary, SettingsEdit};
use vale_plugins::{Ceiling, effective};
use vale_types::{PluginId, ProviderId};

use crate::api::{Api, blocking};
use crate::draft::{address, keys_are_optional, shape_of_host};
use crate::error::{ApiError, ApiErrorKind};
use crate::keys::KeyRow;

/// One provider.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderRow {
    /// Its name.
    pub id: ProviderId,
    /// The plugin that answers.
    pub plugin: PluginId,
    /// The plugin's name for people; none when it is not installed.
    pub name: Option<String>,
    /// Whether the person added it; else it came with its plugin.
    pub configured: bool,
    /// The settings in force: the person's over the plugin's defaults.
    pub settings: Map<String, Value>,
    /// Where it asks to go.
    pub addresses: Vec<String>,
    /// Its keys.
    pub keys: Vec<KeyRow>,
    /// It is a local server that the person typed: calls without a key are let through.
    pub key_is_optional: bool,
    /// Why it cannot be used, as far as can be seen without calling it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A provider that answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderTest {
    /// The provider.
    pub provider: ProviderId,
    /// What the plugin calls itself.
    pub name: String,
    /// How many models it lists.
    pub models: usize,
    /// Seconds that the list took.
    pub seconds: f64,
}

/// A provider that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The provider.
    pub provider: ProviderId,
    /// Credentials whose keys may still be kept.
    pub keys_kept: Vec<String>,
}

struct Reach {
    settings: Option<Map<String, Value>>,
    addresses: Vec<String>,
    key_is_optional: bool,
    problem: Option<String>,
}

impl Reach {
    fn broken(problem: String) -> Self {
        Self {
            settings: None,
            addresses: Vec::new(),
            key_is_optional: false,
            problem: Some(problem),
        }
    }
}

impl Api {
    /// All providers, with the state of their keys.
    pub async fn providers(&self) -> Vec<ProviderRow> {
        let all = self.profile.providers();
        let rows = all.into_iter().map(|found| async move {
            let reach = self.reach(&found);
            let settings = self.profile.settings();
            let given = settings.providers.get(&found.id);
            let given = given.map_or_else(Map::new, |provider| provider.settings.clone());
            ProviderRow {
                keys: self.key_rows(&found.id).await,
                id: found.id,
                plugin: found.plugin,
                name: found.name,
                configured: found.configured,
                settings: reach.settings.unwrap_or(given),
                addresses: reach.addresses,
                key_is_optional: reach.key_is_optional,
                problem: reach.problem,
            }
        });
        join_all(rows).await
    }

    /// Where the provider's calls go, where a setting says so.
    pub(crate) fn address_of(&self, provider: &ProviderId) -> Option<String> {
        let all = self.profile.providers();
        let found = all.iter().find(|found| found.id == *provider)?;
        let settings = self.reach(found).settings?;
        Some(settings.get("base_url")?.as_str()?.to_owned())
    }

    /// Where the provider may go as it is configured, without calling it.
    fn reach(&self, found: &ProviderSummary) -> Reach {
        let Some(installed) = self.installed(&found.plugin) else {
            let problem = format!("The plugin “{}” is not installed.", found.plugin);
            return Reach::broken(problem);
        };
        let settings = self.profile.settings();
        let configured = settings.providers.get(&found.id);
        let chosen = settings.plugins.get(&found.plugin).cloned();
        let chosen = chosen.unwrap_or_default();
        if !chosen.enabled {
            let plugin = &found.plugin;
            return Reach::broken(format!(
                "The plugin “{plugin}” is switched off; `valechat plugin enable {plugin}` switches it on."
            ));
        }
        let given = configured.map_or(&chosen.settings, |provider| &provider.settings);
        let none = Grant::default();
        let grant = Grant {
            built_in: self.is_built_in(&installed),
            ..chosen
                .grant
                .and(configured.map_or(&none, |found| &found.grant))
        };
        match installed.manifest.resolve(given, &shape_of_host()) {
            Err(error) => Reach::broken(error.to_string()),
            Ok(resolved) => {
                let effective = effective(&resolved, &grant, &Ceiling::default());
                Reach {
                    settings: installed.manifest.validate_settings(given).ok(),
                    addresses: resolved
                        .egress
                        .iter()
                        .map(|rule| address(&rule.source, &rule.origin))
                        .collect(),
                    key_is_optional: keys_are_optional(&effective),
                    problem: effective.dropped.first().map(ToString::to_string),
                }
            }
        }
    }

    /// Calls the provider for its list of models.
    ///
    /// # Errors
    /// Why it does not work.
    pub async fn test_provider(&self, name: &str) -> Result<ProviderTest, ApiError> {
        let id = self.find_provider(name)?.id;
        let explain = |failure| self.explain(failure, &id);
        let info = self.link.describe(&id).await.map_err(explain)?;
        let begun = Instant::now();
        let models = self.link.models(&id).await.map_err(explain)?;
        Ok(ProviderTest {
            name: info.display_name,
            models: models.len(),
            seconds: begun.elapsed().as_secs_f64(),
            provider: id,
        })
    }

    /// Takes a provider out of the settings. Its keys are kept.
    ///
    /// # Errors
    /// When there is none of that name, it came with its plugin, or the file cannot be written.
    pub async fn remove_provider(&self, name: &str) -> Result<Removed, ApiError> {
        let found = self.find_provider(name)?;
        if !found.configured {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!(
                    "“{}” came with its plugin, so there is nothing to remove.",
                    found.id
                ),
                "It does nothing until you use it.",
            ));
        }
        let keys_kept = match self.profile.manifest(&found.id) {
            Ok(manifest) => manifest
                .credentials
                .iter()
                .filter(|spec| spec.source == vale_plugins::CredentialSource::Person)
                .map(|spec| spec.name.clone())
                .collect(),
            Err(_) => Vec::new(),
        };
        let (path, id) = (self.paths().config_file.clone(), found.id.clone());
        blocking(move || {
            let mut edit = SettingsEdit::open(&path)?;
            if !edit.remove_provider(&id) {
                return Err(ApiError::new(
                    ApiErrorKind::Settings,
                    format!("“{id}” is not in {} any more.", path.display()),
                    "See `valechat provider list`.",
                ));
            }
            edit.save()?;
            Ok(())
        })
        .await?;
        self.settings_changed().await?;
        Ok(Removed {
            provider: found.id,
            keys_kept,
        })
    }
}
