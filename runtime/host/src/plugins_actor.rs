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
        let installed = registry
            .ready()
            .map(|plugin| {
                (
                    plugin.manifest.id.clone(),
                    (Arc::new(plugin.clone()), Slot::default()),
                )
            })
            .collect();
        Self {
            engine,
            installed,
            folders,
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

async fn load(engine: Engine, installed: Arc<Installed>) -> Result<Loaded, Fault> {
    let refused = |reason: String| Fault::new(FaultClass::Load, reason);
    let reading = Arc::clone(&installed);
    let component = engine
        .runtime()
        .spawn_blocking(move || reading.component_bytes())
        .await
        .map_err(|error| refused(error.to_string()))?
        .map_err(|error| refused(error.to_string()))?;
    let plugin = engine
        .load(component.bytes)
        .await
        .map_err(|error| refused(error.to_string()))?;
    tracing::debug!(plugin = %installed.manifest.id, from = ?plugin.loaded_from(), "plugin loaded");
    Ok(Loaded { installed, plugin })
}
