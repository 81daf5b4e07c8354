//! The way to the host: everything that needs running actors goes through here.
#![expect(
    clippy::unused_async,
    dead_code,
    reason = "another process may run the host; that way comes next"
)]

use bytes::Bytes;
use tokio::sync::broadcast;
use vale_host::{Command, Host, HostEvent, NodeReport, PermissionCard, Profile, Turn, TurnStep};
use vale_types::{Failure, Media, Model, ModelRef, PluginId, ProviderId, ProviderInfo, Request};

use crate::error::ApiError;

/// Whoever runs the profile's host.
#[derive(Clone)]
pub(crate) enum Link {
    /// This process.
    Own(Host),
}

impl Link {
    /// Starts a host over the profile.
    pub(crate) fn start(profile: &Profile) -> Result<Self, ApiError> {
        Ok(Self::Own(Host::over(profile.clone())?))
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        let Self::Own(host) = self;
        host.notes().to_vec()
    }

    pub(crate) async fn send(&self, model: &ModelRef, request: Request) -> Result<Steps, Failure> {
        let Self::Own(host) = self;
        host.send(model, request)
            .map(|turn| Steps::Own(Box::new(turn)))
    }

    pub(crate) async fn models(&self, provider: &ProviderId) -> Result<Vec<Model>, Failure> {
        let Self::Own(host) = self;
        host.models(provider).await
    }

    pub(crate) async fn describe(&self, provider: &ProviderId) -> Result<ProviderInfo, Failure> {
        let Self::Own(host) = self;
        host.describe(provider).await
    }

    pub(crate) async fn permission_card(
        &self,
        plugin: &PluginId,
        provider: Option<&ProviderId>,
    ) -> Result<PermissionCard, Failure> {
        let Self::Own(host) = self;
        host.permission_card(plugin, provider).await
    }

    pub(crate) async fn attach(
        &self,
        media_type: &str,
        name: Option<String>,
        bytes: Bytes,
    ) -> Result<Media, Failure> {
        let Self::Own(host) = self;
        Ok(host.attach(media_type, name, bytes))
    }

    /// Takes over changed settings, here and in the host.
    pub(crate) async fn reload(&self, _profile: &Profile) -> Result<(), ApiError> {
        let Self::Own(host) = self;
        Ok(host.reload()?)
    }

    /// The supervision tree.
    pub(crate) async fn tree(&self) -> Result<Vec<NodeReport>, Failure> {
        let Self::Own(host) = self;
        Ok(host.tree())
    }

    /// Asks a child of the tree; false when there is none at this path.
    pub(crate) async fn command(&self, path: &str, command: Command) -> Result<bool, Failure> {
        let Self::Own(host) = self;
        Ok(host.command(path, command))
    }

    /// What happens in the host from now on.
    pub(crate) async fn events(&self) -> Result<broadcast::Receiver<HostEvent>, Failure> {
        let Self::Own(host) = self;
        Ok(host.events())
    }
}

/// The steps of a turn, wherever it runs. Dropping them cancels it.
pub(crate) enum Steps {
    /// In this process.
    Own(Box<Turn>),
}

impl Steps {
    /// The next step; `None` after the end. May be dropped at any await point without losing one.
    pub(crate) async fn next(&mut self) -> Option<TurnStep> {
        let Self::Own(turn) = self;
        turn.next().await
    }
}
