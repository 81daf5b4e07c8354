//! From what is configured to what a call needs: plugin, gate, settings, credentials' presence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vale_egress::{Caps, Credential, CredentialPlace, Gate, GateConfig, Origin, Rule, Timeouts};
use vale_plugins::{
    Ceiling, CredentialSource, Effective, EffectiveCredential, Grant, HostVars, Manifest,
    OriginSource, Piece, effective,
};
use vale_sandbox::{
    Ambient, CallContext, CredentialInfo, Engine, LogSink, Meter, NoBlobs, NoKv, Plugin,
};
use vale_secrets::{Secret, SecretError, SecretName, Vault};
use vale_types::{AuthKind, Error, ErrorKind, Failure, NetworkFailure, NetworkKind, PluginId};

use crate::infer::{Endpoint, Ensure, InferActor};
use crate::network::Network;
use crate::plugins_actor::{Load, PluginsActor};
use crate::settings::ProviderSettings;
use crate::supervise::Child;
use crate::trial::{Trial, Trials};

/// What a provider's actor is wired to.
pub(crate) struct Wiring {
    /// Whose keys it uses: a provider's id, or a tool's as [`tool_owner`] has it.
    pub(crate) owner: String,
    pub(crate) settings: ProviderSettings,
    pub(crate) built_in: bool,
    /// Whether the plugin may be used.
    pub(crate) enabled: bool,
    pub(crate) trials: Trials,
    pub(crate) plugins: Child<PluginsActor>,
    pub(crate) infer: Child<InferActor>,
    pub(crate) engine: Engine,
    pub(crate) vault: Arc<Vault>,
    pub(crate) network: Arc<Network>,
    /// Counts changes of keys: what was prepared before one is not used after it.
    pub(crate) key_changes: Arc<AtomicU64>,
}

/// Everything that calls of one provider share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Prepared(Arc<Parts>);

struct Parts {
    plugin: Plugin,
    /// The first calls of a version count.
    trial: Option<Trial>,
    gate: Arc<Gate>,
    settings_json: String,
    credentials: Vec<CredentialInfo>,
    limits: vale_types::Limits,
    /// What this was prepared for.
    valid_for: Epoch,
    /// When to look for keys again, where a store could not tell.
    stale_at: Option<Instant>,
}

/// How long a call goes on without a key that is not required and could not be looked up: asking a
/// keyring that does not answer takes seconds, and each asking costs the pooled connections.
const WITHOUT_KEY: Duration = Duration::from_secs(60);

/// What a preparation depends on beside the settings, which do not change while a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Epoch {
    /// The life of the model process; none = needs none.
    infer_life: Option<u64>,
    key_changes: u64,
}

impl Prepared {
    fn is_right_for(&self, epoch: Epoch) -> bool {
        self.0.valid_for == epoch && self.0.stale_at.is_none_or(|at| Instant::now() < at)
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        &self.0.plugin
    }

    /// How a call ended, noted where the plugin's version is still on trial.
    pub(crate) async fn watched<T>(&self, ended: Result<T, Failure>) -> Result<T, Failure> {
        match self.trial() {
            Some(trial) => trial.ended(ended).await,
            None => ended,
        }
    }

    /// The trial of this version, while it lasts.
    pub(crate) fn trial(&self) -> Option<Trial> {
        self.0.trial.clone().filter(Trial::is_open)
    }

    pub(crate) fn context(
        &self,
        log: Arc<dyn LogSink>,
        ambient: Arc<dyn Ambient>,
        meter: Arc<Meter>,
    ) -> CallContext {
        CallContext {
            gate: Arc::clone(&self.0.gate),
            settings_json: self.0.settings_json.clone(),
            credentials: self.0.credentials.clone(),
            limits: self.0.limits,
            log,
            ambient,
            meter,
            // For tools only.
            kv: Arc::new(NoKv),
            blobs: Arc::new(NoBlobs),
        }
    }

    /// Refuses a call that would come back as 401 anyway.
    pub(crate) fn require_credentials(&self) -> Result<(), Failure> {
        require(&self.0.credentials)
    }
}

/// Refuses a call that lacks a credential which it cannot do without.
pub(crate) fn require(credentials: &[CredentialInfo]) -> Result<(), Failure> {
    let mut infos = credentials.iter();
    match infos.find(|info| info.required && !info.present) {
        None => Ok(()),
        Some(info) => Err(Error::new(
            ErrorKind::Auth(AuthKind::Missing),
            format!("the credential “{}” is not set", info.name),
        )
        .into()),
    }
}

/// Keys as they were found.
struct Found {
    secrets: Vec<Option<Secret>>,
    /// Whether every store could tell.
    all_known: bool,
}

