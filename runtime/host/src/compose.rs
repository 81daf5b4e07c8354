//! What a host is composed of: which providers there are, and the thread of the actors.

use std::path::PathBuf;
use std::thread::JoinHandle;

use vale_plugins::{Grant, Installed, PluginKind, Registry};
use vale_secrets::EnvStore;
use vale_types::{PluginId, ProviderId};

use crate::paths::{DEFAULT_MODEL_FILE, Paths};
use crate::settings::{ProviderSettings, Settings};

/// A provider as it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Configured {
    pub(crate) settings: ProviderSettings,
    /// Whether the person added it; else it came with its plugin.
    pub(crate) by_person: bool,
    /// Whether its plugin may be used.
    pub(crate) enabled: bool,
    /// Which state of its plugin answers; none = it is not installed.
    pub(crate) plugin_state: Option<String>,
}

/// The model that the embedded server loads.
pub(crate) fn model_file(settings: &Settings, paths: &Paths) -> PathBuf {
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
pub(crate) fn all_providers(
    settings: &Settings,
    registry: &Registry,
) -> Vec<(ProviderId, Configured)> {
    let configured = |provider, by_person| configured(settings, registry, provider, by_person);
    let mut all: Vec<_> = settings
        .providers
        .iter()
        .map(|(id, provider)| (id.clone(), configured(provider.clone(), true)))
        .collect();
    let is_provider = |installed: &&std::sync::Arc<Installed>| {
        installed.manifest.world.kind == PluginKind::Provider
    };
    for installed in registry.ready().filter(is_provider) {
        let plugin = &installed.manifest.id;
        let chosen = settings.plugins.get(plugin);
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
                settings: chosen
                    .map_or_else(serde_json::Map::new, |chosen| chosen.settings.clone()),
                grant: Grant::default(),
                policy: serde_json::Map::new(),
            };
            all.push((id, configured(provider, false)));
        }
    }
    all
}

/// A setup with what the person chose for its plugin.
fn configured(
    settings: &Settings,
    registry: &Registry,
    mut setup: ProviderSettings,
    by_person: bool,
) -> Configured {
    let chosen = settings.plugins.get(&setup.plugin);
    if let Some(chosen) = chosen {
        setup.grant = chosen.grant.and(&setup.grant);
    }
    Configured {
        by_person,
        enabled: chosen.is_none_or(|chosen| chosen.enabled),
        plugin_state: registry
            .get(setup.plugin.as_str())
            .map(|installed| installed.state()),
        settings: setup,
    }
}

/// The tool plugins, each set up as the person chose for it.
pub(crate) fn all_tools(settings: &Settings, registry: &Registry) -> Vec<(PluginId, Configured)> {
    let tools = registry
        .ready()
        .filter(|installed| installed.manifest.world.kind == PluginKind::Tool);
    tools
        .map(|installed| {
            let id = installed.manifest.id.clone();
            let chosen = settings.plugins.get(&id);
            let setup = ProviderSettings {
                plugin: id.clone(),
                settings: chosen
                    .map_or_else(serde_json::Map::new, |chosen| chosen.settings.clone()),
                grant: Grant::default(),
                policy: serde_json::Map::new(),
            };
            (id, configured(settings, registry, setup, false))
        })
        .collect()
}

/// Whether a plugin came with the program: its own addresses need no further consent.
pub(crate) fn is_built_in(registry: &Registry, paths: &Paths, plugin: &PluginId) -> bool {
    registry
        .get(plugin.as_str())
        .is_some_and(|found| found.dir < paths.built_in_plugins)
}

/// Runs actix on a thread of its own.
pub(crate) fn start_system() -> Result<(actix::System, JoinHandle<()>), String> {
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
        .map_err(|error| error.to_string())?;
    let system = receiver.recv().map_err(|error| error.to_string())?;
    Ok((system, thread))
}

/// Whose seals a provider understands: those of the same plugin at the same address.
pub(crate) fn maker(registry: &Registry, provider: &ProviderSettings) -> String {
    let plugin = provider.plugin.as_str();
    let address = provider
        .settings
        .get("base_url")
        .and_then(|url| url.as_str());
    let component = registry
        .get(plugin)
        .and_then(|installed| installed.manifest.component.as_deref());
    format!(
        "{} at {}",
        component.unwrap_or(plugin),
        address.unwrap_or("its own address")
    )
}
