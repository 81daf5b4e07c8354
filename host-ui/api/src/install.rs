//! Installing somebody's plugin: what it may reach is shown before anything is written, and an update
//! that asks for more shows the difference.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vale_host::{PermissionCard, PluginSettings, SettingsEdit, inspect_component};
use vale_plugins::{
    CardContext, Ceiling, Change, Grant, Installed, Manifest, Package, PluginKind, Version,
    effective, sha256_hex,
};
use vale_types::PluginId;

use crate::api::{Api, blocking};
use crate::draft::{Ask, agree, asks, refuse_host_infer, shape_of_host, typed};
use crate::error::{ApiError, ApiErrorKind};
use crate::package::{Opened, open};

/// A plugin to be installed or updated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallRequest {
    /// The plugin's file, or the folder of its project.
    pub path: PathBuf,
    /// Values for its settings, as typed.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// An https address that the person typed is a server of their own network.
    #[serde(default)]
    pub is_local_server: bool,
    /// The file must be a version of a plugin that is there.
    #[serde(default)]
    pub is_update: bool,
}

/// The version that is there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// Its version.
    pub version: String,
    /// The file is the one that was installed.
    pub same_file: bool,
    /// What is installed is no longer what was installed.
    pub is_damaged: bool,
    /// The new version is an older one.
    pub is_downgrade: bool,
    /// The version is the same and the file another.
    pub same_version: bool,
}

/// A checked plugin that nothing was written of yet.
#[derive(Debug, Clone, Serialize)]
pub struct PluginDraft {
    /// Its id.
    pub id: PluginId,
    /// For people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub kind: PluginKind,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// What it would replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaced>,
    /// Addresses that the person must agree to.
    pub asks: Vec<Ask>,
    /// What differs from the version that is there, the widening ones first.
    pub changes: Vec<Change>,
    /// What is worth a second look, sentences.
    pub warnings: Vec<String>,
    /// What it may do, once agreed.
    pub card: PermissionCard,
    #[serde(skip)]
    package: Package,
    #[serde(skip)]
    file: Vec<u8>,
    #[serde(skip)]
    source: String,
    #[serde(skip)]
    chosen: PluginSettings,
}

impl PluginDraft {
    /// Whether the person must be asked before it is installed: always for a new plugin, and for an
    /// update that may do more, is older, or calls other bytes by the same version.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        match &self.replaces {
            None => true,
            Some(replaced) => {
                !self.asks.is_empty()
                    || self.changes.iter().any(|change| change.widens)
                    || replaced.is_downgrade
                    || (replaced.same_version && !replaced.same_file)
            }
        }
    }
}

/// A plugin that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginInstalled {
    /// Its id.
    pub id: PluginId,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub kind: PluginKind,
    /// The version that was there before.
    pub replaced: Option<String>,
}

