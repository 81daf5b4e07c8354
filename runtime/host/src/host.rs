//! `Host`: the root of the actor system and the handle that every face holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use bytes::Bytes;
use vale_egress::{Download, DownloadError, download};
use vale_plugins::{
    CardContext, Ceiling, Entry, Grant, HostVars, Manifest, PermissionCard, Registry,
};
use vale_sandbox::{CodeCache, Engine, EngineConfig, EngineError};
use vale_secrets::{
    Ask, Backend, EnvStore, Passphrases, Secret, SecretError, Source, Vault, VaultConfig,
};
use vale_types::{
    Blob, Failure, Fault, FaultClass, Media, Model, ModelRef, PluginId, ProviderId, ProviderInfo,
    Request,
};

use crate::infer::{END_TIMEOUT, InferActor, InferConfig, ProcessId, Shutdown, choose_program};
use crate::network::Network;
use crate::paths::{DEFAULT_MODEL_FILE, Paths};
use crate::plugins_actor::{Load, PluginsActor};
use crate::prepare::{Wiring, secret_name};
use crate::provider_actor::{Attempt, ProviderActor, ProviderStatus, Ready, Status, Turn};
use crate::settings::{KeyStore, ProviderSettings, Settings, SettingsError};
use crate::supervise::Child;

/// Why a host could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The WebAssembly engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The network settings.
    #[error("{0}")]
    Network(String),
    /// The actors' thread.
    #[error("the actors' thread cannot be started: {0}")]
    Thread(String),
}

/// How a host is started.
pub struct HostConfig {
    /// The profile.
    pub paths: Paths,
    /// Asks the person for the passphrase of the encrypted key file; none = nobody can be asked.
    pub ask_passphrase: Option<Ask>,
}

/// A provider as it is configured.
#[derive(Debug, Clone)]
pub struct ProviderSummary {
    /// The provider.
    pub id: ProviderId,
    /// The plugin that answers.
    pub plugin: PluginId,
    /// The plugin's name, if it is installed.
    pub name: Option<String>,
    /// Whether the person added it; else it came with its plugin.
    pub configured: bool,
}

