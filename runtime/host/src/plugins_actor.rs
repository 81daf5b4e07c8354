//! `PluginsActor`: what is installed, loaded once and shared.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, ResponseFuture};
use tokio::sync::OnceCell;
use vale_plugins::{Installed, Registry};
use vale_sandbox::{Engine, Plugin};
use vale_types::{Fault, FaultClass, PluginId};

/// A plugin, found and loaded.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) installed: Arc<Installed>,
    pub(crate) plugin: Plugin,
}

type Slot = Arc<OnceCell<Loaded>>;

/// Loads components through the engine; each once, whoever asks and however many at once.
pub(crate) struct PluginsActor {
    engine: Engine,
    installed: HashMap<PluginId, (Arc<Installed>, Slot)>,
    folders: Vec<PathBuf>,
}

impl PluginsActor {
    pub(crate) fn new(engine: Engine, registry: &Registry, folders: Vec<PathBuf>) -> Self {
        let mut actor = Self {
            engine,
            installed: HashMap::new(),
            folders,
        };
        actor.take(registry);
        actor
    }

    /// What is there from now on; what is loaded and has not changed stays loaded.
    fn take(&mut self, registry: &Registry) {
        let mut before = std::mem::take(&mut self.installed);
        for plugin in registry.ready() {
            let id = plugin.manifest.id.clone();
            let kept = before
                .remove(&id)
                .filter(|(known, _)| known.state() == plugin.state());
            let slot = kept.map_or_else(Slot::default, |(_, slot)| slot);
            self.installed.insert(id, (Arc::clone(plugin), slot));
        }
    }
}

impl Actor for PluginsActor {
    type Context = Context<Self>;
}

/// Gives a loaded plugin.
#[derive(Message)]
#[rtype(result = "Result<Loaded, Fault>")]
pub(crate) struct Load(pub(crate) PluginId);

impl Handler<Load> for PluginsActor {
    type Result = ResponseFuture<Result<Loaded, Fault>>;

    fn handle(&mut self, Load(id): Load, _: &mut Context<Self>) -> Self::Result {
        let Some((installed, slot)) = self.installed.get(&id).cloned() else {
            let folders: Vec<_> = self
                .folders
                .iter()
                .map(|dir| dir.display().to_string())
                .collect();
            let missing = Fault::new(
                FaultClass::Load,
                format!(
                    "the plugin “{id}” is not installed in {}",
                    folders.join(" or ")
                ),
            );
            return Box::pin(async move { Err(missing) });
        };
        let engine = self.engine.clone();
        Box::pin(async move {
            slot.get_or_try_init(|| load(engine, installed))
                .await
                .cloned()
        })
    }
}

/// Takes over what is installed now. Calls under way keep what they began with.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Take(pub(crate) Arc<Registry>);

impl Handler<Take> for PluginsActor {
    type Result = ();

    fn handle(&mut self, Take(registry): Take, _: &mut Context<Self>) {
        self.take(&registry);
    }
}

async fn load(engine: Engine, installed: Arc<Installed>) -> Result<Loaded, Fault> {
    let refused = |reason: String| Fault::new(FaultClass::Load, reason);
    let (installed, component) = engine
        .runtime()
        .spawn_blocking(move || installed.open())
        .await
        .map_err(|error| refused(error.to_string()))?
        .map_err(|error| refused(error.to_string()))?;
    let plugin = engine
        .load(component.bytes)
        .await
        .map_err(|error| refused(error.to_string()))?;
    tracing::debug!(plugin = %installed.manifest.id, from = ?plugin.loaded_from(), "plugin loaded");
    Ok(Loaded {
        installed: Arc::new(installed),
        plugin,
    })
}
