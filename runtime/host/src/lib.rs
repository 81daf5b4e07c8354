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
//!
//! # In a program of your own
//!
//! ```no_run
//! use vale_host::{Host, HostConfig, Paths, TurnStep};
//! use vale_types::{Event, Message, Request, Role};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let paths = Paths::under("my-app".as_ref()).with_plugins("my-app/plugins");
//! let host = Host::start(HostConfig::new(paths))?;
//! let mut request = Request::default();
//! request.messages.push(Message::text(Role::User, "Hello"));
//! let mut turn = host.send(&"openai/gpt-5".parse()?, request)?;
//! while let Some(step) = turn.next().await {
//!     match step {
//!         TurnStep::Events(events) => {
//!             for event in events {
//!                 if let Event::Text(text) = event {
//!                     print!("{text}");
//!                 }
//!             }
//!         }
//!         TurnStep::End(end) => println!("\n{:?}", end?.reason),
//!         // Attempts, repeats, a switch to another provider.
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! `tests/embed` is such a program, with a tool and an actor of its own. The feature `keyring` (on by
//! default) is the operating system's keyring; without it keys come from the environment or from the
//! sealed file. The local model is a process beside it, so nothing of it is linked in.

mod compose;
#[cfg(feature = "conversations")]
mod conversation;
mod core;
mod host;
mod infer;
mod inspect;
mod keys;
mod network;
mod paths;
mod playground;
mod plugins_actor;
mod process;
mod profile;
mod provider;
mod settings;
mod supervise;
mod tool;
mod trial;
mod turn;

pub use crate::core::Core;
#[cfg(feature = "conversations")]
pub use conversation::{
    Answering, ConversationError, Conversations, Found, Handles, NewConversation, Question,
    SearchAnswer, SearchRequest,
};
pub use host::{Host, HostConfig, StartError};
pub use infer::InferError;
pub use inspect::{ComponentShape, inspect_component};
pub use keys::KeyError;
pub use paths::{DEFAULT_MODEL_FILE, NoHome, Paths};
pub use playground::{Playground, PlaygroundConfig, PlaygroundError, Under};
pub use profile::{Profile, ProviderSummary};
pub use provider::{Answer, Backend, Calls, tool_owner};
pub use settings::{
    Fallback, InferenceSettings, KeySettings, KeyStore, NetworkSettings, PluginSettings,
    ProviderSettings, Settings, SettingsEdit, SettingsError,
};
pub use supervise::{
    BreakerReport, Child, ChildSpec, ChildState, Command, Escalation, Group, HostEvent, NodeReport,
    RESTART_WAIT, Restart, Stage, Tree, Vitals, VitalsSource,
};
pub use trial::PluginRolledBack;
pub use turn::{AttemptNote, AttemptRecord, Loss, RetryNote, SwitchNote, Turn, TurnStep};
pub use vale_billing::catalogue::Override;
pub use vale_egress::{DownloadError, Tap, Tapped, TappedHeader};
pub use vale_plugins::{
    Entry, EntryError, Grant, HostClass, Installed, Manifest, Origin, PermissionCard,
};
pub use vale_policy::PolicyConfig;
pub use vale_sandbox::{Call, LoadError, LogLevel, LogSink, Meter, Step};
pub use vale_secrets::{Ask, Passphrase, PassphraseUse, Secret, SecretError, Source};
