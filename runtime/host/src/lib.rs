//! The actor system: settings in, a [`Host`] handle out. The composition root.
//!
//! `Host::send` → [`Turn`] (the attempt loop) → `ProviderActor` → sandbox call → gate → upstream,
//! and events back. Actors never block and never own a store: an attempt is started by an actor
//! and runs on the engine's threads. Every actor is a [`Child`] in a supervision [`Tree`]; what a
//! failure means is decided in `vale-policy`. What may leave the machine is decided in
//! `vale-egress`, what a plugin asks for and gets in `vale-plugins`, and keys stay in
//! `vale-secrets`; this crate wires them.
//!
//! It must not know terminals, windows or HTTP servers: faces come through `vale-api`.

mod compose;
mod core;
mod host;
mod infer;
mod keys;
mod network;
mod paths;
mod plugins_actor;
mod process;
mod profile;
mod provider;
mod settings;
mod supervise;
mod turn;

pub use crate::core::Core;
pub use host::{Host, HostConfig, StartError};
pub use infer::InferError;
pub use keys::KeyError;
pub use paths::{DEFAULT_MODEL_FILE, NoHome, Paths};
pub use profile::{Profile, ProviderSummary};
pub use provider::{Answer, Backend, Calls};
pub use settings::{
    Fallback, InferenceSettings, KeySettings, KeyStore, NetworkSettings, ProviderSettings,
    Settings, SettingsEdit, SettingsError,
};
pub use supervise::{
    BreakerReport, Child, ChildSpec, ChildState, Command, Escalation, Group, HostEvent, NodeReport,
    RESTART_WAIT, Restart, Stage, Tree, Vitals, VitalsSource,
};
pub use turn::{AttemptNote, AttemptRecord, Loss, RetryNote, SwitchNote, Turn, TurnStep};
pub use vale_billing::catalogue::Override;
pub use vale_egress::DownloadError;
pub use vale_plugins::{
    Entry, EntryError, Grant, HostClass, Installed, Manifest, Origin, PermissionCard,
};
pub use vale_policy::PolicyConfig;
pub use vale_sandbox::Step;
pub use vale_secrets::{Ask, Passphrase, PassphraseUse, Secret, SecretError, Source};
