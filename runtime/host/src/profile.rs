//! A profile: settings, installed plugins and keys of one person. No actors and no network: a face
//! that talks to another process's host needs this much and no more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};

use vale_egress::{Download, DownloadError, download};
use vale_plugins::{
    CardContext, Ceiling, Grant, HostVars, Manifest, PermissionCard, Registry, Shelf,
};
use vale_secrets::{Ask, Backend, Passphrases, Vault, VaultConfig};
use vale_types::{Failure, Fault, FaultClass, PluginId, ProviderId};

use crate::compose::{Configured, all_providers, is_built_in, model_file};
use crate::infer::choose_program;
use crate::network::certificates;
use crate::paths::Paths;
use crate::settings::{KeyStore, Settings, SettingsError};

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

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Profile(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) paths: Paths,
    settings: RwLock<Arc<Settings>>,
    registry: RwLock<Arc<Registry>>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) key_changes: Arc<AtomicU64>,
}

impl Profile {
    /// Reads settings and finds plugins. `ask` asks the person for the passphrase of the encrypted
    /// key file; none = nobody can be asked.
    ///
    /// # Errors
    /// When the settings have a mistake.
    pub fn open(paths: Paths, ask: Option<Ask>) -> Result<Self, SettingsError> {
        let settings = Settings::load(&paths.config_file)?;
        let backend = match settings.keys.store {
            KeyStore::Keyring => Backend::Keyring,
            KeyStore::File => Backend::File {
                path: paths.secrets_file(),
            },
        };
        let env = vale_secrets::process_env();
        let vault = Vault::new(VaultConfig {
            backend,
            env: Arc::clone(&env),
            passphrases: Passphrases::new(env, ask),
        });
        Ok(Self(Arc::new(Inner {
            settings: RwLock::new(Arc::new(settings)),
            registry: RwLock::new(Arc::new(scan(&paths))),
            paths,
            vault: Arc::new(vault),
            key_changes: Arc::default(),
        })))
    }

    /// The folders.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.0.paths
    }

    /// The settings as they were read last.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        let settings = self.0.settings.read();
        Arc::clone(&settings.unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads `config.toml` and looks for plugins again; gives the settings that counted before.
    ///
    /// # Errors
    /// With the line and column of a mistake; then nothing changes.
    pub(crate) fn reload(&self) -> Result<Arc<Settings>, SettingsError> {
        let settings = Arc::new(Settings::load(&self.0.paths.config_file)?);
        let registry = Arc::new(scan(&self.0.paths));
        *self
            .0
            .registry
            .write()
            .unwrap_or_else(PoisonError::into_inner) = registry;
        let mut kept = self
            .0
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::replace(&mut *kept, settings))
    }

    /// Reads `config.toml` and looks for plugins again, for a profile without a host.
    ///
    /// # Errors
    /// With the line and column of a mistake; then nothing changes.
    pub fn refresh(&self) -> Result<(), SettingsError> {
        self.reload().map(drop)
    }

    /// The plugins that there are, broken ones included.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        let registry = self.0.registry.read();
        Arc::clone(&registry.unwrap_or_else(PoisonError::into_inner))
    }

    /// Where plugins that the person installs are kept.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        self.0.paths.shelf()
    }

    pub(crate) fn configured(&self) -> BTreeMap<ProviderId, Configured> {
        all_providers(&self.settings(), &self.registry())
            .into_iter()
            .collect()
    }

    /// The providers, configured ones and those that came with their plugin.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderSummary> {
        let registry = self.registry();
        let summary = |(id, provider): (ProviderId, Configured)| {
            let plugin = provider.settings.plugin;
            let installed = registry.get(plugin.as_str());
            ProviderSummary {
                id,
                name: installed.map(|installed| installed.manifest.name.clone()),
                plugin,
                configured: provider.by_person,
            }
        };
        self.configured().into_iter().map(summary).collect()
    }

    /// The manifest of a provider's plugin.
    ///
    /// # Errors
    /// When the provider or its plugin is not there.
    pub fn manifest(&self, provider: &ProviderId) -> Result<Manifest, Failure> {
        let (all, registry) = (self.configured(), self.registry());
        let found = all
            .get(provider)
            .and_then(|found| registry.get(found.settings.plugin.as_str()));
        let manifest = found.map(|installed| installed.manifest.clone());
        manifest.ok_or_else(|| {
            Fault::new(
                FaultClass::Load,
                format!("the plugin of provider “{provider}” is not installed"),
            )
            .into()
        })
    }

    /// The permission card of an installed plugin, as it stands for this provider, or for the
    /// plugin alone. `imports`: see `Host::imports`.
    ///
    /// # Errors
    /// When the plugin is not installed.
    pub fn permission_card(
        &self,
        plugin: &PluginId,
        provider: Option<&ProviderId>,
        imports: &[String],
    ) -> Result<PermissionCard, Failure> {
        let registry = self.registry();
        let installed = registry.get(plugin.as_str()).ok_or_else(|| {
            Fault::new(
                FaultClass::Load,
                format!("the plugin “{plugin}” is not installed"),
            )
        })?;
        let all = self.configured();
        let configured = provider.and_then(|id| all.get(id));
        let configured = configured.map(|found| &found.settings);
        let chosen = self.settings().plugins.get(plugin).cloned();
        let chosen = chosen.unwrap_or_default();
        let grant = Grant {
            built_in: is_built_in(&registry, &self.0.paths, plugin),
            ..configured.map_or(chosen.grant, |found| found.grant.clone())
        };
        Ok(PermissionCard::new(
            &installed.manifest,
            &CardContext {
                settings: configured.map_or(&chosen.settings, |found| &found.settings),
                host: &HostVars::default(),
                grant: &grant,
                ceiling: &Ceiling::default(),
                imports,
                differences: &[],
            },
        ))
    }

    /// The file of the embedded model; it need not be there.
    #[must_use]
    pub fn model_file(&self) -> PathBuf {
        model_file(&self.settings(), &self.0.paths)
    }

    /// The build of `valechat-infer` that this machine would start; none = not installed.
    #[must_use]
    pub fn infer_program(&self) -> Option<PathBuf> {
        choose_program(&self.0.paths.infer)
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
        let (to, settings) = (self.model_file(), self.settings());
        match settings.inference.address() {
            Some((url, sha256)) if !to.is_file() => {
                // A file that cannot be read has been told when the host started.
                let extra_roots = certificates(&settings.network).unwrap_or_default();
                let wish = Download {
                    url,
                    sha256: sha256.to_owned(),
                    to,
                    proxy: settings.network.proxy.clone(),
                    extra_roots,
                };
                download(&wish, progress).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }
}

fn scan(paths: &Paths) -> Registry {
    Registry::scan(&paths.plugins, paths.built_in_plugins)
}