impl Wiring {
    /// What calls need, from `kept` while that is still right.
    pub(crate) async fn prepare(&self, kept: Option<Prepared>) -> Result<Prepared, Failure> {
        if let Some(kept) = kept.clone().filter(|kept| self.is_right_still(kept)) {
            return Ok(kept);
        }
        if !self.enabled {
            let plugin = &self.settings.plugin;
            return Err(switched_off(plugin));
        }
        let loaded = self
            .plugins
            .call(Load(self.settings.plugin.clone()))
            .await??;
        let trial = self.trials.of(&loaded.installed);
        let manifest = &loaded.installed.manifest;
        let infer = if needs_infer(manifest, &self.settings.settings) {
            Some(
                self.infer
                    .call(Ensure)
                    .await?
                    .map_err(|error| not_running(&error.to_string()))?,
            )
        } else {
            None
        };
        let epoch = Epoch {
            infer_life: infer.as_ref().map(|endpoint| endpoint.life),
            key_changes: self.key_changes.load(Ordering::SeqCst),
        };
        if let Some(kept) = kept
            && kept.is_right_for(epoch)
        {
            return Ok(kept);
        }
        let host = HostVars {
            infer: infer.as_ref().map(|endpoint| endpoint.url.clone()),
        };
        let resolved = manifest
            .resolve(&self.settings.settings, &host)
            .map_err(|error| misconfigured(&error.to_string()))?;
        let grant = Grant {
            built_in: self.built_in,
            ..self.settings.grant.clone()
        };
        let effective = effective(&resolved, &grant, &Ceiling::default());
        if effective.rules.is_empty()
            && let Some(dropped) = effective.dropped.first()
        {
            return Err(not_granted(&dropped.to_string()));
        }
        let Found { secrets, all_known } =
            self.secrets(manifest, &effective, infer.as_ref()).await?;
        let credentials = credential_infos(&effective, &secrets);
        let plugin = &self.settings.plugin;
        let config = gate_config(plugin, &effective, secrets, &self.network)?;
        // On a blocking thread: it reads the system's certificates.
        let gate = self
            .engine
            .runtime()
            .spawn_blocking(move || Gate::new(config))
            .await
            .map_err(|error| misconfigured(&error.to_string()))?
            .map_err(|error| misconfigured(&error.to_string()))?;
        let settings_json =
            serde_json::to_string(&resolved.settings).unwrap_or_else(|_| "{}".to_owned());
        Ok(Prepared(Arc::new(Parts {
            trial,
            plugin: loaded.plugin,
            gate: Arc::new(gate),
            settings_json,
            credentials,
            limits: effective.limits,
            valid_for: epoch,
            stale_at: (!all_known).then(|| Instant::now() + WITHOUT_KEY),
        })))
    }

    /// Whether nothing need be asked to know that a preparation is still right.
    pub(crate) fn is_right_still(&self, kept: &Prepared) -> bool {
        let now = Epoch {
            infer_life: None,
            key_changes: self.key_changes.load(Ordering::SeqCst),
        };
        kept.is_right_for(now)
    }

    /// The value of each effective credential, where there is one.
    async fn secrets(
        &self,
        manifest: &Manifest,
        effective: &Effective,
        infer: Option<&Endpoint>,
    ) -> Result<Found, Failure> {
        let mut found = Found {
            secrets: Vec::with_capacity(effective.credentials.len()),
            all_known: true,
        };
        for credential in &effective.credentials {
            let secret = match credential.source {
                CredentialSource::HostInfer => infer.map(|endpoint| endpoint.token.duplicate()),
                CredentialSource::Person => {
                    // The first of the manifest, not of what is reachable: else a key would move
                    // to another credential's hosts when its own are not granted.
                    let first = manifest.credentials.first();
                    let is_first = first.is_some_and(|first| first.name == credential.name);
                    match self.key(&credential.name, is_first).await? {
                        Ok(secret) => secret,
                        // A server that needs no key is not lost with the keyring.
                        Err(error)
                            if error.is_unavailable() && !is_required(effective, credential) =>
                        {
                            tracing::warn!(owner = %self.owner, %error, "going on without a key");
                            found.all_known = false;
                            None
                        }
                        Err(error) => return Err(no_key_store(&error.to_string())),
                    }
                }
            };
            found.secrets.push(secret);
        }
        Ok(found)
    }

    /// Looks a key up on a blocking thread.
    async fn key(
        &self,
        credential: &str,
        is_first: bool,
    ) -> Result<Result<Option<Secret>, SecretError>, Failure> {
        let name = secret_name(&self.owner, credential, is_first)?;
        let vault = Arc::clone(&self.vault);
        let looked_up = self
            .engine
            .runtime()
            .spawn_blocking(move || vault.get(&name))
            .await
            .map_err(|error| misconfigured(&error.to_string()))?;
        Ok(looked_up.map(|found| found.map(|(secret, _source)| secret)))
    }
}

