//! The actor system: settings in, a [`Host`] handle out. The composition root.
//!
//! `Host::send` → `ProviderActor` → sandbox call → gate → upstream, and events back. Actors
//! never block and never own a store: an attempt is started by an actor and runs on the
//! engine's threads. What may leave the machine is decided in `vale-egress`, what a plugin asks
//! for and gets in `vale-plugins`, and keys stay in `vale-secrets`; this crate wires them.
//!
//! It must not know terminals, windows or HTTP servers: faces come through `vale-api`.

mod host;
mod infer;
mod network;
mod paths;
mod plugins_actor;
mod prepare;
mod provider_actor;
mod settings;
mod supervise;

pub use host::{Host, HostConfig, KeyError, ProviderSummary, StartError};
pub use infer::InferError;
pub use paths::{DEFAULT_MODEL_FILE, NoHome, Paths};
pub use provider_actor::{ProviderStatus, Turn};
pub use settings::{
    InferenceSettings, KeySettings, KeyStore, NetworkSettings, ProviderSettings, Settings,
    SettingsEdit, SettingsError,
};
pub use vale_egress::DownloadError;
pub use vale_plugins::{
    Entry, EntryError, Grant, HostClass, Installed, Manifest, Origin, PermissionCard,
};
pub use vale_sandbox::Step;
pub use vale_secrets::{Ask, Passphrase, PassphraseUse, Secret, SecretError, Source};
