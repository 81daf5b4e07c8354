//! A change to `config.toml` that leaves everything else as the person wrote it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use vale_plugins::Grant;
use vale_types::{PluginId, ProviderId};

use super::{KeyStore, PluginSettings, ProviderSettings, Settings, SettingsError, read};

/// A change to `config.toml` that leaves comments and order alone.
#[derive(Debug)]
pub struct SettingsEdit {
    path: PathBuf,
    document: toml_edit::DocumentMut,
    /// Held from reading to writing, so that two edits at once both stay.
    _lock: fs::File,
}

impl SettingsEdit {
    /// Opens the file for a change. A file with a mistake is not changed.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn open(path: &Path) -> Result<Self, SettingsError> {
        // A link (dotfiles) stays one: what it points to is edited.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = lock(&path).map_err(|source| SettingsError::Write {
            path: path.clone(),
            source,
        })?;
        let text = read(&path)?.unwrap_or_default();
        Settings::parse(&path, &text)?;
        let document =
            text.parse()
                .map_err(|error: toml_edit::TomlError| SettingsError::Invalid {
                    path: path.clone(),
                    problem: error.to_string(),
                })?;
        Ok(Self {
            path,
            document,
            _lock: lock,
        })
    }

    /// Adds a provider.
    ///
    /// # Errors
    /// When one of that name exists.
    pub fn add_provider(
        &mut self,
        id: &ProviderId,
        provider: &ProviderSettings,
    ) -> Result<(), SettingsError> {
        let providers = self.tables("providers")?;
        if providers.contains_key(id.as_str()) {
            return Err(SettingsError::Provider(format!(
                "there is a provider “{id}” already; choose another name, or remove it first with `valechat provider remove {id}`"
            )));
        }
        let mut table = toml_edit::Table::new();
        table.insert("plugin", toml_edit::value(provider.plugin.as_str()));
        put_choices(&mut table, &provider.settings, &provider.grant);
        providers.insert(id.as_str(), toml_edit::Item::Table(table));
        Ok(())
    }

    /// Removes a provider; false when there is none of that name.
    pub fn remove_provider(&mut self, id: &ProviderId) -> bool {
        self.document
            .get_mut("providers")
            .and_then(toml_edit::Item::as_table_mut)
            .and_then(|providers| providers.remove(id.as_str()))
            .is_some()
    }

    /// Puts down what the person chose for a plugin. What is the default is left out; a plugin with
    /// nothing but defaults has no entry.
    ///
    /// # Errors
    /// When `plugins` is something else than tables.
    pub fn set_plugin(
        &mut self,
        id: &PluginId,
        plugin: &PluginSettings,
    ) -> Result<(), SettingsError> {
        if *plugin == PluginSettings::default() {
            self.remove_plugin(id);
            return Ok(());
        }
        let plugins = self.tables("plugins")?;
        let entry = plugins
            .entry(id.as_str())
            .or_insert_with(toml_edit::table)
            .as_table_mut()
            .ok_or_else(|| SettingsError::Provider(format!("`plugins.{id}` is not a table")))?;
        if plugin.enabled {
            entry.remove("enabled");
        } else {
            entry.insert("enabled", toml_edit::value(false));
        }
        entry.remove("settings");
        entry.remove("grant");
        put_choices(entry, &plugin.settings, &plugin.grant);
        Ok(())
    }

    /// Changes what the person chose for a plugin, from what the file says now.
    ///
    /// # Errors
    /// As [`Self::set_plugin`].
    pub fn change_plugin(
        &mut self,
        id: &PluginId,
        change: impl FnOnce(&mut PluginSettings),
    ) -> Result<(), SettingsError> {
        let now = Settings::parse(&self.path, &self.document.to_string())?;
        let mut plugin = now.plugins.get(id).cloned().unwrap_or_default();
        change(&mut plugin);
        self.set_plugin(id, &plugin)
    }

    /// Forgets what the person chose for a plugin; false when there is nothing.
    pub fn remove_plugin(&mut self, id: &PluginId) -> bool {
        self.document
            .get_mut("plugins")
            .and_then(toml_edit::Item::as_table_mut)
            .and_then(|plugins| plugins.remove(id.as_str()))
            .is_some()
    }

    /// A table of tables, made when it is not there.
    fn tables(&mut self, name: &str) -> Result<&mut toml_edit::Table, SettingsError> {
        self.document
            .entry(name)
            .or_insert_with(|| {
                let mut table = toml_edit::Table::new();
                table.set_implicit(true);
                toml_edit::Item::Table(table)
            })
            .as_table_mut()
            .ok_or_else(|| SettingsError::Provider(format!("`{name}` is not a table")))
    }

    /// Chooses where keys are kept.
    pub fn set_key_store(&mut self, store: KeyStore) {
        let name = match store {
            KeyStore::Keyring => "keyring",
            KeyStore::File => "file",
        };
        // `open` has checked that `keys`, if it is there, is a table.
        let keys = self.document.entry("keys").or_insert_with(toml_edit::table);
        if let Some(keys) = keys.as_table_like_mut() {
            keys.insert("store", toml_edit::value(name));
        }
    }

    /// Writes the file: aside, synced, then renamed. The old one stays whole whatever happens.
    ///
    /// # Errors
    /// When the disk is full or the folder cannot be written.
    pub fn save(self) -> Result<Settings, SettingsError> {
        let text = self.document.to_string();
        let settings = Settings::parse(&self.path, &text)?;
        let failed = |source| SettingsError::Write {
            path: self.path.clone(),
            source,
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        // The new file is the person's alone, as it may name a proxy's password; a mode that they
        // chose is kept.
        if let Ok(old) = fs::metadata(&self.path) {
            aside
                .as_file()
                .set_permissions(old.permissions())
                .map_err(failed)?;
        }
        aside
            .write_all(text.as_bytes())
            .and_then(|()| aside.as_file().sync_all())
            .map_err(failed)?;
        aside
            .persist(&self.path)
            .map_err(|error| failed(error.error))?;
        Ok(settings)
    }
}