impl Api {
    /// Checks a plugin's file and finds out what the person must agree to. Nothing of it runs.
    ///
    /// # Errors
    /// When the file is no plugin that this ValeChat runs, its id is another's, a value does not fit
    /// a setting, or an address can never be reached.
    pub async fn draft_plugin(&self, request: &InstallRequest) -> Result<PluginDraft, ApiError> {
        let path = request.path.clone();
        let Opened {
            file,
            package,
            imports,
        } = blocking(move || open(&path)).await?;
        let manifest = &package.manifest;
        let id = manifest.id.clone();
        self.check_id(&id, request.is_update)?;
        let before = self.installed(&id);
        let chosen = self.profile.settings().plugins.get(&id).cloned();
        // What was agreed to for a plugin that is no longer there counts for nothing.
        let chosen = chosen.filter(|_| before.is_some()).unwrap_or_default();
        refuse_host_infer(&request.settings)?;
        let mut settings = still_fitting(manifest, &chosen.settings);
        settings.extend(typed(manifest, &request.settings));
        let (asks, grant) = agreement(manifest, &settings, &chosen.grant, request.is_local_server)?;
        let card = PermissionCard::new(
            manifest,
            &CardContext {
                settings: &settings,
                host: &shape_of_host(),
                grant: &grant,
                ceiling: &Ceiling::default(),
                imports: &imports,
                differences: &[],
            },
        );
        let sha256 = sha256_hex(&file);
        let (mut replaces, mut changes) = (None, Vec::new());
        if let Some(before) = &before {
            let old = imports_now(before).await?;
            replaces = Some(replaced(before, manifest, &sha256, old.is_none()));
            changes = vale_plugins::changes(
                Version {
                    manifest: &before.manifest,
                    imports: &old.unwrap_or_default(),
                },
                Version {
                    manifest,
                    imports: &imports,
                },
            );
        }
        Ok(PluginDraft {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            kind: manifest.world.kind,
            sha256,
            bytes: file.len() as u64,
            warnings: warnings(&card, replaces.as_ref(), &package),
            replaces,
            asks,
            changes,
            card,
            id,
            package,
            file,
            source: request.path.display().to_string(),
            chosen: PluginSettings {
                enabled: chosen.enabled,
                grant,
                settings,
            },
        })
    }

    /// Installs or updates a plugin, with the consent that the person gave by calling this. It counts
    /// at once; answers under way end on the version that they began with.
    ///
    /// # Errors
    /// When it cannot be written, or the component turns out not to load: then everything is as
    /// before.
    pub async fn install_plugin(&self, draft: &PluginDraft) -> Result<PluginInstalled, ApiError> {
        let (shelf, config) = (self.profile.shelf(), self.paths().config_file.clone());
        let put = draft.clone();
        blocking(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_secs());
            // First the file: a plugin without consent can do nothing.
            shelf.put(&put.package, &put.file, &put.source, now)?;
            let mut edit = SettingsEdit::open(&config)?;
            edit.set_plugin(&put.id, &put.chosen)?;
            edit.save()?;
            Ok(())
        })
        .await?;
        self.settings_changed().await?;
        // The compiler has the last word on whether it is whole.
        if let Err(failure) = self.link.permission_card(&draft.id, None).await {
            let why = failure.to_string();
            self.take_back(draft, why.clone()).await?;
            return Err(ApiError::new(
                ApiErrorKind::Plugin,
                format!("{} {} does not load: {why}.", draft.id, draft.version),
                "Nothing was changed. Ask its author for a version that works.",
            ));
        }
        Ok(PluginInstalled {
            id: draft.id.clone(),
            version: draft.version.clone(),
            kind: draft.kind,
            replaced: draft.replaces.as_ref().map(|before| before.version.clone()),
        })
    }

    /// Undoes an installation that turned out not to load.
    async fn take_back(&self, draft: &PluginDraft, why: String) -> Result<(), ApiError> {
        let (shelf, config) = (self.profile.shelf(), self.paths().config_file.clone());
        let (id, sha256) = (draft.id.clone(), draft.sha256.clone());
        let is_new = draft.replaces.is_none();
        blocking(move || {
            if is_new {
                shelf.remove(&id)?;
                let mut edit = SettingsEdit::open(&config)?;
                edit.remove_plugin(&id);
                edit.save()?;
            } else {
                shelf.note_call(&id, &sha256, Some(&why), 0)?;
            }
            Ok(())
        })
        .await?;
        self.settings_changed().await
    }

    /// An id is its owner's: what came along cannot be replaced, and other people's names are theirs.
    fn check_id(&self, id: &PluginId, is_update: bool) -> Result<(), ApiError> {
        let installed = self.installed(id);
        if installed
            .as_ref()
            .is_some_and(|found| self.is_built_in(found))
        {
            return Err(ApiError::new(
                ApiErrorKind::Plugin,
                format!(
                    "“{id}” is the id of a plugin that comes with ValeChat; a file cannot replace it."
                ),
                "Ask its author for a version with an id of their own.",
            ));
        }
        if !id.as_str().contains('.') {
            return Err(ApiError::new(
                ApiErrorKind::Plugin,
                format!("The plugin calls itself “{id}”; names without a dot are ValeChat's own."),
                "Its author must choose an id like org.example.name, of a domain that is theirs.",
            ));
        }
        if is_update && installed.is_none() {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!("The file is the plugin “{id}”, which is not installed."),
                "Use `valechat plugin install`.",
            ));
        }
        Ok(())
    }
}

