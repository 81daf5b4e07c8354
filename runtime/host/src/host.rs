//! `Host`: the root of the actor system and the handle that every face holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use vale_sandbox::{CodeCache, Engine, EngineConfig, EngineError};
use vale_secrets::Ask;
use vale_types::{
    Blob, Failure, Media, Model, ModelRef, PluginId, ProviderId, ProviderInfo, Request, ToolCall,
    ToolInfo, ToolResult,
};

use crate::compose::{Configured, all_tools, is_built_in, maker, start_system};
#[cfg(feature = "conversations")]
use crate::conversation::Conversations;
use crate::core::Core;
use crate::infer::{
    END_TIMEOUT, InferActor, InferConfig, InferView, ProcessId, Shutdown, choose_program,
};
use crate::network::Network;
use crate::paths::Paths;
use crate::plugins_actor::{Load, PluginsActor, Take};
use crate::profile::Profile;
use crate::provider::{PluginBackend, Wiring, tool_owner};
use crate::settings::{Settings, SettingsError};
use crate::supervise::{Child, ChildSpec, Command, Escalation, HostEvent, NodeReport, Stage, Tree};
use crate::tool::{ToolWiring, Tools};
use crate::trial::{PluginRolledBack, Trials};
use crate::turn::Turn;

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
    /// The profile's folders.
    pub paths: Paths,
    /// Asks the person for the passphrase of the encrypted key file; none = nobody can be asked.
    pub ask_passphrase: Option<Ask>,
}

impl HostConfig {
    /// A host over these folders, with nobody to ask for a passphrase.
    #[must_use]
    pub fn new(paths: Paths) -> Self {
        Self {
            paths,
            ask_passphrase: None,
        }
    }
}

