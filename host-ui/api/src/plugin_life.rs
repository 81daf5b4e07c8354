//! An installed plugin's life: on and off, limits, log, and its end.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead as _, BufReader};

use serde::Serialize;
use vale_host::{PluginSettings, SettingsEdit};
use vale_plugins::{LimitCeiling, LimitsSpec};
use vale_types::{Limits, PluginId, ProviderId};

use crate::api::{Api, blocking};
use crate::error::{ApiError, ApiErrorKind};
use crate::logs::log_files;

/// A plugin that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginRemoved {
    /// The plugin.
    pub id: PluginId,
    /// Providers of the person's that used it and cannot answer any more.
    pub orphans: Vec<ProviderId>,
}

/// What one call of a plugin may use, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginLimits {
    /// The plugin.
    pub id: PluginId,
    /// In force: the person's over the manifest's over ValeChat's own, below the ceiling.
    pub limits: Limits,
    /// What the person changed.
    pub changed: LimitsSpec,
    /// The most that any plugin may have.
    pub ceiling: LimitCeiling,
}

/// A line that a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginLogLine {
    /// When, as the log has it: RFC 3339.
    pub at: String,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// For which provider, where it answered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What it said.
    pub text: String,
}

impl Api {
    /// Switches a plugin on or off. Answers under way end as they began.
    ///
    /// # Errors
    /// When it is not installed or the settings cannot be written.
    pub async fn enable_plugin(&self, name: &str, enabled: bool) -> Result<PluginId, ApiError> {
        let id: PluginId = name.parse()?;
        self.require_installed(&id)?;
        self.choose(&id, move |plugin| plugin.enabled = enabled)
            .await?;
        Ok(id)
    }

