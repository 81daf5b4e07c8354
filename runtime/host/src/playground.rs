//! Calls of a plugin that is not installed, for its author: the sandbox and the gate that an installed
//! one gets, watched, with no actor, no supervision and nothing kept between two runs.

use std::sync::Arc;

use serde_json::{Map, Value};
use vale_egress::{Gate, Tap, holds};
use vale_plugins::{
    Ceiling, CredentialSource, Effective, Grant, HostVars, Manifest, PluginKind, effective,
};
use vale_sandbox::{
    Call, CallContext, CodeCache, CredentialInfo, Engine, EngineConfig, KvStore, LoadError,
    LogSink, Meter, Plugin, SystemAmbient,
};
use vale_secrets::{Secret, Source};
use vale_types::{Failure, Limits, Model, Request, ToolCall, ToolInfo, ToolResult};

use crate::host::StartError;
use crate::network::{Blobs, Network};
use crate::profile::Profile;
use crate::provider::prepare::{
    credential_infos, gate_config, is_required, misconfigured, needs_infer, no_key_store,
    not_granted, require,
};
use crate::provider::{secret_name, tool_owner};
use crate::tool::{CallBlobs, FileKv};

/// What a playground is made of.
pub struct PlaygroundConfig {
    /// The plugin's file, packed.
    pub file: Vec<u8>,
    /// The manifest in it.
    pub manifest: Manifest,
    /// Values for its settings.
    pub settings: Map<String, Value>,
    /// What the person agreed to.
    pub grant: Grant,
    /// The value of the manifest's first credential, in place of the one that is kept.
    pub key: Option<Secret>,
    /// Watches the wire.
    pub tap: Arc<dyn Tap>,
}

/// Why there is no playground.
#[derive(Debug, thiserror::Error)]
pub enum PlaygroundError {
    /// This machine, or the person's network settings.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The component.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The plugin talks to the model that ValeChat runs itself.
    #[error(
        "it asks the model that ValeChat runs itself, which a playground does not start; set another address, or install it"
    )]
    LocalModel,
    /// Settings, consent or keys, as a call of an installed plugin would say it.
    #[error(transparent)]
    Refused(Failure),
}

/// A plugin that can be called.
pub struct Playground {
    plugin: Plugin,
    gate: Arc<Gate>,
    settings_json: String,
    credentials: Vec<CredentialInfo>,
    limits: Limits,
    kv: Arc<FileKv>,
    blobs: Blobs,
    /// The keys that the gate has, by the credential's name.
    keys: Vec<(String, Secret)>,
}

/// What one call writes to.
pub struct Under {
    /// Its log lines. Dropped when the call is over altogether, which may be after its end was told.
    pub log: Arc<dyn LogSink>,
    /// Adds up what it uses, once it is over.
    pub meter: Arc<Meter>,
}

impl Profile {
    /// The name under which the keys of a plugin that is not installed are looked up: the one under
    /// which they will be once it is.
    #[must_use]
    pub fn key_owner(manifest: &Manifest) -> String {
        match manifest.world.kind {
            PluginKind::Provider => manifest.id.to_string(),
            PluginKind::Tool => tool_owner(&manifest.id),
        }
    }
}

