//! What is installed, and the permission card of each.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use vale_host::{Entry, Installed, PermissionCard};
use vale_plugins::{PluginKind, RolledBack};
use vale_types::{PluginId, ProviderId};

use crate::api::{Api, blocking};
use crate::error::{ApiError, ApiErrorKind};

/// One folder among the plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginRow {
    /// Its id; none when its manifest cannot be read.
    pub id: Option<PluginId>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its own version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The contract it is built against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// One line about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<PluginKind>,
    /// Whether it may be used.
    pub enabled: bool,
    /// Calls that this version has still to end well before it counts as good.
    pub trial: u32,
    /// A version that failed in its first calls and was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<RolledBack>,
    /// Whether it came with the program.
    pub built_in: bool,
    /// Its folder.
    pub path: PathBuf,
    /// The providers that use it.
    pub providers: Vec<ProviderId>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Everything a plugin may do, with the file that it is true of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginCard {
    /// The provider whose settings and permissions are shown; none = the plugin alone.
    pub provider: Option<ProviderId>,
    /// The component's file.
    pub component: PathBuf,
    /// SHA-256 of the component, hex.
    pub sha256: String,
    /// Size of the component, bytes.
    pub bytes: u64,
    /// Whether it came with the program.
    pub built_in: bool,
    /// The card.
    pub card: PermissionCard,
}

impl Api {
    /// What lies in the plugin folders, damaged entries included. Loads nothing.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginRow> {
        let (providers, registry) = (self.profile.providers(), self.profile.registry());
        let settings = self.profile.settings();
        let row = |entry: &Entry| match entry {
            Entry::Ready(installed) => PluginRow {
                id: Some(installed.manifest.id.clone()),
                name: Some(installed.manifest.name.clone()),
                version: Some(installed.manifest.version.to_string()),
                world: Some(installed.manifest.world.to_string()),
                description: installed.manifest.description.clone(),
                kind: Some(installed.manifest.world.kind),
                enabled: settings
                    .plugins
                    .get(&installed.manifest.id)
                    .is_none_or(|chosen| chosen.enabled),
                trial: installed.record.as_ref().map_or(0, |record| record.trial),
                taken_back: installed
                    .record
                    .as_ref()
                    .and_then(|record| record.rolled_back.clone()),
                built_in: self.is_built_in(installed),
                path: installed.path.clone(),
                providers: providers
                    .iter()
                    .filter(|found| found.plugin == installed.manifest.id)
                    .map(|found| found.id.clone())
                    .collect(),
                problem: None,
            },
            Entry::Broken { path, error } => PluginRow {
                id: None,
                name: None,
                version: None,
                world: None,
                description: None,
                kind: None,
                enabled: false,
                trial: 0,
                taken_back: None,
                built_in: false,
                path: path.clone(),
                providers: Vec::new(),
                problem: Some(error.to_string()),
            },
        };
        registry.entries().iter().map(row).collect()
    }

    /// The permission card of a plugin or of a provider; loads the component to see what it
    /// imports.
    ///
    /// # Errors
    /// When nothing has that name or the component cannot be loaded.
    pub async fn plugin_card(&self, name: &str) -> Result<PluginCard, ApiError> {
        let provider = name.parse::<ProviderId>().ok().and_then(|id| {
            let all = self.profile.providers();
            all.into_iter().find(|found| found.id == id)
        });
        let plugin: PluginId = match &provider {
            Some(found) => found.plugin.clone(),
            None => name.parse()?,
        };
        let installed = self.require_installed(&plugin)?;
        let id = provider.map(|found| found.id);
        let shown = id.as_ref().map_or(plugin.as_str(), ProviderId::as_str);
        let card = self
            .link
            .permission_card(&plugin, id.as_ref())
            .await
            .map_err(|failure| ApiError::of_failure(failure, shown, false))?;
        let built_in = self.is_built_in(&installed);
        let component = installed.component_path.clone();
        let (sha256, bytes) = blocking(move || {
            let read = installed.component_bytes().map_err(|error| {
                ApiError::new(
                    ApiErrorKind::Plugin,
                    error.to_string(),
                    "Install the plugin again.",
                )
            })?;
            Ok((read.sha256_hex(), read.bytes.len() as u64))
        })
        .await?;
        Ok(PluginCard {
            provider: id,
            component,
            sha256,
            bytes,
            built_in,
            card,
        })
    }

    pub(crate) fn require_installed(&self, plugin: &PluginId) -> Result<Arc<Installed>, ApiError> {
        self.installed(plugin).ok_or_else(|| {
            let registry = self.profile.registry();
            let ids: Vec<String> = registry
                .ready()
                .map(|installed| installed.manifest.id.to_string())
                .collect();
            if ids.is_empty() {
                return self.nothing_installed();
            }
            ApiError::new(
                ApiErrorKind::Usage,
                format!("There is no usable plugin “{plugin}”."),
                format!(
                    "Installed are: {}. See `valechat plugin list`.",
                    ids.join(", ")
                ),
            )
        })
    }
}
