//! A plugin's own settings: the form that its schema makes, and changing values. A value that is an
//! address is asked for like any other place.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use vale_host::PluginSettings;
use vale_plugins::{Grant, Manifest};
use vale_types::PluginId;

use crate::api::Api;
use crate::draft::{Ask, refuse_host_infer, typed};
use crate::error::{ApiError, ApiErrorKind};
use crate::install::agreement;

/// A field of the form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingField {
    /// Its name.
    pub name: String,
    /// Its JSON Schema, with title, description, type, choices and bounds.
    pub schema: Value,
    /// Whether the plugin cannot work without a value.
    pub required: bool,
    /// The value in force; none = there is none.
    pub value: Option<Value>,
    /// Whether the person set it; else it is the plugin's default.
    pub is_set: bool,
}

/// A plugin's settings, for any face to draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingsForm {
    /// The plugin.
    pub plugin: PluginId,
    /// In the manifest's order.
    pub fields: Vec<SettingField>,
    /// Names of the keys that it uses; their values are never here.
    pub keys: Vec<String>,
}

/// Checked values that nothing was written of yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingsDraft {
    /// The plugin.
    pub plugin: PluginId,
    /// The person's values from then on.
    pub settings: Map<String, Value>,
    /// Addresses that the person must agree to.
    pub asks: Vec<Ask>,
    #[serde(skip)]
    grant: Grant,
}

impl Api {
    /// The form of a plugin's settings, as they are for the plugin itself.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn plugin_settings(&self, name: &str) -> Result<SettingsForm, ApiError> {
        let plugin: PluginId = name.parse()?;
        let installed = self.require_installed(&plugin)?;
        let chosen = self.chosen(&plugin);
        let manifest = &installed.manifest;
        let required = manifest.settings.get("required").and_then(Value::as_array);
        let fields = manifest.settings_order.iter().map(|name| {
            let schema = schema_of(manifest, name);
            let set = chosen.settings.get(name).cloned();
            SettingField {
                is_set: set.is_some(),
                value: set.or_else(|| schema.get("default").cloned()),
                required: required.is_some_and(|all| all.iter().any(|known| known == name)),
                name: name.clone(),
                schema,
            }
        });
        Ok(SettingsForm {
            fields: fields.collect(),
            keys: manifest
                .credentials
                .iter()
                .map(|spec| spec.name.clone())
                .collect(),
            plugin,
        })
    }

    /// Checks new values; none = back to the default.
    ///
    /// # Errors
    /// A sentence for each value that does not fit, or when an address can never be reached.
    pub fn draft_settings(
        &self,
        name: &str,
        values: &BTreeMap<String, Option<String>>,
        is_local_server: bool,
    ) -> Result<SettingsDraft, ApiError> {
        let plugin: PluginId = name.parse()?;
        let installed = self.require_installed(&plugin)?;
        let manifest = &installed.manifest;
        let chosen = self.chosen(&plugin);
        let given: BTreeMap<String, String> = values
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .collect();
        refuse_host_infer(&given)?;
        let mut settings = chosen.settings;
        for (name, _) in values.iter().filter(|(_, value)| value.is_none()) {
            if !manifest.settings_order.contains(name) {
                return Err(ApiError::new(
                    ApiErrorKind::Usage,
                    format!("{plugin} has no setting “{name}”."),
                    format!("It has: {}.", manifest.settings_order.join(", ")),
                ));
            }
            settings.remove(name);
        }
        settings.extend(typed(manifest, &given));
        let before = Grant {
            built_in: self.is_built_in(&installed),
            ..chosen.grant
        };
        let (asks, grant) = agreement(manifest, &settings, &before, is_local_server)?;
        Ok(SettingsDraft {
            plugin,
            settings,
            asks,
            grant: Grant {
                built_in: false,
                ..grant
            },
        })
    }

    /// Writes values, with the consent that the person gave by calling this. They count from the next
    /// call on.
    ///
    /// # Errors
    /// When the file cannot be written; it is then unchanged.
    pub async fn apply_settings(&self, draft: &SettingsDraft) -> Result<(), ApiError> {
        let (settings, grant) = (draft.settings.clone(), draft.grant.clone());
        self.choose(&draft.plugin, move |plugin| {
            plugin.settings = settings;
            plugin.grant = grant;
        })
        .await
    }

    fn chosen(&self, plugin: &PluginId) -> PluginSettings {
        let settings = self.profile.settings();
        settings.plugins.get(plugin).cloned().unwrap_or_default()
    }
}

fn schema_of(manifest: &Manifest, name: &str) -> Value {
    let properties = manifest.settings.get("properties");
    let found = properties.and_then(|properties| properties.get(name));
    found.cloned().unwrap_or(Value::Null)
}
