//! The sandbox: loads plugin components and runs one call of one plugin in one fresh store.
//!
//! The only crate that names wasmtime. It knows the contract's versions (one module each, today
//! `v0_1`), the limits of a call, and the rules of the contract that hold whatever a guest does.
//! It must not know providers, actors, manifests or policy: what may leave is decided below it,
//! in `vale-egress`, so that no version shim can skip a check.
//!
//! Dropping a [`Call`] cancels it. Nothing a guest does can panic the host: a trap, a limit or a
//! broken rule is a [`vale_types::Fault`].
//!
//! A component is a provider or a tool, never both: a provider keeps nothing between calls, and a
//! tool's state and attachments must not become a way around that.

mod blobs;
mod call;
mod context;
mod cpu;
mod engine;
mod inspect;
mod json;
mod kv;
mod load;
mod protocol;
mod state;
mod tool_call;
mod tool_rules;
mod v0_1;

mod cache;

pub use cache::{CacheError, CodeCache};
pub use call::{Call, Step};
pub use context::{
    Ambient, BlobError, BlobStore, CallContext, CredentialInfo, KvError, KvStore, LogLevel,
    LogSink, Meter, NoBlobs, NoKv, NoLog, SystemAmbient,
};
pub use engine::{Engine, EngineConfig, EngineError};
pub use inspect::{Kind, Shape, inspect};
pub use load::{LoadError, LoadedFrom, Plugin};