impl Playground {
    /// Loads the plugin, looks its keys up as an installed one's are, and makes its gate.
    ///
    /// # Errors
    /// [`PlaygroundError`].
    pub async fn open(
        profile: &Profile,
        config: PlaygroundConfig,
    ) -> Result<Self, PlaygroundError> {
        let PlaygroundConfig {
            file,
            manifest,
            settings,
            grant,
            key,
            tap,
        } = config;
        if needs_infer(&manifest, &settings) {
            return Err(PlaygroundError::LocalModel);
        }
        let network = Network::open(&profile.settings().network).map_err(StartError::Network)?;
        let resolved = manifest
            .resolve(&settings, &HostVars { infer: None })
            .map_err(|error| PlaygroundError::Refused(misconfigured(&error.to_string())))?;
        let effective = effective(&resolved, &grant, &Ceiling::default());
        if effective.rules.is_empty()
            && let Some(dropped) = effective.dropped.first()
        {
            return Err(PlaygroundError::Refused(not_granted(&dropped.to_string())));
        }
        let paths = profile.paths();
        // Without the cache it only takes longer.
        let cache = CodeCache::open(&paths.code_cache(), &paths.code_key()).ok();
        let engine = Engine::new(EngineConfig {
            cache,
            threads: None,
        })
        .map_err(StartError::Engine)?;
        let plugin = engine.load(file).await?;
        let (profile, owned) = (profile.clone(), (manifest, effective));
        let prepared = engine.runtime().spawn_blocking(move || {
            let (manifest, effective) = owned;
            let secrets = secrets(&profile, &manifest, &effective, key)?;
            let credentials = credential_infos(&effective, &secrets);
            let named = effective.credentials.iter().zip(&secrets);
            let keys = named
                .filter_map(|(credential, secret)| {
                    Some((credential.name.clone(), secret.as_ref()?.duplicate()))
                })
                .collect();
            let mut config = gate_config(&manifest.id, &effective, secrets, &network)?;
            config.tap = Some(tap);
            // It reads the system's certificates.
            let gate = Gate::new(config).map_err(|error| misconfigured(&error.to_string()))?;
            Ok::<_, Failure>((gate, credentials, keys, effective.limits, network.blobs))
        });
        let prepared = prepared
            .await
            .unwrap_or_else(|error| Err(Failure::host(error.to_string())));
        let (gate, credentials, keys, limits, blobs) =
            prepared.map_err(PlaygroundError::Refused)?;
        Ok(Self {
            plugin,
            gate: Arc::new(gate),
            settings_json: Value::Object(resolved.settings).to_string(),
            credentials,
            limits,
            kv: Arc::new(FileKv::in_memory()),
            blobs,
            keys,
        })
    }

    /// What one call may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The credential whose value a text holds, in any usual spelling.
    #[must_use]
    pub fn key_in(&self, text: &[u8]) -> Option<&str> {
        let mut keys = self.keys.iter();
        let found = keys.find(|(_, secret)| holds(text, secret));
        found.map(|(name, _)| name.as_str())
    }

    /// Starts a completion.
    ///
    /// # Errors
    /// When a key is missing; nothing runs then.
    pub fn complete(&self, under: Under, request: &Request) -> Result<Call, Failure> {
        require(&self.credentials)?;
        Ok(self.plugin.complete(self.context(under), request))
    }

    /// The provider's models.
    ///
    /// # Errors
    /// The upstream's failure or the plugin's fault.
    pub async fn models(&self, under: Under) -> Result<Vec<Model>, Failure> {
        require(&self.credentials)?;
        self.plugin.list_models(self.context(under)).await
    }

    /// The tools that the plugin has.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn tools(&self, under: Under) -> Result<Vec<ToolInfo>, Failure> {
        self.plugin.list_tools(self.context(under)).await
    }

    /// Calls one tool. What it keeps is there for the next call of this playground only.
    ///
    /// # Errors
    /// What kept it from running; a tool that ran and failed says so in its result.
    pub async fn invoke(&self, under: Under, call: &ToolCall) -> Result<ToolResult, Failure> {
        require(&self.credentials)?;
        self.plugin.invoke(self.context(under), call).await
    }

    fn context(&self, under: Under) -> CallContext {
        CallContext {
            gate: Arc::clone(&self.gate),
            settings_json: self.settings_json.clone(),
            credentials: self.credentials.clone(),
            limits: self.limits,
            log: under.log,
            ambient: Arc::new(SystemAmbient::default()),
            meter: under.meter,
            kv: Arc::clone(&self.kv) as Arc<dyn KvStore>,
            blobs: Arc::new(CallBlobs::new(self.blobs.clone())),
        }
    }
}

impl std::fmt::Debug for Playground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playground")
            .field("credentials", &self.credentials)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The keys, as for an installed plugin; `given` goes first for the manifest's first one.
fn secrets(
    profile: &Profile,
    manifest: &Manifest,
    effective: &Effective,
    mut given: Option<Secret>,
) -> Result<Vec<Option<Secret>>, Failure> {
    let owner = Profile::key_owner(manifest);
    let mut found = Vec::with_capacity(effective.credentials.len());
    for credential in &effective.credentials {
        if credential.source == CredentialSource::HostInfer {
            found.push(None);
            continue;
        }
        let first = manifest.credentials.first();
        let is_first = first.is_some_and(|first| first.name == credential.name);
        if is_first && let Some(key) = given.take() {
            found.push(Some(key));
            continue;
        }
        let name = secret_name(&owner, &credential.name, is_first)?;
        found.push(match profile.0.vault.get(&name) {
            Ok(key) => key.map(|(secret, _): (Secret, Source)| secret),
            Err(error) if error.is_unavailable() && !is_required(effective, credential) => None,
            Err(error) => return Err(no_key_store(&error.to_string())),
        });
    }
    Ok(found)
}