    /// Takes an installed plugin away, with what was agreed to and kept for it.
    ///
    /// # Errors
    /// When it came with the program, is not there, or cannot be removed.
    pub async fn remove_plugin(&self, name: &str) -> Result<PluginRemoved, ApiError> {
        let id: PluginId = name.parse()?;
        let found = self.installed(&id);
        if found.as_ref().is_some_and(|found| self.is_built_in(found)) {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!("“{id}” came with ValeChat, so there is nothing to remove."),
                format!("`valechat plugin disable {id}` switches it off."),
            ));
        }
        let (shelf, config, gone) = (
            self.profile.shelf(),
            self.paths().config_file.clone(),
            id.clone(),
        );
        let state = self.paths().plugin_state(&id);
        blocking(move || {
            shelf.remove(&gone)?;
            // Notes of its own; there may be none.
            let _ = std::fs::remove_dir_all(state);
            let mut edit = SettingsEdit::open(&config)?;
            edit.remove_plugin(&gone);
            edit.save()?;
            Ok(())
        })
        .await?;
        self.settings_changed().await?;
        let providers = self.profile.providers();
        let orphans = providers.into_iter().filter(|found| found.plugin == id);
        Ok(PluginRemoved {
            orphans: orphans.map(|found| found.id).collect(),
            id,
        })
    }

    /// What one call of a plugin may use.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn plugin_limits(&self, name: &str) -> Result<PluginLimits, ApiError> {
        let id: PluginId = name.parse()?;
        let installed = self.require_installed(&id)?;
        let settings = self.profile.settings();
        let changed = settings.plugins.get(&id);
        let changed = changed.map_or_else(LimitsSpec::default, |chosen| chosen.grant.limits);
        let ceiling = LimitCeiling::default();
        let stated = installed.manifest.limits.over(Limits::default());
        Ok(PluginLimits {
            id,
            limits: ceiling.clamp(changed.over(stated)),
            changed,
            ceiling,
        })
    }

    /// Changes limits by their manifest keys; none = back to what the manifest says. Counts from the
    /// next call on.
    ///
    /// # Errors
    /// When there is no such limit, or the value is no whole number between 1 and the ceiling.
    pub async fn set_plugin_limits(
        &self,
        name: &str,
        values: &BTreeMap<String, Option<u64>>,
    ) -> Result<PluginLimits, ApiError> {
        let mut limits = self.plugin_limits(name)?;
        let most = limits.ceiling;
        for (key, value) in values {
            let (place, most) = match key.as_str() {
                "memory_mib" => (&mut limits.changed.memory_mib, most.memory_mib),
                "cpu_ms" => (&mut limits.changed.cpu_ms, most.cpu_ms),
                "wall_s" => (&mut limits.changed.wall_s, most.wall_s),
                "response_mib" => (&mut limits.changed.response_mib, most.response_mib),
                _ => {
                    return Err(ApiError::new(
                        ApiErrorKind::Usage,
                        format!("There is no limit “{key}”."),
                        "There are: memory_mib, cpu_ms, wall_s, response_mib.",
                    ));
                }
            };
            if value.is_some_and(|value| value == 0 || value > most) {
                return Err(ApiError::new(
                    ApiErrorKind::Usage,
                    format!("The limit {key} is between 1 and {most}."),
                    "Choose a value in that range. Nothing was changed.",
                ));
            }
            *place = *value;
        }
        let changed = limits.changed;
        self.choose(&limits.id, move |plugin| plugin.grant.limits = changed)
            .await?;
        self.plugin_limits(name)
    }

    /// The last lines that a plugin wrote, the newest last.
    ///
    /// # Errors
    /// When the name is none.
    pub async fn plugin_log(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Vec<PluginLogLine>, ApiError> {
        let id: PluginId = name.parse()?;
        let files = log_files(self.paths());
        blocking(move || {
            let mut kept = VecDeque::new();
            // From the newest file back, until there is enough.
            for file in files.iter().rev() {
                let Ok(file) = File::open(file) else { continue };
                let mut lines = VecDeque::new();
                for line in BufReader::new(file).lines().map_while(Result::ok) {
                    if let Some(line) = log_line(&line, &id) {
                        lines.push_back(line);
                        if lines.len() > most {
                            lines.pop_front();
                        }
                    }
                }
                while kept.len() < most {
                    let Some(line) = lines.pop_back() else { break };
                    kept.push_front(line);
                }
                if kept.len() >= most {
                    break;
                }
            }
            Ok(kept.into())
        })
        .await
    }

    /// Writes a choice about a plugin to the settings; it counts at once.
    pub(crate) async fn choose(
        &self,
        id: &PluginId,
        change: impl FnOnce(&mut PluginSettings) + Send + 'static,
    ) -> Result<(), ApiError> {
        let (config, id) = (self.paths().config_file.clone(), id.clone());
        blocking(move || {
            let mut edit = SettingsEdit::open(&config)?;
            edit.change_plugin(&id, change)?;
            edit.save()?;
            Ok(())
        })
        .await?;
        self.settings_changed().await
    }
}

/// A line of the log, if this plugin wrote it.
fn log_line(line: &str, id: &PluginId) -> Option<PluginLogLine> {
    // Most lines are of others, and reading JSON costs more than looking.
    if !line.contains(id.as_str()) {
        return None;
    }
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |value: Option<&serde_json::Value>| Some(value?.as_str()?.to_owned());
    let fields = line.get("fields")?;
    if line.get("target")? != "plugin" || text(fields.get("plugin"))? != id.as_str() {
        return None;
    }
    Some(PluginLogLine {
        at: text(line.get("timestamp"))?,
        level: text(line.get("level"))?,
        provider: text(fields.get("provider")),
        text: text(fields.get("message"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_lines_are_its_own_and_not_those_that_mention_it() {
        let id: PluginId = "org.example.x".parse().unwrap();
        let own = r#"{"timestamp":"2026-11-25T10:00:00Z","level":"INFO","fields":{"message":"hello","provider":"x","plugin":"org.example.x"},"target":"plugin"}"#;
        let line = log_line(own, &id).unwrap();
        assert_eq!((line.text.as_str(), line.level.as_str()), ("hello", "INFO"));
        for other in [
            own.replace("org.example.x", "org.example.xy"),
            own.replace("\"target\":\"plugin\"", "\"target\":\"vale_host\""),
            "org.example.x".to_owned(),
        ] {
            assert_eq!(log_line(&other, &id), None, "{other}");
        }
    }
}
