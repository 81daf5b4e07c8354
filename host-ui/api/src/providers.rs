//! Configured providers: list, test, remove.

use std::time::Instant;

use futures::future::join_all;
use serde::Serialize;
use serde_json::{Map, Value};
use vale_host::SettingsEdit;
use vale_types::{PluginId, ProviderId};

use crate::api::{Api, blocking};
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
    /// Its keys.
    pub keys: Vec<KeyRow>,
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

impl Api {
    /// All providers, with the state of their keys.
    pub async fn providers(&self) -> Vec<ProviderRow> {
        let all = self.host.providers();
        let rows = all.into_iter().map(|found| async move {
            let given = self.host.settings().providers.get(&found.id);
            let none = Map::new();
            let given = given.map_or(&none, |provider| &provider.settings);
            let (settings, problem) = match self.host.manifest(&found.id) {
                Ok(manifest) => match manifest.validate_settings(given) {
                    Ok(filled) => (filled, None),
                    Err(error) => (given.clone(), Some(error.to_string())),
                },
                Err(_) => (
                    given.clone(),
                    Some(format!("The plugin “{}” is not installed.", found.plugin)),
                ),
            };
            ProviderRow {
                keys: self.key_rows(&found.id).await,
                id: found.id,
                plugin: found.plugin,
                name: found.name,
                configured: found.configured,
                settings,
                problem,
            }
        });
        join_all(rows).await
    }

    /// Calls the provider for its list of models.
    ///
    /// # Errors
    /// Why it does not work.
    pub async fn test_provider(&self, name: &str) -> Result<ProviderTest, ApiError> {
        let id = self.find_provider(name)?.id;
        let explain = |failure| self.explain(failure, &id);
        let info = self.host.describe(&id).await.map_err(explain)?;
        let begun = Instant::now();
        let models = self.host.models(&id).await.map_err(explain)?;
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
        let keys_kept = match self.host.manifest(&found.id) {
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
        Ok(Removed {
            provider: found.id,
            keys_kept,
        })
    }
}
