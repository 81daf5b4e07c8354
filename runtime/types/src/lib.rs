//! ValeChat's domain model: what every crate means by a message, an event, an error, a limit.
//!
//! Plain values only. This crate does no I/O, knows no async, no actor, no WIT and no HTTP
//! client; it mirrors the plugin contract in `wit/types` one to one, so that contract versions
//! are converted in `vale-sandbox` and nowhere else.

mod chat;
mod collect;
mod error;
mod event;
mod explain;
mod fault;
mod ids;
mod limits;
mod model;
mod tool;

pub use chat::{
    Blob, CacheMark, Extra, Media, Message, OutputFormat, Part, Request, ResultPart, Role,
    Thinking, ThinkingMode, ToolCall, ToolChoice, ToolDef, ToolResult,
};
pub use collect::Collector;
pub use error::{
    AuthKind, ContextLimit, Error, ErrorKind, Failure, LimitScope, NetworkFailure, NetworkKind,
    RateLimit,
};
pub use event::{
    CallDelta, CallEnd, CallStart, Event, Finish, FinishReason, Money, Started, ThinkingEnd, Usage,
};
pub use explain::Explanation;
pub use fault::{Fault, FaultClass};
pub use ids::{CallId, IdError, ModelRef, PluginId, ProviderId};
pub use limits::Limits;
pub use model::{Capabilities, Model, Price, ProviderInfo};
pub use tool::{ToolHints, ToolInfo};
