//! A conversation on its way to a model. Mirrors `valechat:types/chat`.

use serde::{Deserialize, Serialize};

use crate::ModelRef;

/// A named JSON value: room for what a contract version has no field for. Round-trips unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// The name.
    pub name: String,
    /// JSON text.
    pub json: String,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions of the application, where the provider tells them apart.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
    /// A role that this version does not know.
    Other(String),
}

/// A handle to bytes that stay in the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// Names the bytes within one call.
    pub id: String,
    /// IANA media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// File name, if any.
    pub name: Option<String>,
}

/// Where an image, a file or a sound is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// In the host.
    Blob(Blob),
    /// At an address that the provider fetches.
    Url(String),
    /// A form that this version does not know.
    Other(Extra),
}

/// A model's wish to run a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Ties the result to the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// A JSON object.
    pub arguments_json: String,
    /// Opaque; travels back unchanged.
    pub signature: Option<String>,
}

/// A piece of a tool's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResultPart {
    /// Text.
    Text(String),
    /// An image.
    Image(Media),
    /// A file.
    File(Media),
    /// A JSON value.
    Json(String),
    /// A form that this version does not know.
    Other(Extra),
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call that this answers.
    pub call_id: String,
    /// The tool.
    pub name: Option<String>,
    /// The result.
    pub content: Vec<ResultPart>,
    /// The tool ran and failed.
    pub is_error: bool,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// A block of a model's thinking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thinking {
    /// The provider's id of the block.
    pub id: Option<String>,
    /// The text, as far as the provider shows it.
    pub text: String,
    /// Opaque; travels back unchanged.
    pub signature: Option<String>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Text.
    Text(String),
    /// An image.
    Image(Media),
    /// A file.
    File(Media),
    /// A sound.
    Audio(Media),
    /// A model's wish to run a tool.
    ToolCall(ToolCall),
    /// A tool's answer.
    ToolResult(ToolResult),
    /// A model's thinking.
    Thinking(Thinking),
    /// Thinking that the provider sealed.
    RedactedThinking(String),
    /// A form that this version does not know.
    Other(Extra),
}

/// A wish that the provider cache the prompt up to here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMark {
    /// No wish.
    #[default]
    None,
    /// About five minutes.
    Short,
    /// About an hour.
    Long,
    /// A wish that this version does not know.
    Other(String),
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// Whether to cache up to here.
    #[serde(default)]
    pub cache: CacheMark,
    /// What this version has no field for.
    #[serde(default)]
    pub extras: Vec<Extra>,
    /// Who made it, for an answer: what is sealed for one provider means nothing to another. Stays
    /// in the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ModelRef>,
}

impl Message {
    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![Part::Text(text.into())],
            cache: CacheMark::None,
            extras: Vec::new(),
            origin: None,
        }
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDef {
    /// The name that the model uses.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// A JSON Schema of type object.
    pub input_schema_json: String,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}

/// Whether the model must call a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// Some tool must be called.
    Any,
    /// None may be called.
    None,
    /// This one must be called.
    Named(String),
    /// A choice that this version does not know.
    Other(String),
}

/// How much the model thinks before it answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThinkingMode {
    /// As the provider does when not asked.
    #[default]
    Default,
    /// Not at all.
    Off,
    /// In the provider's own words.
    Effort(String),
    /// Tokens.
    Budget(u32),
    /// A mode that this version does not know.
    Other(String),
}

/// The form of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// Free text.
    #[default]
    Text,
    /// Some JSON value.
    Json,
    /// JSON under this schema.
    Schema(String),
    /// A form that this version does not know.
    Other(String),
}

/// Everything a provider needs for one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The model, as the provider names it.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Vec<ToolDef>,
    /// Whether it must.
    pub tool_choice: ToolChoice,
    /// Whether several at once are allowed.
    pub parallel_tools: Option<bool>,
    /// Tokens.
    pub max_output_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling seed.
    pub seed: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How much to think.
    pub thinking: ThinkingMode,
    /// The form of the answer.
    pub format: OutputFormat,
    /// Opaque and stable per conversation (prompt-cache routing).
    pub cache_key: Option<String>,
    /// A JSON object valid under the model's options schema.
    pub options_json: Option<String>,
    /// What this version has no field for.
    pub extras: Vec<Extra>,
}
