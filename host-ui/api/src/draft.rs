//! Adding a provider: values become settings, and what they would let the plugin reach is shown
//! before anything is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use vale_host::{Grant, Manifest, Origin, ProviderSettings, SettingsEdit};
use vale_plugins::{
    Ceiling, CredentialSpec, DropReason, Effective, HostVars, OriginSource, effective,
};
use vale_types::{PluginId, ProviderId};

use crate::api::{Api, blocking};
use crate::error::{ApiError, ApiErrorKind};
use crate::keys::{KeyState, state};

/// What manifests write for the address of the model that ValeChat runs itself.
const HOST_INFER: &str = "{host.infer}";

/// A provider to be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftRequest {
    /// Its name.
    pub id: String,
    /// The plugin that answers.
    pub plugin: String,
    /// Values as typed; they are converted as the plugin's schema says.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// An https address that the person typed is a server of their own network.
    #[serde(default)]
    pub is_local_server: bool,
}

/// Something that the person must agree to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ask {
    /// The address.
    pub origin: Origin,
    /// As a server on this machine or in the private network.
    pub local_server: bool,
    /// Nothing on the way is encrypted.
    pub unencrypted: bool,
    /// The setting that it comes from, if it does.
    pub setting: Option<String>,
}

/// A key that lies under the provider's name already, from a provider that had it before or from
/// the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptKey {
    /// The credential.
    pub credential: String,
    /// Where it lies, in words.
    pub place: String,
    /// False when it may be there: the encrypted file is closed.
    pub certain: bool,
}

/// A place that the provider would reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceRow {
    /// The address; the host's own model is named in words.
    pub address: String,
    /// Methods that may be sent.
    pub methods: Vec<&'static str>,
    /// As a server on this machine or in the private network.
    pub local_server: bool,
}

/// A checked provider that nothing was written of yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    /// Its name.
    pub id: ProviderId,
    /// The plugin that answers.
    pub plugin: PluginId,
    /// The plugin's name for people.
    pub plugin_name: String,
    /// The person's settings, typed.
    pub settings: Map<String, Value>,
    /// What the person must agree to first.
    pub asks: Vec<Ask>,
    /// Keys that would be sent there at once; the person must agree to that too.
    pub kept_keys: Vec<KeptKey>,
    /// Everything it may reach, once agreed.
    pub places: Vec<PlaceRow>,
    /// Keys that the plugin asks of the person.
    pub keys: Vec<String>,
    /// It is a local server that the person typed: calls without a key are let through.
    pub key_is_optional: bool,
    #[serde(skip)]
    grant: Grant,
    /// What was agreed to for the plugin already.
    #[serde(skip)]
    agreed: Grant,
}

impl Draft {
    /// Whether the person must be asked before it is added.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        !self.asks.is_empty() || !self.kept_keys.is_empty()
    }

    /// What was agreed to for this provider alone: the plugin's own grant stays the plugin's, so that
    /// it ends with it.
    fn own_grant(&self) -> Grant {
        let of_plugin = &self.agreed;
        let is_new = |origin: &&Origin| !of_plugin.origins.contains(*origin);
        Grant {
            built_in: false,
            origins: self.grant.origins.iter().filter(is_new).cloned().collect(),
            local_server: self
                .grant
                .local_server
                .clone()
                .filter(|server| of_plugin.local_server.as_ref() != Some(server)),
            limits: vale_plugins::LimitsSpec::default(),
        }
    }
}