/// The gate of a plugin: what is granted, its keys, and the person's way to the network.
pub(crate) fn gate_config(
    plugin: &PluginId,
    effective: &Effective,
    secrets: Vec<Option<Secret>>,
    network: &Network,
) -> Result<GateConfig, Failure> {
    let bad = |error: vale_egress::ConfigError| misconfigured(&error.to_string());
    let mut config = GateConfig::new(plugin.as_str());
    for rule in &effective.rules {
        config.rules.push(Rule {
            origin: Origin::parse(rule.origin.as_str()).map_err(bad)?,
            methods: rule
                .methods
                .iter()
                .map(|method| method.as_str().to_owned())
                .collect(),
            path_prefixes: rule.path_prefixes.clone(),
            local_server: rule.local_server,
        });
    }
    for (credential, secret) in effective.credentials.iter().zip(secrets) {
        let mut places = Vec::with_capacity(credential.origins.len());
        for place in &credential.origins {
            places.push(CredentialPlace {
                origin: Origin::parse(place.origin.as_str()).map_err(bad)?,
                path_prefix: Some(place.path_prefix.clone()),
            });
        }
        config.credentials.push(Credential {
            name: credential.name.clone(),
            header: credential
                .header
                .parse()
                .map_err(|_| misconfigured("a credential's header is no header name"))?,
            template: credential.template.clone(),
            places,
            required: is_required(effective, credential),
            secret,
        });
    }
    config.caps = Caps {
        response_bytes: effective.limits.response_mib.saturating_mul(1 << 20),
        ..Caps::default()
    };
    config.timeouts = Timeouts {
        total: std::time::Duration::from_secs(effective.limits.wall_s),
        ..Timeouts::default()
    };
    config.proxy = network.proxy.clone();
    config.extra_roots = network.extra_roots.clone();
    config.blobs = Some(Arc::new(network.blobs.clone()));
    Ok(config)
}

/// Whether a plugin with these settings talks to the embedded model.
pub(crate) fn needs_infer(
    manifest: &Manifest,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> bool {
    let in_settings = |value: &serde_json::Value| {
        value
            .as_str()
            .is_some_and(|text| text.contains("{host.infer}"))
    };
    let by_default = |name: &String, schema: &serde_json::Value| {
        !settings.contains_key(name) && schema.get("default").is_some_and(in_settings)
    };
    settings.values().any(in_settings)
        || manifest
            .settings
            .get("properties")
            .and_then(serde_json::Value::as_object)
            .is_some_and(|all| all.iter().any(|(name, schema)| by_default(name, schema)))
        || manifest
            .egress
            .iter()
            .flat_map(|egress| egress.origin.pieces())
            .any(|piece| matches!(piece, Piece::HostInfer))
        || manifest
            .credentials
            .iter()
            .any(|credential| credential.source == CredentialSource::HostInfer)
}

/// A local server that the person typed may need no key, whatever the manifest says of the
/// plugin's usual address.
pub(crate) fn is_required(effective: &Effective, credential: &EffectiveCredential) -> bool {
    let typed_local = |origin| {
        effective.rules.iter().any(|rule| {
            rule.origin == origin
                && rule.local_server
                && matches!(rule.source, OriginSource::Setting { .. })
        })
    };
    credential.required
        && !credential
            .origins
            .iter()
            .all(|place| typed_local(place.origin.clone()))
}

pub(crate) fn credential_infos(
    effective: &Effective,
    secrets: &[Option<Secret>],
) -> Vec<CredentialInfo> {
    let pairs = effective.credentials.iter().zip(secrets);
    pairs
        .map(|(credential, secret)| CredentialInfo {
            name: credential.name.clone(),
            present: secret.is_some(),
            required: is_required(effective, credential),
        })
        .collect()
}

/// Under which name a tool plugin's keys are kept. No provider has it: a provider's id may not begin so.
#[must_use]
pub fn tool_owner(plugin: &PluginId) -> String {
    format!("tool.{plugin}")
}

/// The name under which a credential is kept. The environment gives the first one.
pub(crate) fn secret_name(
    owner: &str,
    credential: &str,
    first: bool,
) -> Result<SecretName, Failure> {
    let name = if first {
        SecretName::first(owner, credential)
    } else {
        SecretName::further(owner, credential)
    };
    name.map_err(|error| misconfigured(&error.to_string()))
}

/// The person has switched the plugin off.
pub(crate) fn switched_off(plugin: &PluginId) -> Failure {
    Error::new(
        ErrorKind::InvalidRequest(Some("settings".to_owned())),
        format!(
            "the plugin “{plugin}” is switched off; `valechat plugin enable {plugin}` switches it on"
        ),
    )
    .into()
}

pub(crate) fn misconfigured(what: &str) -> Failure {
    Error::new(ErrorKind::InvalidRequest(Some("settings".to_owned())), what).into()
}

pub(crate) fn no_key_store(what: &str) -> Failure {
    Error::new(ErrorKind::InvalidRequest(Some("keys".to_owned())), what).into()
}

fn not_running(what: &str) -> Failure {
    let kind = NetworkFailure {
        kind: NetworkKind::Connect,
        request_sent: false,
    };
    Error::new(ErrorKind::Network(kind), what).into()
}

pub(crate) fn not_granted(what: &str) -> Failure {
    let kind = NetworkFailure {
        kind: NetworkKind::DeniedByPolicy,
        request_sent: false,
    };
    Error::new(ErrorKind::Network(kind), what).into()
}