/// The running host. Cheap to clone; the last clone dropped ends it.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    profile: Profile,
    engine: Engine,
    network: Arc<Network>,
    plugins: Child<PluginsActor>,
    infer: Child<InferActor>,
    core: Core,
    trials: Trials,
    tools: Tools,
    /// The providers that run, as they were configured.
    running: Mutex<BTreeMap<ProviderId, Configured>>,
    notes: Vec<String>,
    /// Opened when they are first asked for: most commands need none.
    #[cfg(feature = "conversations")]
    conversations: Mutex<Option<Conversations>>,
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
        Self::over(Profile::open(config.paths, config.ask_passphrase)?)
    }

    /// Starts the actors over a profile that is open already.
    ///
    /// # Errors
    /// When a certificate file cannot be read or the machine cannot run plugins.
    pub fn over(profile: Profile) -> Result<Self, StartError> {
        let (paths, settings) = (profile.paths(), profile.settings());
        let network = Arc::new(Network::open(&settings.network).map_err(StartError::Network)?);
        let mut notes = Vec::new();
        let cache = CodeCache::open(&paths.code_cache(), &paths.code_key());
        let cache = cache.map_err(|error| notes.push(error.to_string())).ok();
        let engine = Engine::new(EngineConfig {
            cache,
            threads: None,
        })?;
        let (system, thread) = start_system().map_err(StartError::Thread)?;
        let tree = Tree::new(Stage::arbiter(system.arbiter().clone()));
        let plugins = start_plugins(&tree, &engine, &profile);
        let infer = start_infer(&tree, &profile);
        let tools = Tools::new(tree.clone());
        let core = Core::new(tree, settings.fallback.clone());
        let trials = Trials::new(profile.shelf());
        let host = Self(Arc::new(Inner {
            engine,
            network,
            plugins,
            infer,
            core,
            trials,
            tools,
            running: Mutex::default(),
            notes,
            #[cfg(feature = "conversations")]
            conversations: Mutex::default(),
            system,
            thread: Some(thread),
            profile,
        }));
        let weak = Arc::downgrade(&host.0);
        host.0.trials.when_rolled_back(move |rolled_back| {
            if let Some(inner) = weak.upgrade() {
                Self(inner).rolled_back(rolled_back);
            }
        });
        host.apply(&settings, &settings);
        Ok(host)
    }

    /// Takes over settings: providers that are new or changed are started, those that are gone end
    /// once their answers have.
    fn apply(&self, before: &Settings, settings: &Settings) {
        let inner = &self.0;
        let (paths, registry) = (inner.profile.paths(), inner.profile.registry());
        // Before any provider that could ask for one of them.
        inner.plugins.tell(Take(Arc::clone(&registry)));
        let wanted = inner.profile.configured();
        let mut running = inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        for id in running.keys().filter(|id| !wanted.contains_key(*id)) {
            inner.core.remove(id);
        }
        for (id, provider) in &wanted {
            if running.get(id) == Some(provider) && before.policy == settings.policy {
                continue;
            }
            let policy = provider.settings.policy_over(&settings.policy);
            // Checked when the settings were read.
            let policy = policy.unwrap_or_else(|_| settings.policy.clone());
            let owner = id.as_str().to_owned();
            let backend = PluginBackend::new(id.clone(), self.wiring(owner, provider));
            let maker = maker(&registry, &provider.settings);
            inner.core.add(id, maker, policy, Arc::new(backend));
        }
        *running = wanted;
        drop(running);
        let tools = all_tools(settings, &registry).into_iter();
        let tools = tools.map(|(id, tool)| {
            let wired = ToolWiring {
                setup: format!("{tool:?}"),
                wiring: self.wiring(tool_owner(&id), &tool),
                blobs: inner.network.blobs.clone(),
                kv: paths.plugin_state(&id).join("kv.json"),
            };
            (id, wired)
        });
        inner.tools.apply(tools.collect());
        inner.core.set_fallback(settings.fallback.clone());
        inner.core.set_models(settings.models.clone());
    }

    /// What the calls of one setup of a plugin are wired to.
    fn wiring(&self, owner: String, configured: &Configured) -> Wiring {
        let inner = &self.0;
        let plugin = &configured.settings.plugin;
        Wiring {
            owner,
            built_in: is_built_in(&inner.profile.registry(), inner.profile.paths(), plugin),
            enabled: configured.enabled,
            trials: inner.trials.clone(),
            settings: configured.settings.clone(),
            plugins: inner.plugins.clone(),
            infer: inner.infer.clone(),
            engine: inner.engine.clone(),
            vault: Arc::clone(&inner.profile.0.vault),
            network: Arc::clone(&inner.network),
            key_changes: Arc::clone(&inner.profile.0.key_changes),
        }
    }

    /// Reads `config.toml` and looks for plugins again. Providers, plugins, policies, fallback lists
    /// and what is known of models count at once, while answers under way end as they began; the network, the store of keys and the local model from the next start on.
    ///
    /// # Errors
    /// With the line and column of a mistake; then nothing changes.
    pub fn reload(&self) -> Result<(), SettingsError> {
        let before = self.0.profile.reload()?;
        self.apply(&before, &self.0.profile.settings());
        Ok(())
    }

    /// A plugin's version was taken back: the one before it answers from now on.
    fn rolled_back(&self, told: PluginRolledBack) {
        tracing::warn!(plugin = %told.plugin, version = %told.version, why = %told.why, "plugin taken back");
        if let Err(error) = self.reload() {
            tracing::warn!(%error, "the settings could not be read again");
        }
        let bus = self.0.core.tree().bus();
        bus.tell(HostEvent::PluginRolledBack(told));
    }

    /// The profile that it runs over.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// The supervised providers and turns.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.0.core
    }

    /// The supervision tree as it stands.
    #[must_use]
    pub fn tree(&self) -> Vec<NodeReport> {
        self.0.core.tree().report()
    }

    /// Asks the child at this path of the tree; false when there is none.
    #[must_use]
    pub fn command(&self, path: &str, command: Command) -> bool {
        self.0.core.tree().command(path, command)
    }

    /// What happens in the host from now on.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn run(host: vale_host::Host) {
    /// let mut events = host.events();
    /// while let Ok(event) = events.recv().await {
    ///     println!("{event:?}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.0.core.tree().events()
    }

    /// Ends in order: no new work, turns may end until `drain` is over, the rest is cancelled,
    /// processes and actors end.
    pub async fn shut_down(&self, drain: Duration) {
        self.0.core.shut_down(drain).await;
        #[cfg(feature = "conversations")]
        let opened = self.opened().take();
        #[cfg(feature = "conversations")]
        if let Some(conversations) = opened {
            // Its end waits for the disk.
            let closed = tokio::task::spawn_blocking(move || conversations.store().close());
            if closed.await.is_err() {
                tracing::warn!("the store was not closed in order");
            }
        }
    }

    /// The stored conversations. The store is opened when they are first asked for; that blocks for as long
    /// as it takes. Answers that the last process left open are ended by [`Conversations::recover`].
    ///
    /// # Errors
    /// When the store cannot be opened.
    #[cfg(feature = "conversations")]
    pub fn conversations(&self) -> Result<Conversations, vale_store::StoreError> {
        let mut opened = self.opened();
        if let Some(conversations) = &*opened {
            return Ok(conversations.clone());
        }
        let folder = self.0.profile.paths().store();
        let options = vale_store::StoreOptions::default();
        let fold = Arc::new(vale_chat::rows::ChatFold);
        let store = vale_store::Store::open(folder, options, fold)?;
        if let Some(why) = store.rebuilds {
            tracing::info!(%why, "the view of the conversations is made again");
        }
        if store.recovery.torn_bytes > 0 {
            let bytes = store.recovery.torn_bytes;
            tracing::info!(
                bytes,
                "what was being written when ValeChat ended was cut off"
            );
        }
        let handles = Arc::new(self.0.network.blobs.clone());
        let index = self.0.profile.paths().store().join("index");
        let core = self.0.core.clone();
        let conversations = Conversations::new(store.store, core, handles, Some(index))?;
        *opened = Some(conversations.clone());
        Ok(conversations)
    }

    #[cfg(feature = "conversations")]
    fn opened(&self) -> std::sync::MutexGuard<'_, Option<Conversations>> {
        let opened = self.0.conversations.lock();
        opened.unwrap_or_else(PoisonError::into_inner)
    }

    /// What is worth knowing and did not keep the host from starting.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// Starts one answer. What fails later is in the turn.
    ///
    /// # Errors
    /// When there is no such provider, or the host is shutting down.
    pub fn send(&self, model: &ModelRef, request: Request) -> Result<Turn, Failure> {
        self.0.core.send(model, request)
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
        self.0.core.models(provider).await
    }

    /// What the plugin says about itself.
    ///
    /// # Errors
    /// The plugin's fault.
    pub async fn describe(&self, provider: &ProviderId) -> Result<ProviderInfo, Failure> {
        self.0.core.describe(provider).await
    }

    /// The plugins that offer tools, switched on or off.
    #[must_use]
    pub fn tool_plugins(&self) -> Vec<PluginId> {
        self.0.tools.plugins()
    }

    /// What a plugin's tools are.
    ///
    /// # Errors
    /// The plugin's fault, or why it cannot be used.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn run(host: vale_host::Host) -> Result<(), Box<dyn std::error::Error>> {
    /// for plugin in host.tool_plugins() {
    ///     for tool in host.tools(&plugin).await? {
    ///         println!("{plugin}/{}: {}", tool.def.name, tool.def.description);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn tools(&self, plugin: &PluginId) -> Result<Vec<ToolInfo>, Failure> {
        self.0.tools.infos(plugin).await
    }

    /// Calls one tool. Dropping the future cancels it. A tool that ran and failed says so in its
    /// result.
    ///
    /// # Errors
    /// What kept the call from running.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn run(host: vale_host::Host) -> Result<(), Box<dyn std::error::Error>> {
    /// let call = vale_types::ToolCall {
    ///     id: "1".to_owned(),
    ///     name: "calculate".to_owned(),
    ///     arguments_json: r#"{"expression": "0.1 + 0.2"}"#.to_owned(),
    ///     signature: None,
    /// };
    /// let result = host.invoke(&"calculator".parse()?, &call).await?;
    /// assert!(!result.is_error);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn invoke(&self, plugin: &PluginId, call: &ToolCall) -> Result<ToolResult, Failure> {
        self.0.tools.invoke(plugin, call).await
    }

    /// The process id of the local model's server, while it runs.
    pub async fn infer_process(&self) -> Option<u32> {
        self.0.infer.call(ProcessId).await.ok().flatten()
    }

    /// What an installed plugin imports, with versions; loads it.
    ///
    /// # Errors
    /// When the plugin is not installed or cannot be loaded.
    pub async fn imports(&self, plugin: &PluginId) -> Result<Vec<String>, Failure> {
        let loaded = self.0.plugins.call(Load(plugin.clone())).await??;
        Ok(loaded.plugin.imports().to_vec())
    }
}