/// Waits for other edits of this file.
fn lock(path: &Path) -> io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = fs::File::create(path.with_extension("toml.lock"))?;
    file.lock()?;
    Ok(file)
}

/// Writes settings and a grant where they say something.
fn put_choices(table: &mut toml_edit::Table, settings: &Map<String, Value>, grant: &Grant) {
    if !settings.is_empty() {
        let mut written = toml_edit::Table::new();
        for (name, value) in settings {
            if let Some(value) = toml_value(value) {
                written.insert(name, toml_edit::Item::Value(value));
            }
        }
        table.insert("settings", toml_edit::Item::Table(written));
    }
    let said = serde_json::to_value(grant).unwrap_or_default();
    if let (true, Value::Object(said)) = (*grant != Grant::default(), said) {
        let mut granted = toml_edit::Table::new();
        for (name, value) in &said {
            let empty = value.as_array().is_some_and(Vec::is_empty)
                || value
                    .as_object()
                    .is_some_and(|object| object.values().all(Value::is_null));
            if let (false, Some(value)) = (empty, toml_value(value)) {
                granted.insert(name, toml_edit::Item::Value(value));
            }
        }
        table.insert("grant", toml_edit::Item::Table(granted));
    }
}

fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64()?.into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            toml_edit::Value::Array(items.iter().filter_map(toml_value).collect())
        }
        Value::Object(fields) => {
            let mut table = toml_edit::InlineTable::new();
            for (name, value) in fields {
                if let Some(value) = toml_value(value) {
                    table.insert(name, value);
                }
            }
            toml_edit::Value::InlineTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_provider_without_a_plugin_has_the_one_of_its_name() {
        let text = "[providers.ollama.policy.timeouts]\nfirst_event_s = 900\n";
        let settings = Settings::parse(Path::new("config.toml"), text).unwrap();
        let (id, provider) = settings.providers.first_key_value().unwrap();
        assert_eq!(
            (id.as_str(), provider.plugin.as_str()),
            ("ollama", "ollama")
        );
        let policy = provider.policy_over(&settings.policy).unwrap();
        assert_eq!(policy.timeouts.first_event(), Duration::from_secs(900));
    }

    fn lan_server() -> ProviderSettings {
        ProviderSettings {
            plugin: "openai".parse().unwrap(),
            settings: Map::from_iter([("base_url".into(), "http://127.0.0.1:8081/v1".into())]),
            grant: Grant {
                local_server: Some("http://127.0.0.1:8081".parse().unwrap()),
                ..Grant::default()
            },
            policy: Map::new(),
        }
    }

    #[test]
    fn an_edit_keeps_comments_and_reads_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "# mine\ndefault_model = \"local/smol\" # small\n").unwrap();
        let mut edit = SettingsEdit::open(&path).unwrap();
        edit.add_provider(&"lan".parse().unwrap(), &lan_server())
            .unwrap();
        edit.set_key_store(KeyStore::File);
        let settings = edit.save().unwrap();
        assert_eq!(settings.providers[&"lan".parse().unwrap()], lan_server());
        assert_eq!(settings, Settings::load(&path).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# mine\ndefault_model = \"local/smol\" # small\n"),
            "{text}"
        );

        let mut edit = SettingsEdit::open(&path).unwrap();
        assert!(
            edit.add_provider(&"lan".parse().unwrap(), &lan_server())
                .is_err()
        );
        assert!(edit.remove_provider(&"lan".parse().unwrap()));
        assert!(!edit.remove_provider(&"lan".parse().unwrap()));
        assert!(edit.save().unwrap().providers.is_empty());
    }

    #[test]
    fn what_is_chosen_for_a_plugin_reads_back_and_defaults_leave_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "# mine\n").unwrap();
        let id: PluginId = "org.example.x".parse().unwrap();
        let mut plugin = PluginSettings {
            enabled: false,
            ..PluginSettings::default()
        };
        plugin.grant.limits.memory_mib = Some(128);
        let origin = "https://api.example.com".parse().unwrap();
        plugin.grant.origins.insert(origin);
        plugin.settings.insert("units".into(), "metric".into());
        let mut edit = SettingsEdit::open(&path).unwrap();
        edit.set_plugin(&id, &plugin).unwrap();
        assert_eq!(edit.save().unwrap().plugins[&id], plugin);
        assert_eq!(Settings::load(&path).unwrap().plugins[&id], plugin);

        let mut edit = SettingsEdit::open(&path).unwrap();
        edit.set_plugin(&id, &PluginSettings::default()).unwrap();
        assert!(edit.save().unwrap().plugins.is_empty());
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# mine\n") && !text.contains("org.example"),
            "{text}"
        );
    }

    #[test]
    fn edits_at_once_all_stay_and_links_and_modes_too() {
        let folder = tempfile::tempdir().unwrap();
        let (real, path) = (
            folder.path().join("dotfile"),
            folder.path().join("config.toml"),
        );
        fs::write(&real, "# mine\n").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
            std::os::unix::fs::symlink(&real, &path).unwrap();
        }
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let mut edit = SettingsEdit::open(path).unwrap();
                    let id = format!("lan{number}").parse().unwrap();
                    edit.add_provider(&id, &lan_server()).unwrap();
                    edit.save().unwrap();
                });
            }
        });
        assert_eq!(Settings::load(&path).unwrap().providers.len(), 8);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
            assert_eq!(
                fs::metadata(&real).unwrap().permissions().mode() & 0o777,
                0o640
            );
        }
    }

    #[test]
    fn a_mistake_is_named_by_line_and_the_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for (text, words) in [
            ("default_model = ", "line 1"),
            ("[providers.x]\nplugin = \"../evil\"", "not valid"),
            ("colour = 1", "colour"),
            ("default_model = \"nomodel\"", "provider/model"),
            (
                "[inference]\nmodel = \"https://models.example/a.gguf\"",
                "sha256",
            ),
            (
                "[providers.a-b]\nplugin = \"openai\"\n[providers.\"a.b\"]\nplugin = \"openai\"",
                "VALECHAT_KEY_A_B",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let error = SettingsEdit::open(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
