//! The way to the host: everything that needs running actors goes through here.
//!
//! The first process of a profile runs its host and serves it on a socket of the person's own;
//! every other one asks that process (design.md §6). When it ends, whoever asks next takes over.

mod client;
mod place;
mod server;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{RwLock, broadcast};
use tokio::time::Instant;
use vale_host::{Command, Host, HostEvent, NodeReport, PermissionCard, Profile, Turn, TurnStep};
use vale_types::{
    Failure, Media, Model, ModelRef, PluginId, ProviderId, ProviderInfo, Request, ToolCall,
    ToolInfo, ToolResult,
};

use crate::error::{ApiError, ApiErrorKind};
use client::{Connection, NoConnection};
use place::{Held, MeetingPlace};
use server::Server;
use wire::Op;

/// How long a process may hold the lock and not listen yet, or no more.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried within that time.
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever runs the profile's host. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    profile: Profile,
    place: Option<MeetingPlace>,
    /// The host, where it is this process's.
    own: RwLock<Option<Own>>,
    notes: Vec<String>,
}

#[derive(Clone)]
struct Own {
    host: Host,
    /// None where it cannot be served.
    server: Option<Arc<Server>>,
    /// Let go of last: nobody else may start a host before this one has ended.
    _held: Option<Arc<Held>>,
}

/// How an operation reaches the host.
enum Way {
    Own(Host),
    Other(Connection),
}

impl Link {
    /// Finds the host of a profile, or starts it.
    ///
    /// # Errors
    /// When it cannot be started, or another process has it and does not answer.
    pub(crate) async fn open(profile: &Profile) -> Result<Self, ApiError> {
        let mut notes = Vec::new();
        let place = match MeetingPlace::of(&profile.paths().state) {
            Ok(place) => Some(place),
            Err(error) => {
                notes.push(format!(
                    "other windows cannot share this one's host: {error}"
                ));
                None
            }
        };
        let link = Self(Arc::new(Inner {
            profile: profile.clone(),
            place,
            own: RwLock::new(None),
            notes,
        }));
        // So that a host that cannot start is told of now.
        link.way().await.map_err(|error| *error)?;
        Ok(link)
    }

