//! The sandbox: loads plugin components and runs one call of one plugin in one fresh store.
//!
//! The only crate that names wasmtime. It knows the contract's versions (one module each, today
//! `v0_1`), the limits of a call, and the rules of the contract that hold whatever a guest does.
//! It must not know providers, actors, manifests or policy: what may leave is decided below it,
//! in `vale-egress`, so that no version shim can skip a check.
//!
//! Dropping a [`Call`] cancels it. Nothing a guest does can panic the host: a trap, a limit or a
//! broken rule is a [`vale_types::Fault`].

mod call;
mod context;
mod cpu;
mod engine;
mod load;
mod protocol;
mod state;
mod v0_1;

mod cache;

pub use cache::{CacheError, CodeCache};
pub use call::{Call, Step};
pub use context::{
    Ambient, CallContext, CredentialInfo, LogLevel, LogSink, Meter, NoLog, SystemAmbient,
};
pub use engine::{Engine, EngineConfig, EngineError};
pub use load::{LoadError, LoadedFrom, Plugin};
