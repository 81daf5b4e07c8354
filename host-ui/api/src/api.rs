//! The handle that every face holds.

use std::sync::Arc;

use vale_host::{Ask, Installed, Paths, Profile, ProviderSummary, StartError};
use vale_plugins::{CredentialSource, Piece};
use vale_types::{Failure, PluginId, ProviderId};

use crate::error::{ApiError, ApiErrorKind};
use crate::link::Link;
use crate::models::LOCAL;

/// Everything a face can do. Cheap to clone; the last clone dropped ends the host, if it is this
/// process's.
#[derive(Clone)]
pub struct Api {
    pub(crate) profile: Profile,
    pub(crate) link: Link,
}

impl Api {
    /// Finds the host of this profile, or starts it: the first process runs it, and serves it to
    /// the others of the same person. `ask` asks the person for a passphrase; none = nobody can be
    /// asked.
    ///
    /// # Errors
    /// When the settings have a mistake, the machine cannot run plugins, or another process has the
    /// profile and does not answer.
    pub async fn open(paths: Paths, ask: Option<Ask>) -> Result<Self, ApiError> {
        let profile = Profile::open(paths, ask).map_err(StartError::from)?;
        let link = Link::open(&profile).await?;
        Ok(Self { profile, link })
    }

    /// The profile's folders.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        self.profile.paths()
    }

    /// What is worth knowing and did not keep the host from starting.
    pub async fn notes(&self) -> Vec<String> {
        self.link.notes().await
    }

    /// Whether this process runs the host; else it asks another one.
    pub async fn runs_host(&self) -> bool {
        self.link.is_own().await
    }

    /// Answers that other windows receive through this process now.
    pub async fn answers_for_others(&self) -> usize {
        self.link.others().await
    }

    /// Ends this process's part: waits while other windows receive answers through it, then ends
    /// the host in order. Dropping the wait ends it at once.
    pub async fn close(self) {
        self.link.close().await;
        self.link.shut_down(std::time::Duration::ZERO).await;
    }

    /// A provider by the name that the person typed.
    pub(crate) fn find_provider(&self, name: &str) -> Result<ProviderSummary, ApiError> {
        let id: ProviderId = name.parse()?;
        let all = self.profile.providers();
        if all.is_empty() {
            return Err(self.nothing_installed());
        }
        let known: Vec<String> = all.iter().map(|found| found.id.to_string()).collect();
        all.into_iter().find(|found| found.id == id).ok_or_else(|| {
            ApiError::new(
                ApiErrorKind::Usage,
                format!("There is no provider “{id}”."),
                format!(
                    "There are: {}. Add another with `valechat provider add`.",
                    known.join(", ")
                ),
            )
        })
    }

    /// The person has no provider at all.
    pub(crate) fn nothing_installed(&self) -> ApiError {
        let broken = self.profile.registry().broken().next().is_some();
        let folders: Vec<String> = self
            .paths()
            .plugins
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        let next = if broken {
            "There are damaged plugins: `valechat doctor` says what is wrong with them."
        } else {
            "Start ValeChat with `cargo xtask run`, which builds them, or set VALECHAT_PLUGINS to the folder that holds them."
        };
        ApiError::new(
            ApiErrorKind::Settings,
            format!(
                "No provider plugin is installed (looked in {}).",
                folders.join(" and ")
            ),
            next,
        )
    }

    pub(crate) fn installed(&self, plugin: &PluginId) -> Option<Arc<Installed>> {
        self.profile.registry().get(plugin.as_str()).cloned()
    }

    /// The plugin came with the program, so its own addresses need no further consent.
    pub(crate) fn is_built_in(&self, installed: &Installed) -> bool {
        installed.dir < self.paths().built_in_plugins
    }

    /// Fetches the local model where a chat with `wanted` (as in [`Api::resolve_model`]) needs it,
    /// the settings name an address, and it is not here yet; false when there is nothing to fetch. `progress` is told the bytes so far and, where the server
    /// says, all bytes.
    ///
    /// # Errors
    /// When it could not be fetched; nothing is left behind.
    pub async fn fetch_local_model(
        &self,
        wanted: Option<&str>,
        progress: impl FnMut(u64, Option<u64>),
    ) -> Result<bool, ApiError> {
        let settings = self.profile.settings();
        let default = settings.default_model.as_ref();
        let provider = match wanted {
            Some(text) => text.split('/').next().unwrap_or(text),
            None => default.map_or(LOCAL, |model| model.provider.as_str()),
        };
        let needs_it = provider.parse().is_ok_and(|id| self.uses_local_model(&id));
        Ok(needs_it && self.profile.fetch_model(progress).await?)
    }

    /// The settings have changed: whoever runs the host takes them over.
    pub(crate) async fn settings_changed(&self) -> Result<(), ApiError> {
        self.link.reload().await
    }

    /// Whether the provider talks to the model that ValeChat runs itself.
    pub(crate) fn uses_local_model(&self, provider: &ProviderId) -> bool {
        let Ok(manifest) = self.profile.manifest(provider) else {
            return false;
        };
        let mut pieces = manifest
            .egress
            .iter()
            .flat_map(|place| place.origin.pieces());
        pieces.any(|piece| matches!(piece, Piece::HostInfer))
            || manifest
                .credentials
                .iter()
                .any(|credential| credential.source == CredentialSource::HostInfer)
    }

    pub(crate) fn explain(&self, failure: Failure, provider: &ProviderId) -> ApiError {
        ApiError::of_failure(failure, provider.as_str(), self.uses_local_model(provider))
    }
}

/// Runs what blocks (key stores, files) beside the async work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(ApiError::new(
                ApiErrorKind::Failed,
                format!("The work was interrupted: {error}."),
                "Try again; if it fails again, please report it.",
            ))
        })
}