    /// The host of this process, or a connection to the other's.
    async fn way(&self) -> Result<Way, Box<ApiError>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(own) = &*self.0.own.read().await {
                return Ok(Way::Own(own.host.clone()));
            }
            let Some(place) = &self.0.place else {
                return self.start(None).await;
            };
            match Connection::open(place).await {
                Ok(connection) => return Ok(Way::Other(connection)),
                Err(NoConnection::Stranger(version)) => return Err(stranger(&version)),
                Err(NoConnection::Mute) => return Err(silent(place.process())),
                Err(NoConnection::Nobody) => {}
            }
            let taken = place.take().map_err(|error| locked_out(&error))?;
            if let Some(held) = taken {
                return self.start(Some((place, held))).await;
            }
            if Instant::now() > deadline {
                return Err(silent(place.process()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Becomes the process that runs the host.
    async fn start(&self, meeting: Option<(&MeetingPlace, Held)>) -> Result<Way, Box<ApiError>> {
        let mut own = self.0.own.write().await;
        if let Some(own) = &*own {
            return Ok(Way::Own(own.host.clone()));
        }
        // What another process ran may have changed it.
        self.0
            .profile
            .refresh()
            .map_err(|error| Box::new(error.into()))?;
        let host = Host::over(self.0.profile.clone()).map_err(|error| Box::new(error.into()))?;
        let (place, held) = meeting.unzip();
        let served = place.map(|place| Server::start(place, host.clone()));
        let server = match served.transpose() {
            Ok(server) => server.map(Arc::new),
            Err(error) => {
                tracing::warn!(%error, "other windows cannot share this one's host");
                None
            }
        };
        *own = Some(Own {
            host: host.clone(),
            server,
            _held: held.map(Arc::new),
        });
        Ok(Way::Own(host))
    }

    async fn reach(&self) -> Result<Way, Failure> {
        self.way()
            .await
            .map_err(|error| Failure::host(error.sentence.clone()))
    }

    /// What is worth knowing and kept nothing from starting.
    pub(crate) async fn notes(&self) -> Vec<String> {
        let mut notes = self.0.notes.clone();
        if let Some(own) = &*self.0.own.read().await {
            notes.extend_from_slice(own.host.notes());
        }
        notes
    }

    /// Whether this process runs the host.
    pub(crate) async fn is_own(&self) -> bool {
        self.0.own.read().await.is_some()
    }

    /// The process that runs the host, as it wrote down.
    pub(crate) fn process(&self) -> Option<u32> {
        self.0.place.as_ref().and_then(MeetingPlace::process)
    }

    /// Answers that other faces receive through this process.
    pub(crate) async fn others(&self) -> usize {
        let own = self.0.own.read().await;
        let server = own.as_ref().and_then(|own| own.server.as_ref());
        server.map_or(0, |server| server.answers())
    }

    /// Waits until no other face receives an answer; from then on none can ask for one.
    pub(crate) async fn close(&self) {
        let server = {
            let own = self.0.own.read().await;
            own.as_ref().and_then(|own| own.server.clone())
        };
        if let Some(server) = server {
            server.close().await;
        }
    }

    /// Ends the host in order, if it is this process's. Nobody is served by then.
    pub(crate) async fn shut_down(&self, drain: Duration) {
        let own = self.0.own.write().await.take();
        if let Some(Own {
            host,
            server,
            _held,
        }) = own
        {
            drop(server);
            host.shut_down(drain).await;
        }
    }

    pub(crate) async fn send(&self, model: &ModelRef, request: Request) -> Result<Steps, Failure> {
        match self.reach().await? {
            Way::Own(host) => host
                .send(model, request)
                .map(|turn| Steps::Own(Box::new(turn))),
            Way::Other(connection) => {
                let op = Op::Send {
                    model: model.clone(),
                    request: Box::new(request),
                };
                let connection = connection.with_same_keys()?.begin(&op).await?;
                Ok(Steps::Other {
                    connection: Box::new(connection),
                    is_over: false,
                })
            }
        }
    }

    pub(crate) async fn models(&self, provider: &ProviderId) -> Result<Vec<Model>, Failure> {
        match self.reach().await? {
            Way::Own(host) => host.models(provider).await,
            Way::Other(connection) => {
                let provider = provider.clone();
                connection
                    .with_same_keys()?
                    .ask(&Op::Models { provider })
                    .await
            }
        }
    }

    pub(crate) async fn describe(&self, provider: &ProviderId) -> Result<ProviderInfo, Failure> {
        match self.reach().await? {
            Way::Own(host) => host.describe(provider).await,
            Way::Other(connection) => {
                let provider = provider.clone();
                connection.ask(&Op::Describe { provider }).await
            }
        }
    }

    pub(crate) async fn count_tokens(
        &self,
        model: &ModelRef,
        request: Request,
    ) -> Result<u64, Failure> {
        match self.reach().await? {
            Way::Own(host) => host.core().count_tokens(model, &request).await,
            Way::Other(connection) => {
                let op = Op::Count {
                    model: model.clone(),
                    request: Box::new(request),
                };
                connection.with_same_keys()?.ask(&op).await
            }
        }
    }

    pub(crate) async fn permission_card(
        &self,
        plugin: &PluginId,
        provider: Option<&ProviderId>,
    ) -> Result<PermissionCard, Failure> {
        let imports = match self.reach().await? {
            Way::Own(host) => host.imports(plugin).await?,
            Way::Other(connection) => {
                let plugin = plugin.clone();
                connection.ask(&Op::Imports { plugin }).await?
            }
        };
        self.0.profile.permission_card(plugin, provider, &imports)
    }

    pub(crate) async fn tools(&self, plugin: &PluginId) -> Result<Vec<ToolInfo>, Failure> {
        match self.reach().await? {
            Way::Own(host) => host.tools(plugin).await,
            Way::Other(connection) => {
                let plugin = plugin.clone();
                connection.ask(&Op::Tools { plugin }).await
            }
        }
    }

    pub(crate) async fn invoke(
        &self,
        plugin: &PluginId,
        call: ToolCall,
    ) -> Result<ToolResult, Failure> {
        match self.reach().await? {
            Way::Own(host) => host.invoke(plugin, &call).await,
            Way::Other(connection) => {
                let plugin = plugin.clone();
                connection
                    .with_same_keys()?
                    .ask(&Op::Invoke { plugin, call })
                    .await
            }
        }
    }

    pub(crate) async fn attach(
        &self,
        media_type: &str,
        name: Option<String>,
        bytes: Bytes,
    ) -> Result<Media, Failure> {
        match self.reach().await? {
            Way::Own(host) => Ok(host.attach(media_type, name, bytes)),
            Way::Other(connection) => {
                let op = Op::Attach {
                    media_type: media_type.to_owned(),
                    name,
                };
                connection.attach(&op, bytes).await
            }
        }
    }

    /// Takes over changed settings, here and in the host.
    pub(crate) async fn reload(&self) -> Result<(), ApiError> {
        match self.way().await.map_err(|error| *error)? {
            Way::Own(host) => Ok(host.reload()?),
            Way::Other(connection) => {
                self.0.profile.refresh()?;
                let told = connection.ask_quickly::<()>(&Op::Reload).await;
                told.map_err(|failure| ApiError::of_failure(failure, "ValeChat", false))
            }
        }
    }

    /// A key was set or removed: what was prepared with the old ones is not used any more.
    pub(crate) async fn keys_changed(&self) {
        self.0.profile.keys_changed();
        if let Ok(Way::Other(connection)) = self.reach().await
            && let Err(failure) = connection.ask_quickly::<()>(&Op::KeysChanged).await
        {
            tracing::warn!(%failure, "the other window does not know of the key yet");
        }
    }

    /// The supervision tree.
    pub(crate) async fn tree(&self) -> Result<Vec<NodeReport>, Failure> {
        match self.reach().await? {
            Way::Own(host) => Ok(host.tree()),
            Way::Other(connection) => connection.ask_quickly(&Op::Tree).await,
        }
    }

    /// Asks a child of the tree; false when there is none at this path.
    pub(crate) async fn command(&self, path: &str, command: Command) -> Result<bool, Failure> {
        match self.reach().await? {
            Way::Own(host) => Ok(host.command(path, command)),
            Way::Other(connection) => {
                let path = path.to_owned();
                connection.ask_quickly(&Op::Ask { path, command }).await
            }
        }
    }

    /// What happens in the host from now on.
    pub(crate) async fn events(&self) -> Result<Events, Failure> {
        match self.reach().await? {
            Way::Own(host) => Ok(Events::Own(host.events())),
            Way::Other(connection) => {
                let connection = connection.begin(&Op::Events).await?;
                Ok(Events::Other(Box::new(connection)))
            }
        }
    }
}

/// The steps of a turn, wherever it runs. Dropping them cancels it.
pub(crate) enum Steps {
    /// In this process.
    Own(Box<Turn>),
    /// In another one.
    Other {
        connection: Box<Connection>,
        is_over: bool,
    },
}

impl Steps {
    /// The next step; `None` after the end. May be dropped at any await point without losing one.
    pub(crate) async fn next(&mut self) -> Option<TurnStep> {
        match self {
            Self::Own(turn) => turn.next().await,
            Self::Other { is_over: true, .. } => None,
            Self::Other {
                connection,
                is_over,
            } => {
                let step = connection.step().await;
                *is_over = matches!(step, TurnStep::End(_));
                Some(step)
            }
        }
    }
}

/// What happens in the host, wherever it runs.
pub enum Events {
    #[doc(hidden)]
    Own(broadcast::Receiver<HostEvent>),
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "opaque to faces")]
    Other(Box<Connection>),
}

impl Events {
    /// The next event; `None` when the host has ended. A listener that falls behind loses the
    /// oldest.
    pub async fn next(&mut self) -> Option<HostEvent> {
        match self {
            Self::Own(events) => loop {
                match events.recv().await {
                    Ok(event) => return Some(event),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            },
            Self::Other(connection) => connection.event().await,
        }
    }
}

fn stranger(version: &str) -> Box<ApiError> {
    Box::new(ApiError::new(
        ApiErrorKind::Failed,
        format!("ValeChat {version} is running for this profile, and this is another version."),
        "End the other one, or use the same version in both.",
    ))
}

fn locked_out(error: &io::Error) -> Box<ApiError> {
    Box::new(ApiError::new(
        ApiErrorKind::Failed,
        format!("The profile cannot be locked: {error}."),
        "Check the rights of the state folder; `valechat doctor` names it.",
    ))
}

fn silent(process: Option<u32>) -> Box<ApiError> {
    let who = process.map_or_else(String::new, |id| format!(" (process {id})"));
    Box::new(ApiError::new(
        ApiErrorKind::Failed,
        format!(
            "Another ValeChat{who} has this profile and does not answer within {} s.",
            PATIENCE.as_secs()
        ),
        "Wait for it to end, or end it.",
    ))
}
