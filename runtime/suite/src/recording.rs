//! Recordings: a call, the HTTP that it leads to, and what must come of it.
//!
//! One `.json` each:
//! - `about` (a few words) and `settings` (the person's, a JSON object);
//! - `call`: `{"complete": {model, messages: [{role, text}], tools: [{name, description,
//!   input_schema}]}}`, `{"list-models": {}}` or `{"invoke": {tool, arguments}}`;
//! - `http`: the exchanges in their order, `{request: {method, url}, response: {status, headers:
//!   [[name, value]], body | body_file, truncated}}`. `body_file` names a file beside it; `truncated`:
//!   the connection breaks where the body ends;
//! - `expect`: what must be heard; what it does not name may be anything. Of a completion `text`,
//!   `thinking`, `tool_calls`, `finish`, `usage`, `error`, `retry_after_ms`; of a list `models`; of
//!   a tool `is_error`, `text`, `json`, `error`. `contains` is a part of the text.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};
use vale_types::{Message, Request, Role, ToolCall, ToolDef};

/// Most files in a folder of recordings.
pub const MAX_FILES: usize = 1_000;
/// Largest file of a recording, bytes.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// Why a folder of recordings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingsError {
    /// The disk says no.
    #[error("The recordings in {folder} cannot be read: {error}.")]
    Io {
        /// The folder.
        folder: String,
        /// Why.
        error: std::io::Error,
    },
    /// More than anybody records by hand.
    #[error("{0} holds more than {MAX_FILES} files.")]
    TooMany(String),
}

/// A folder of recordings: every file of it, by name.
#[derive(Debug, Clone, Default)]
pub struct Recordings {
    files: BTreeMap<String, Bytes>,
    /// Files that are there and cannot be used, and why.
    unread: Vec<(String, String)>,
}

impl Recordings {
    /// No recordings.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads a folder, without the folders in it.
    ///
    /// # Errors
    /// When the folder cannot be listed. A file that cannot be read is a failed check later.
    pub fn read(folder: &Path) -> Result<Self, RecordingsError> {
        let failed = |error| RecordingsError::Io {
            folder: folder.display().to_string(),
            error,
        };
        let mut found = Self::default();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let Ok(about) = std::fs::metadata(&path) else {
                continue;
            };
            if !about.is_file() {
                continue;
            }
            if found.files.len() >= MAX_FILES {
                return Err(RecordingsError::TooMany(folder.display().to_string()));
            }
            if about.len() > MAX_FILE_BYTES {
                let most = MAX_FILE_BYTES >> 20;
                found.skip(name, format!("it is larger than {most} MiB"));
                continue;
            }
            match std::fs::read(&path) {
                Ok(bytes) => found.insert(name, bytes),
                Err(error) => found.skip(name, error.to_string()),
            }
        }
        Ok(found)
    }

    /// Puts a file in, in the place of one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, bytes: impl Into<Bytes>) {
        self.files.insert(name.into(), bytes.into());
    }

    fn skip(&mut self, name: &str, why: String) {
        self.unread.push((name.to_owned(), why));
    }

    /// Every recording, and the names of those that are none, with the reason.
    pub(crate) fn parse(&self) -> (Vec<Recording>, Vec<(String, String)>) {
        let (mut good, mut bad) = (Vec::new(), self.unread.clone());
        for (file, bytes) in &self.files {
            let Some(name) = file.strip_suffix(".json") else {
                continue;
            };
            match self.one(name, bytes) {
                Ok(recording) => good.push(recording),
                Err(why) => bad.push((file.clone(), why)),
            }
        }
        (good, bad)
    }

    fn one(&self, name: &str, bytes: &[u8]) -> Result<Recording, String> {
        let read: Read = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if !read.expect.is_object() {
            return Err("it has no `expect`, so nothing could fail".to_owned());
        }
        let http = read
            .http
            .into_iter()
            .map(|exchange| self.exchange(exchange));
        Ok(Recording {
            name: name.to_owned(),
            about: read.about,
            settings: read.settings,
            call: read.call.into(),
            http: http.collect::<Result<_, _>>()?,
            expect: read.expect,
        })
    }

    fn exchange(&self, read: ReadExchange) -> Result<Exchange, String> {
        let response = read.response;
        let body = match (response.body_file, response.body) {
            (Some(_), Some(_)) => return Err("a response has `body` and `body_file`".to_owned()),
            (None, body) => body.unwrap_or_default().into(),
            (Some(file), None) => {
                if !is_plain(&file) {
                    return Err(format!("{file} is not the name of a file beside it"));
                }
                let found = self.files.get(&file).cloned();
                found.ok_or_else(|| format!("{file} is not there"))?
            }
        };
        if !(100..=999).contains(&response.status) {
            return Err(format!("{} is no status", response.status));
        }
        Ok(Exchange {
            method: read.request.method,
            url: read.request.url,
            response: Response {
                status: response.status,
                headers: response.headers,
                body,
            },
            is_truncated: response.truncated,
        })
    }
}

fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(_)), None)
    )
}

/// One recording.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    /// The file's name without its ending.
    pub(crate) name: String,
    pub(crate) about: Option<String>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) call: Call,
    pub(crate) http: Vec<Exchange>,
    pub(crate) expect: Value,
}

impl Recording {
    /// The name, and in a few words what it is.
    pub(crate) fn title(&self) -> String {
        match &self.about {
            Some(about) => format!("{}: {about}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What is asked of the plugin.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Complete(Box<Request>),
    ListModels,
    Invoke(ToolCall),
}

/// A request that the plugin must make, and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) response: Response,
    /// The connection broke where the body ends.
    pub(crate) is_truncated: bool,
}

/// An answer of a server.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Read {
    about: Option<String>,
    #[serde(default)]
    settings: Map<String, Value>,
    call: ReadCall,
    #[serde(default)]
    http: Vec<ReadExchange>,
    #[serde(default)]
    expect: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ReadCall {
    Complete(ReadComplete),
    ListModels(serde::de::IgnoredAny),
    Invoke(ReadInvoke),
}

/// What is not read would not be tested, so it is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadComplete {
    model: String,
    messages: Vec<ReadMessage>,
    #[serde(default)]
    tools: Vec<ReadTool>,
    max_output_tokens: Option<u32>,
    temperature: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadMessage {
    role: Role,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadTool {
    name: String,
    #[serde(default)]
    description: String,
    input_schema: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadInvoke {
    tool: String,
    #[serde(default)]
    arguments: Map<String, Value>,
}

#[derive(Deserialize)]
struct ReadExchange {
    request: ReadRequest,
    response: ReadResponse,
}

#[derive(Deserialize)]
struct ReadRequest {
    method: String,
    url: String,
}

#[derive(Deserialize)]
struct ReadResponse {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_file: Option<String>,
    #[serde(default)]
    truncated: bool,
}

impl From<ReadCall> for Call {
    fn from(call: ReadCall) -> Self {
        match call {
            ReadCall::ListModels(_) => Self::ListModels,
            ReadCall::Invoke(read) => Self::Invoke(tool_call(
                read.tool,
                Value::Object(read.arguments).to_string(),
            )),
            ReadCall::Complete(read) => {
                let messages = read.messages.into_iter();
                let tools = read.tools.into_iter().map(|tool| ToolDef {
                    name: tool.name,
                    description: tool.description,
                    input_schema_json: tool.input_schema.to_string(),
                    extras: Vec::new(),
                });
                Self::Complete(Box::new(Request {
                    model: read.model,
                    messages: messages
                        .map(|message| Message::text(message.role, message.text))
                        .collect(),
                    tools: tools.collect(),
                    max_output_tokens: read.max_output_tokens,
                    temperature: read.temperature,
                    ..Request::default()
                }))
            }
        }
    }
}

/// A call of a tool, as a model would make it.
pub(crate) fn tool_call(name: impl Into<String>, arguments_json: impl Into<String>) -> ToolCall {
    ToolCall {
        id: "call-1".to_owned(),
        name: name.into(),
        arguments_json: arguments_json.into(),
        signature: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(files: &[(&str, &str)]) -> (Vec<Recording>, Vec<(String, String)>) {
        let mut recordings = Recordings::none();
        for (name, text) in files {
            recordings.insert(*name, text.as_bytes().to_vec());
        }
        recordings.parse()
    }

    const CALL: &str =
        r#""call":{"complete":{"model":"m","messages":[{"role":"user","text":"x"}]}}"#;

    #[test]
    fn what_cannot_be_used_is_said_and_the_rest_is_kept() {
        let http = |file: &str| {
            format!(
                r#"{{{CALL},"http":[{{"request":{{"method":"GET","url":"u"}},"response":{{"status":200,"body_file":"{file}"}}}}],"expect":{{}}}}"#
            )
        };
        let files = [
            ("a.sse", "data: x"),
            ("good.json", &http("a.sse")),
            ("gone.json", &http("b.sse")),
            ("out.json", &http("../a.sse")),
            ("blind.json", &format!("{{{CALL}}}")),
            ("odd.json", "{"),
            (
                "more.json",
                r#"{"call":{"complete":{"model":"m","messages":[],"stop":["x"]}},"expect":{}}"#,
            ),
        ];
        let (good, bad) = parsed(&files);
        let names: Vec<_> = good.iter().map(|recording| &recording.name).collect();
        assert_eq!(names, ["good"]);
        assert_eq!(good[0].http[0].response.body, "data: x");
        let why = |name: &str| &bad.iter().find(|(found, _)| found == name).unwrap().1;
        assert_eq!(bad.len(), 5, "{bad:?}");
        assert!(why("gone.json").contains("not there"));
        assert!(why("out.json").contains("beside"));
        assert!(why("blind.json").contains("expect"));
        assert!(why("more.json").contains("stop"));
    }
}