impl Api {
    /// Checks a provider and finds out what it needs the person's consent for.
    ///
    /// # Errors
    /// When the name is taken, the plugin is not there, a value does not fit or names the model
    /// that ValeChat runs itself, or an address can never be reached.
    pub async fn draft_provider(&self, request: &DraftRequest) -> Result<Draft, ApiError> {
        let id: ProviderId = request.id.parse()?;
        if id.as_str().starts_with("tool.") {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!("“{id}” would share its keys with a tool."),
                "Choose a name that does not begin with “tool.”.",
            ));
        }
        if self.profile.settings().providers.contains_key(&id) {
            return Err(ApiError::new(
                ApiErrorKind::Usage,
                format!("There is a provider “{id}” already."),
                format!(
                    "Choose another name, or remove it first with `valechat provider remove {id}`."
                ),
            ));
        }
        let plugin: PluginId = request.plugin.parse()?;
        let installed = self.require_installed(&plugin)?;
        let manifest = &installed.manifest;
        refuse_host_infer(&request.settings)?;
        let settings = typed(manifest, &request.settings);
        let resolved = manifest
            .resolve(&settings, &shape_of_host())
            .map_err(|error| ApiError::of_values(&error))?;
        let chosen = self.profile.settings().plugins.get(&plugin).cloned();
        let mut grant = Grant {
            built_in: self.is_built_in(&installed),
            ..chosen.unwrap_or_default().grant
        };
        let agreed = grant.clone();
        let before = effective(&resolved, &grant, &Ceiling::default());
        let asks = asks(&before, request.is_local_server)?;
        agree(&mut grant, &asks);
        let after = effective(&resolved, &grant, &Ceiling::default());
        if let Some(dropped) = after.dropped.first() {
            return Err(refused(&dropped.to_string()));
        }
        let kept_keys = self.kept_keys(&id, &manifest.credentials, &after).await?;
        Ok(Draft {
            id,
            plugin,
            plugin_name: manifest.name.clone(),
            settings,
            asks,
            kept_keys,
            places: places(&after),
            keys: keys(&after),
            agreed,
            key_is_optional: keys_are_optional(&after),
            grant,
        })
    }

    /// The keys that lie under this name and that the provider would get to use. A store that
    /// cannot be read at all gives no key to anybody, so it counts as empty.
    async fn kept_keys(
        &self,
        id: &ProviderId,
        credentials: &[CredentialSpec],
        after: &Effective,
    ) -> Result<Vec<KeptKey>, ApiError> {
        let used = |name: &str| {
            let mut used = after.credentials.iter();
            used.any(|credential| credential.name == name)
        };
        let asked: Vec<(usize, CredentialSpec)> = credentials
            .iter()
            .enumerate()
            .filter(|(_, spec)| used(&spec.name))
            .map(|(index, spec)| (index, spec.clone()))
            .collect();
        let (profile, id) = (self.profile.clone(), id.clone());
        blocking(move || {
            let kept = |(index, spec): (usize, CredentialSpec)| {
                let (place, certain) = match state(&profile, id.as_str(), &spec, index == 0) {
                    KeyState::Set { place } => (place, true),
                    KeyState::Locked => ("encrypted file".to_owned(), false),
                    _ => return None,
                };
                Some(KeptKey {
                    credential: spec.name,
                    place,
                    certain,
                })
            };
            Ok(asked.into_iter().filter_map(kept).collect())
        })
        .await
    }

    /// Writes the provider to the settings, with the consent that the person gave by calling
    /// this. It is there at once.
    ///
    /// # Errors
    /// When the file cannot be written; it is then unchanged.
    pub async fn add_provider(&self, draft: &Draft) -> Result<(), ApiError> {
        let (path, id) = (self.paths().config_file.clone(), draft.id.clone());
        let provider = ProviderSettings {
            plugin: draft.plugin.clone(),
            settings: draft.settings.clone(),
            grant: draft.own_grant(),
            policy: Map::new(),
        };
        blocking(move || {
            let mut edit = SettingsEdit::open(&path)?;
            edit.add_provider(&id, &provider)?;
            edit.save()?;
            Ok(())
        })
        .await?;
        self.settings_changed().await
    }
}