fn start_plugins(tree: &Tree, engine: &Engine, profile: &Profile) -> Child<PluginsActor> {
    // Every provider needs it: what breaks it may have broken what was loaded.
    let group = tree.group("core", Escalation::RestartSiblings);
    let (engine, profile) = (engine.clone(), profile.clone());
    let folders = profile.paths().plugins.clone();
    let spec = ChildSpec::permanent("plugins", "plugin loader");
    tree.start(&group, spec, move || {
        PluginsActor::new(engine.clone(), &profile.registry(), folders.clone())
    })
}

fn start_infer(tree: &Tree, profile: &Profile) -> Child<InferActor> {
    let group = tree.group("processes", Escalation::Isolate);
    let (paths, settings) = (profile.paths(), profile.settings());
    let config = Arc::new(InferConfig {
        program: choose_program(&paths.infer),
        helper: paths.confine.clone(),
        model: profile.model_file(),
        settings: settings.inference.clone(),
    });
    let view = Arc::<InferView>::default();
    let spec = ChildSpec::permanent("local-model", "process keeper");
    let kept = Arc::clone(&view);
    let child = tree.start(&group, spec, move || {
        InferActor::new(Arc::clone(&config), Arc::clone(&kept))
    });
    child.tell_vitals(view);
    child
}