/// What the person must agree to beside what they did already, and the grant once they have.
pub(crate) fn agreement(
    manifest: &Manifest,
    settings: &Map<String, Value>,
    before: &Grant,
    is_local_server: bool,
) -> Result<(Vec<Ask>, Grant), ApiError> {
    let resolved = manifest
        .resolve(settings, &shape_of_host())
        .map_err(|error| ApiError::of_values(&error))?;
    let mut grant = before.clone();
    // What the new version does not ask for, a later one must ask for again.
    grant
        .origins
        .retain(|origin| resolved.egress.iter().any(|rule| rule.origin == *origin));
    let now = effective(&resolved, &grant, &Ceiling::default());
    let asks = asks(&now, is_local_server)?;
    agree(&mut grant, &asks);
    Ok((asks, grant))
}

/// Settings that the new version knows still and accepts.
fn still_fitting(manifest: &Manifest, settings: &Map<String, Value>) -> Map<String, Value> {
    let fits = |name: &String, value: &Value| {
        let one = Map::from_iter([(name.clone(), value.clone())]);
        match manifest.validate_settings(&one) {
            Ok(_) => true,
            // Another one that is missing is not this one's fault.
            Err(error) => !error.problems().iter().any(|problem| {
                let key = problem.key.trim_start_matches("settings.");
                let rest = key.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
            }),
        }
    };
    let kept = settings.iter().filter(|(name, value)| fits(name, value));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What an installed component imports; none = it is damaged or gone.
async fn imports_now(installed: &Arc<Installed>) -> Result<Option<Vec<String>>, ApiError> {
    let installed = Arc::clone(installed);
    blocking(move || {
        let component = installed.component_bytes().ok();
        Ok(component
            .and_then(|component| inspect_component(&component.bytes).ok())
            .map(|shape| shape.imports))
    })
    .await
}

fn replaced(before: &Installed, manifest: &Manifest, sha256: &str, is_damaged: bool) -> Replaced {
    let record = before.record.as_ref();
    Replaced {
        is_damaged,
        version: before.manifest.version.to_string(),
        same_file: record.is_some_and(|record| record.current.sha256 == sha256),
        is_downgrade: manifest.version < before.manifest.version,
        same_version: manifest.version == before.manifest.version,
    }
}

/// What a hurried person would overlook.
fn warnings(card: &PermissionCard, replaces: Option<&Replaced>, package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    for host in &card.hosts {
        if let Some(name) = host
            .address
            .split("://")
            .nth(1)
            .filter(|name| name.contains("xn--"))
        {
            found.push(format!(
                "{name} is written with letters of other alphabets; it may look like a name that you know and be another"
            ));
        }
        if host.address.starts_with("http://") {
            found.push(format!("what goes to {} is not encrypted", host.address));
        }
    }
    match replaces {
        Some(replaced) if replaced.is_downgrade => found.push(format!(
            "this is older than the {} that is installed; mistakes that were mended since come back",
            replaced.version
        )),
        Some(replaced) if replaced.same_version && !replaced.same_file => found.push(format!(
            "this is another file than the {} that is installed, under the same version",
            replaced.version
        )),
        _ => {}
    }
    found.push(if package.has_signature {
        "it carries a signature, which this version of ValeChat does not check".to_owned()
    } else {
        "nobody vouches for it: it is not signed".to_owned()
    });
    found
}
