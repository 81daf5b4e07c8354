//! One provider: its actor, its health, and the sandbox behind it.

mod actor;
mod backend;
mod health;
mod place;
mod plugin;
pub(crate) mod prepare;

pub(crate) use actor::{Attempt, ProviderActor, Ready};
pub(crate) use backend::caught;
pub use backend::{Answer, Backend, Calls};
pub(crate) use health::{Health, Pass};
pub(crate) use place::Place;
pub(crate) use plugin::{PluginBackend, PluginLog};
pub use prepare::tool_owner;
pub(crate) use prepare::{Prepared, Wiring, secret_name};