/// The model that ValeChat runs itself has a provider of its own, which has its token too.
pub(crate) fn refuse_host_infer(given: &BTreeMap<String, String>) -> Result<(), ApiError> {
    match given.iter().find(|(_, value)| value.contains(HOST_INFER)) {
        None => Ok(()),
        Some((name, _)) => Err(ApiError::new(
            ApiErrorKind::Usage,
            format!(
                "The setting `{name}` names {HOST_INFER}, the model that ValeChat runs itself, which is not for other providers."
            ),
            "Ask it by its own provider: `valechat chat -m local`.",
        )),
    }
}

/// Values in the types that the plugin's schema names.
pub(crate) fn typed(manifest: &Manifest, given: &BTreeMap<String, String>) -> Map<String, Value> {
    given
        .iter()
        .map(|(name, text)| (name.clone(), manifest.setting_from_text(name, text)))
        .collect()
}

pub(crate) fn asks(before: &Effective, is_local_server: bool) -> Result<Vec<Ask>, ApiError> {
    let mut asks: Vec<Ask> = Vec::new();
    for dropped in &before.dropped {
        let setting = match &dropped.source {
            OriginSource::Setting { setting } | OriginSource::Default { setting } => {
                Some(setting.clone())
            }
            _ => None,
        };
        let local_server = match dropped.reason {
            DropReason::NeedsConsent => is_local_server && setting.is_some(),
            DropReason::NeedsLocalServer => true,
            _ => return Err(refused(&dropped.to_string())),
        };
        if asks.iter().any(|ask| ask.origin == dropped.origin) {
            continue;
        }
        if local_server && let Some(other) = asks.iter().find(|ask| ask.local_server) {
            return Err(refused(&format!(
                "a provider may have one local server, and this one would have {} and {}. Use the same address in every setting.",
                other.origin, dropped.origin
            )));
        }
        asks.push(Ask {
            local_server,
            unencrypted: dropped.origin.is_plain_http(),
            origin: dropped.origin.clone(),
            setting,
        });
    }
    Ok(asks)
}

/// The grant of a person who agrees to these.
pub(crate) fn agree(grant: &mut Grant, asks: &[Ask]) {
    for ask in asks {
        if ask.local_server {
            grant.local_server = Some(ask.origin.clone());
        } else {
            grant.origins.insert(ask.origin.clone());
        }
    }
}

fn refused(text: &str) -> ApiError {
    let mut error = ApiError::new(ApiErrorKind::Network, text, "Use another address.");
    if let Some((what, advice)) = text.split_once(". ") {
        error.sentence = format!("{what}.");
        advice.clone_into(&mut error.next_step);
    }
    error
}

fn places(after: &Effective) -> Vec<PlaceRow> {
    let row = |rule: &vale_plugins::EffectiveRule| PlaceRow {
        address: address(&rule.source, &rule.origin),
        methods: rule.methods.iter().map(|method| method.as_str()).collect(),
        local_server: rule.local_server,
    };
    after.rules.iter().map(row).collect()
}

fn keys(after: &Effective) -> Vec<String> {
    let asked = after.credentials.iter().filter(|credential| {
        credential.source == vale_plugins::CredentialSource::Person && credential.required
    });
    asked.map(|credential| credential.name.clone()).collect()
}

/// Stands in for the host's own model while it does not run: only the shape counts.
pub(crate) fn shape_of_host() -> HostVars {
    HostVars {
        infer: Url::parse("http://127.0.0.1:1").ok(),
    }
}

pub(crate) fn address(source: &OriginSource, origin: &Origin) -> String {
    match source {
        OriginSource::HostInfer => "this computer".to_owned(),
        _ => origin.to_string(),
    }
}

/// As the host has it: a local server that the person typed may need no key, whatever the
/// manifest says of the plugin's usual address.
pub(crate) fn keys_are_optional(effective: &Effective) -> bool {
    let typed_local = |origin: &Origin| {
        effective.rules.iter().any(|rule| {
            rule.origin == *origin
                && rule.local_server
                && matches!(rule.source, OriginSource::Setting { .. })
        })
    };
    effective.credentials.iter().all(|credential| {
        !credential.required
            || credential
                .origins
                .iter()
                .all(|place| typed_local(&place.origin))
    })
}
