//! `[plugins.<id>]`: what the person chose for a plugin, whatever provider uses it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vale_plugins::Grant;

/// `[plugins.<id>]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginSettings {
    /// Whether it may be used.
    pub enabled: bool,
    /// What the person agreed to when they installed it, and the limits that they changed.
    pub grant: Grant,
    /// Values for its settings: a tool's, or those of the provider that a plugin brings along.
    pub settings: Map<String, Value>,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            grant: Grant::default(),
            settings: Map::new(),
        }
    }
}
