//! The contract's types under short names, and the constructors that its records lack.

pub use crate::bindings::valechat::host::config::CredentialInfo;
pub use crate::bindings::valechat::host::http::{
    BodyPart, Error as HttpError, Kind as HttpErrorKind, Method, Request as HttpRequest,
};
pub use crate::bindings::valechat::types::chat::{
    Blob, CacheMark, Media, Message, OutputFormat, Part, Request, ResultPart, Role, Thinking,
    ThinkingMode, ToolCall, ToolChoice, ToolDef, ToolResult,
};
pub use crate::bindings::valechat::types::common::{Extra, Money};
pub use crate::bindings::valechat::types::errors::{
    AuthKind, ContextLimit, Error, ErrorKind, LimitScope, NetworkFailure, NetworkKind, RateLimit,
};
pub use crate::bindings::valechat::types::models::{Capabilities, Model, Price, ProviderInfo};
pub use crate::bindings::valechat::types::stream_types::{
    CallDelta, CallEnd, CallStart, Event, Finish, FinishReason, Started, ThinkingEnd, Usage,
};

impl Extra {
    /// A named value. `json` must be JSON text.
    pub fn new(name: impl Into<String>, json: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            json: json.into(),
        }
    }
}

impl ProviderInfo {
    /// A provider with this name for people, and nothing else said.
    pub fn named(display_name: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            homepage: None,
            extras: Vec::new(),
        }
    }
}

impl Model {
    /// A model of which only the id is known.
    pub fn named(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            display_name: None,
            capabilities: None,
            context_window: None,
            max_output: None,
            prices: Vec::new(),
            options_schema: None,
            deprecated_on: None,
            loaded: None,
            extras: Vec::new(),
        }
    }
}

impl Request {
    /// A request with everything left to the model's defaults.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            model: model.into(),
            messages,
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            parallel_tools: None,
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            seed: None,
            stop: Vec::new(),
            thinking: ThinkingMode::Default,
            format: OutputFormat::Text,
            cache_key: None,
            options_json: None,
            extras: Vec::new(),
        }
    }
}

impl Message {
    /// A message of these parts.
    pub fn new(role: Role, parts: Vec<Part>) -> Self {
        Self {
            role,
            parts,
            cache: CacheMark::None,
            extras: Vec::new(),
        }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::Text(text.into())])
    }
}

impl Finish {
    /// An answer that ended for this reason, and nothing else said.
    pub fn new(reason: FinishReason) -> Self {
        Self {
            reason,
            usage: None,
            response_id: None,
            model: None,
            extras: Vec::new(),
        }
    }
}