/// The running host. Cheap to clone; the last clone dropped ends it.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    paths: Paths,
    settings: Settings,
    registry: Arc<Registry>,
    vault: Arc<Vault>,
    network: Arc<Network>,
    plugins: Child<PluginsActor>,
    infer: Child<InferActor>,
    providers: BTreeMap<ProviderId, (ProviderSettings, bool, Child<ProviderActor>)>,
    notes: Vec<String>,
    key_changes: Arc<AtomicU64>,
    system: actix::System,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let (done, ended) = std::sync::mpsc::channel();
        if self.infer.tell(Shutdown(done)) {
            // So that no process is left behind, not even an unreaped one. Past the limit the
            // pipe's end finishes it anyway.
            let _ = ended.recv_timeout(END_TIMEOUT * 2);
        }
        self.system.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been logged, and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Host {
    /// Reads settings and plugins, and starts the actors. Loads no plugin and no model yet.
    ///
    /// # Errors
    /// When the settings have a mistake or the machine cannot run plugins.
    pub fn start(config: HostConfig) -> Result<Self, StartError> {
        let HostConfig {
            paths,
            ask_passphrase,
        } = config;
        let settings = Settings::load(&paths.config_file)?;
        let network = Arc::new(Network::open(&settings.network).map_err(StartError::Network)?);
        let mut notes = Vec::new();
        let cache = CodeCache::open(&paths.code_cache(), &paths.code_key());
        let cache = cache.map_err(|error| notes.push(error.to_string())).ok();
        let engine = Engine::new(EngineConfig {
            cache,
            threads: None,
        })?;
        let registry = Arc::new(Registry::scan(&paths.plugins));
        let backend = match settings.keys.store {
            KeyStore::Keyring => Backend::Keyring,
            KeyStore::File => Backend::File {
                path: paths.secrets_file(),
            },
        };
        let env = vale_secrets::process_env();
        let vault = Arc::new(Vault::new(VaultConfig {
            backend,
            env: Arc::clone(&env),
            passphrases: Passphrases::new(env, ask_passphrase),
        }));

        let (system, thread) = start_system()?;
        let arbiter = system.arbiter().clone();
        let plugins = {
            let (engine, registry, folders) =
                (engine.clone(), Arc::clone(&registry), paths.plugins.clone());
            Child::start("the plugin loader", arbiter.clone(), move || {
                PluginsActor::new(engine.clone(), &registry, folders.clone())
            })
        };
        let infer = {
            let config = Arc::new(InferConfig {
                program: choose_program(&paths.infer),
                model: model_file(&settings, &paths),
                settings: settings.inference.clone(),
            });
            Child::start("the local model's keeper", arbiter.clone(), move || {
                InferActor::new(Arc::clone(&config))
            })
        };
        let key_changes = Arc::<AtomicU64>::default();
        let mut providers = BTreeMap::new();
        for (id, provider, configured) in all_providers(&settings, &registry) {
            let wiring = Arc::new(Wiring {
                id: id.clone(),
                built_in: is_built_in(&registry, &paths, &provider.plugin),
                settings: provider.clone(),
                plugins: plugins.clone(),
                infer: infer.clone(),
                engine: engine.clone(),
                vault: Arc::clone(&vault),
                network: Arc::clone(&network),
                key_changes: Arc::clone(&key_changes),
            });
            let child = Child::start(format!("provider {id}"), arbiter.clone(), move || {
                ProviderActor::new(Arc::clone(&wiring))
            });
            providers.insert(id, (provider, configured, child));
        }
        Ok(Self(Arc::new(Inner {
            paths,
            settings,
            registry,
            vault,
            network,
            plugins,
            infer,
            providers,
            notes,
            key_changes,
            system,
            thread: Some(thread),
        })))
    }

    /// The profile.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// The settings as they were at the start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What is worth knowing and did not keep the host from starting.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// The installed plugins, broken ones included.
    #[must_use]
    pub fn plugins(&self) -> &[Entry] {
        self.0.registry.entries()
    }

    /// The providers, configured ones and those that came with their plugin.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderSummary> {
        let summary =
            |(id, (provider, configured, _)): (&ProviderId, &(ProviderSettings, bool, _))| {
                ProviderSummary {
                    id: id.clone(),
                    plugin: provider.plugin.clone(),
                    name: self
                        .0
                        .registry
                        .get(provider.plugin.as_str())
                        .map(|installed| installed.manifest.name.clone()),
                    configured: *configured,
                }
            };
        self.0.providers.iter().map(summary).collect()
    }

    fn provider(&self, id: &ProviderId) -> Result<&Child<ProviderActor>, Failure> {
        self.0
            .providers
            .get(id)
            .map(|(_, _, child)| child)
            .ok_or_else(|| {
                let known: Vec<_> = self.0.providers.keys().map(ProviderId::as_str).collect();
                Fault::new(
                    FaultClass::Load,
                    format!(
                        "there is no provider “{id}”; there are: {}",
                        known.join(", ")
                    ),
                )
                .into()
            })
    }

    /// Starts one answer.
    ///
    /// # Errors
    /// When it could not be started at all; what fails later is in the turn.
    pub async fn send(&self, model: &ModelRef, mut request: Request) -> Result<Turn, Failure> {
        request.model.clone_from(&model.model);
        self.provider(&model.provider)?
            .call(Attempt(request))
            .await?
    }

    /// Keeps an attachment for messages of this host's life.
    #[must_use]
    pub fn attach(&self, media_type: &str, name: Option<String>, bytes: Bytes) -> Media {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let id = self.0.network.blobs.keep(bytes);
        Media::Blob(Blob {
            id,
            media_type: media_type.to_owned(),
            size,
            name,
        })
    }

    /// The provider's models.
    ///
    /// # Errors
    /// The upstream's failure or the plugin's fault.
    pub async fn models(&self, provider: &ProviderId) -> Result<Vec<Model>, Failure> {
        self.provider(provider)?
            .call(Ready)
            .await??
            .list_models()
            .await
    }

    /// What the plugin says about itself.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn describe(&self, provider: &ProviderId) -> Result<ProviderInfo, Failure> {
        self.provider(provider)?
            .call(Ready)
            .await??
            .describe()
            .await
    }

    /// How the provider is.
    ///
    /// # Errors
    /// When there is no such provider.
    pub async fn status(&self, provider: &ProviderId) -> Result<ProviderStatus, Failure> {
        self.provider(provider)?.call(Status).await
    }

    /// The process id of the local model's server, while it runs.
    pub async fn infer_process(&self) -> Option<u32> {
        self.0.infer.call(ProcessId).await.ok().flatten()
    }

    /// The file of the embedded model; it need not be there.
    #[must_use]
    pub fn model_file(&self) -> PathBuf {
        model_file(&self.0.settings, &self.0.paths)
    }

    /// Fetches the embedded model's file where the settings name an address and it is not here
    /// yet; false when there is nothing to fetch. `progress` is told the bytes so far and, where
    /// the server says, all bytes.
    ///
    /// # Errors
    /// A sentence; nothing is left behind.
    pub async fn fetch_model(
        &self,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<bool, DownloadError> {
        let to = self.model_file();
        match self.0.settings.inference.address() {
            Some((url, sha256)) if !to.is_file() => {
                let wish = Download {
                    url,
                    sha256: sha256.to_owned(),
                    to,
                    proxy: self.0.network.proxy.clone(),
                    extra_roots: self.0.network.extra_roots.clone(),
                };
                download(&wish, progress).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// The build of `valechat-infer` that this machine would start; none = not installed.
    #[must_use]
    pub fn infer_program(&self) -> Option<PathBuf> {
        choose_program(&self.0.paths.infer)
    }

    /// The permission card of an installed plugin, as it stands for this provider, or for the
    /// plugin alone.
    ///
    /// # Errors
    /// When the plugin is not installed or cannot be loaded.
    pub async fn permission_card(
        &self,
        plugin: &PluginId,
        provider: Option<&ProviderId>,
    ) -> Result<PermissionCard, Failure> {
        let loaded = self.0.plugins.call(Load(plugin.clone())).await??;
        let configured = provider
            .and_then(|id| self.0.providers.get(id))
            .map(|(found, ..)| found);
        let none = serde_json::Map::new();
        let grant = Grant {
            built_in: is_built_in(&self.0.registry, &self.0.paths, plugin),
            ..configured
                .map(|found| found.grant.clone())
                .unwrap_or_default()
        };
        Ok(PermissionCard::new(
            &loaded.installed.manifest,
            &CardContext {
                settings: configured.map_or(&none, |found| &found.settings),
                host: &HostVars::default(),
                grant: &grant,
                ceiling: &Ceiling::default(),
                imports: loaded.plugin.imports(),
                differences: &[],
            },
        ))
    }

    /// The manifest of a provider's plugin.
    ///
    /// # Errors
    /// When the provider or its plugin is not there.
    pub fn manifest(&self, provider: &ProviderId) -> Result<&Manifest, Failure> {
        self.provider(provider)?;
        let plugin = self
            .0
            .providers
            .get(provider)
            .map(|(found, ..)| &found.plugin);
        let found = plugin.and_then(|plugin| self.0.registry.get(plugin.as_str()));
        found.map(|installed| &installed.manifest).ok_or_else(|| {
            Fault::new(
                FaultClass::Load,
                format!("the plugin of provider “{provider}” is not installed"),
            )
            .into()
        })
    }

    /// Where keys live, in words.
    #[must_use]
    pub fn key_stores(&self) -> String {
        self.0.vault.describe()
    }

    /// Finds a provider's key; for whether it is set and where, never to show it.
    ///
    /// # Errors
    /// When the store cannot tell. Blocks: call it on a blocking thread.
    pub fn key_source(
        &self,
        provider: &ProviderId,
        credential: &str,
        first: bool,
    ) -> Result<Option<Source>, KeyError> {
        let name = secret_name(provider, credential, first).map_err(KeyError::Name)?;
        Ok(self.0.vault.get(&name)?.map(|(_, source)| source))
    }

    /// Keeps a provider's key. Blocks.
    ///
    /// # Errors
    /// When nothing was stored.
    pub fn set_key(
        &self,
        provider: &ProviderId,
        credential: &str,
        first: bool,
        secret: &Secret,
    ) -> Result<(), KeyError> {
        let name = secret_name(provider, credential, first).map_err(KeyError::Name)?;
        self.0.vault.set(&name, secret)?;
        self.0.key_changes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Forgets a provider's key; false when there was none. Blocks.
    ///
    /// # Errors
    /// When it could not be removed.
    pub fn remove_key(
        &self,
        provider: &ProviderId,
        credential: &str,
        first: bool,
    ) -> Result<bool, KeyError> {
        let name = secret_name(provider, credential, first).map_err(KeyError::Name)?;
        let removed = self.0.vault.remove(&name)?;
        self.0.key_changes.fetch_add(1, Ordering::SeqCst);
        Ok(removed)
    }
}

/// Why a key could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store.
    #[error(transparent)]
    Store(#[from] SecretError),
    /// The name.
    #[error(transparent)]
    Name(Failure),
}

/// The model that the embedded server loads.
fn model_file(settings: &Settings, paths: &Paths) -> PathBuf {
    match &settings.inference.model {
        Some(chosen) => match settings.inference.address() {
            // Named by its hash, so that another address never finds this file.
            Some((url, sha256)) => {
                let name = url.path_segments().and_then(|mut parts| parts.next_back());
                let short = sha256.get(..16).unwrap_or(sha256);
                paths
                    .models()
                    .join(format!("{short}-{}", name.unwrap_or("model.gguf")))
            }
            None => chosen.into(),
        },
        None => paths
            .model
            .clone()
            .unwrap_or_else(|| paths.models().join(DEFAULT_MODEL_FILE)),
    }
}

/// Configured providers, and one for each provider plugin that no provider uses under its name.
fn all_providers(
    settings: &Settings,
    registry: &Registry,
) -> Vec<(ProviderId, ProviderSettings, bool)> {
    let mut all: Vec<_> = settings
        .providers
        .iter()
        .map(|(id, provider)| (id.clone(), provider.clone(), true))
        .collect();
    for installed in registry.ready() {
        let plugin = &installed.manifest.id;
        let Ok(id) = plugin.as_str().parse::<ProviderId>() else {
            continue;
        };
        // By variable and not by name: two names may share one, and with it a key.
        let variable = EnvStore::variable(id.as_str());
        if !all
            .iter()
            .any(|(taken, ..)| EnvStore::variable(taken.as_str()) == variable)
        {
            let provider = ProviderSettings {
                plugin: plugin.clone(),
                settings: serde_json::Map::new(),
                grant: Grant::default(),
            };
            all.push((id, provider, false));
        }
    }
    all
}

/// Whether a plugin came with the program: its own addresses need no further consent.
fn is_built_in(registry: &Registry, paths: &Paths, plugin: &PluginId) -> bool {
    registry
        .get(plugin.as_str())
        .is_some_and(|found| found.dir < paths.built_in_plugins)
}

/// Runs actix on a thread of its own.
fn start_system() -> Result<(actix::System, JoinHandle<()>), StartError> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("vale-actors".to_owned())
        .spawn(move || {
            let runner = actix::System::new();
            // The receiver waits for this; if it is gone, so is the host.
            if sender.send(actix::System::current()).is_ok()
                && let Err(error) = runner.run()
            {
                tracing::error!(%error, "the actors' thread ended");
            }
        })
        .map_err(|error| StartError::Thread(error.to_string()))?;
    let system = receiver
        .recv()
        .map_err(|error| StartError::Thread(error.to_string()))?;
    Ok((system, thread))
}
