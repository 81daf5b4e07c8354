//! Writing a recording: the call, what was seen at the gate, and what was heard of it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value, json};
use vale_types::{Event, Failure, Finish, Message, Model, Request, ToolCall, ToolResult};

use crate::heard;
use crate::recorder::TakenExchange;
use crate::recording::{Recordings, tool_call};

/// Longest name of a recording, bytes: every file system has room for it and an ending.
const MAX_NAME: usize = 100;

/// A call that a recording can repeat.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// A completion of one message.
    Complete {
        /// The model.
        model: String,
        /// What the person says.
        message: String,
    },
    /// The list of models.
    ListModels,
    /// A call of a tool.
    Invoke {
        /// The tool.
        tool: String,
        /// Its arguments.
        arguments: Map<String, Value>,
    },
}

impl Asked {
    /// The request of a completion, as a replay makes it.
    #[must_use]
    pub fn request(model: String, messages: Vec<Message>) -> Request {
        Request {
            model,
            messages,
            ..Request::default()
        }
    }

    /// The call of a tool, as a replay makes it.
    #[must_use]
    pub fn tool_call(tool: &str, arguments: &Map<String, Value>) -> ToolCall {
        tool_call(tool, Value::Object(arguments.clone()).to_string())
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Complete { model, message } => json!({
                "complete": {"model": model, "messages": [{"role": "user", "text": message}]}
            }),
            Self::ListModels => json!({"list-models": {}}),
            Self::Invoke { tool, arguments } => {
                json!({"invoke": {"tool": tool, "arguments": arguments}})
            }
        }
    }
}

/// Why a recording was not written.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The name makes no file names.
    #[error(
        "“{0}” is no name for a recording; use up to {MAX_NAME} letters, digits, dots, dashes and underscores, beginning with a letter or digit"
    )]
    Name(String),
    /// There is one of that name.
    #[error("{} is there already", .0.display())]
    IsThere(PathBuf),
    /// A file of it would hold a key.
    #[error("{file} would hold the key “{credential}”")]
    HoldsKey {
        /// The file.
        file: String,
        /// The credential.
        credential: String,
    },
    /// The disk says no.
    #[error("{} cannot be written: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The files, the recording itself last.
    pub files: Vec<PathBuf>,
    /// Bytes of them all.
    pub bytes: u64,
}

/// Everything of a recording that nothing was written of yet.
#[derive(Debug, Clone)]
pub struct RecordingDraft {
    /// Its name, as [`is_recording_name`] allows.
    pub name: String,
    /// In a few words what it is.
    pub about: Option<String>,
    /// The person's settings.
    pub settings: Map<String, Value>,
    /// The call.
    pub asked: Asked,
    /// What was seen at the gate.
    pub http: Vec<TakenExchange>,
    /// What must be heard.
    pub expect: Value,
}

/// The file, in the order in which people read it.
#[derive(Serialize)]
struct Text<'d> {
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<&'d str>,
    settings: &'d Map<String, Value>,
    call: Value,
    http: Vec<HttpText<'d>>,
    expect: &'d Value,
}

#[derive(Serialize)]
struct HttpText<'d> {
    request: RequestText<'d>,
    response: ResponseText<'d>,
}

#[derive(Serialize)]
struct RequestText<'d> {
    method: &'d str,
    url: &'d str,
}

#[derive(Serialize)]
struct ResponseText<'d> {
    status: u16,
    headers: &'d [(String, String)],
    #[serde(skip_serializing_if = "Option::is_none")]
    body_file: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// Whether a recording may have this name: it becomes names of files beside each other.
#[must_use]
pub fn is_recording_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_fine)
        // "a.json.json" would be a recording, and "a.json" another one's.
        && !name.ends_with(".json")
        && !name.ends_with('.')
}

impl RecordingDraft {
    /// What must be heard of a completion.
    #[must_use]
    pub fn heard(events: &[Event], end: &Result<Finish, Failure>) -> Value {
        tidy(heard::completion(events, end))
    }

    /// What must be heard of a list of models.
    #[must_use]
    pub fn heard_models(listed: &Result<Vec<Model>, Failure>) -> Value {
        tidy(heard::models(listed))
    }

    /// What must be heard of a tool.
    #[must_use]
    pub fn heard_answer(answer: &Result<ToolResult, Failure>) -> Value {
        tidy(heard::tool_answer(answer))
    }

    /// Its files by name, the recording itself last. `key_in` says which credential's value some bytes
    /// hold.
    ///
    /// # Errors
    /// When the name makes no file names, or a file would hold a key.
    pub fn files(
        &self,
        key_in: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<(String, Vec<u8>)>, DraftError> {
        if !is_recording_name(&self.name) {
            return Err(DraftError::Name(self.name.clone()));
        }
        let recording = format!("{}.json", self.name);
        let mut files = Vec::new();
        let mut http = Vec::with_capacity(self.http.len());
        for (index, exchange) in self.http.iter().enumerate() {
            let file = (!exchange.body.is_empty()).then(|| body_file(&self.name, index));
            if let Some(file) = &file {
                files.push((file.clone(), exchange.body.to_vec()));
            }
            http.push(HttpText {
                request: RequestText {
                    method: &exchange.method,
                    url: &exchange.url,
                },
                response: ResponseText {
                    status: exchange.status,
                    headers: &exchange.headers,
                    body_file: file,
                    truncated: exchange.truncated,
                },
            });
        }
        let whole = Text {
            about: self.about.as_deref(),
            settings: &self.settings,
            call: self.asked.to_json(),
            http,
            expect: &self.expect,
        };
        let mut text = serde_json::to_vec_pretty(&whole).map_err(|error| DraftError::Io {
            path: recording.clone().into(),
            error: error.into(),
        })?;
        text.push(b'\n');
        files.push((recording, text));
        for (file, bytes) in &files {
            if let Some(credential) = key_in(bytes) {
                let file = file.clone();
                return Err(DraftError::HoldsKey { file, credential });
            }
        }
        Ok(files)
    }

    /// Writes it. With `force` it takes the place of one of the same name.
    ///
    /// # Errors
    /// [`DraftError`]; nothing is written when a file would hold a key, or when there is a recording of
    /// that name. Blocks.
    pub fn write(
        &self,
        folder: &Path,
        force: bool,
        key_in: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Written, DraftError> {
        let files = self.files(key_in)?;
        if !force {
            Self::check_free(folder, &self.name)?;
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| DraftError::Io { path, error }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        if force {
            remove_bodies(folder, &self.name).map_err(failed(folder))?;
        }
        let mut written = Written {
            files: Vec::with_capacity(files.len()),
            bytes: 0,
        };
        // The recording last: one that is there has all its bodies.
        for (name, bytes) in files {
            let path = folder.join(name);
            let mut aside = new_file(folder).map_err(failed(&path))?;
            aside.write_all(&bytes).map_err(failed(&path))?;
            let kept = if force {
                aside.persist(&path)
            } else {
                aside.persist_noclobber(&path)
            };
            kept.map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => DraftError::IsThere(path.clone()),
                _ => failed(&path)(error.error),
            })?;
            written.bytes += bytes.len() as u64;
            written.files.push(path);
        }
        Ok(written)
    }

    /// Says no when there is a recording of this name, or a body of one.
    ///
    /// # Errors
    /// [`DraftError::Name`], [`DraftError::IsThere`].
    pub fn check_free(folder: &Path, name: &str) -> Result<(), DraftError> {
        if !is_recording_name(name) {
            return Err(DraftError::Name(name.to_owned()));
        }
        for file in [format!("{name}.json"), body_file(name, 0)] {
            let path = folder.join(file);
            if path.symlink_metadata().is_ok() {
                return Err(DraftError::IsThere(path));
            }
        }
        Ok(())
    }

    /// It alone, as the suite reads it.
    ///
    /// # Errors
    /// As [`files`](Self::files).
    pub fn recordings(
        &self,
        key_in: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Recordings, DraftError> {
        let mut all = Recordings::none();
        for (name, bytes) in self.files(key_in)? {
            all.insert(name, bytes);
        }
        Ok(all)
    }
}

/// For everybody whom the umask lets read it: recordings are shared with the source.
fn new_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Never ends in `.json`: that would be a recording.
fn body_file(name: &str, index: usize) -> String {
    match index {
        0 => format!("{name}.body"),
        more => format!("{name}.body.{}", more + 1),
    }
}

/// An older recording of the name may have had more bodies.
fn remove_bodies(folder: &Path, name: &str) -> io::Result<()> {
    let first = body_file(name, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(file) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        let number = file.strip_prefix(&format!("{first}."));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if file == first || number.is_some_and(is_number) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Without what was not heard: a recording does not speak of it.
fn tidy(mut heard: Value) -> Value {
    if let Some(fields) = heard.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        for value in fields.values_mut() {
            if let Some(inner) = value.as_object_mut() {
                inner.retain(|_, value| !value.is_null());
            }
        }
    }
    heard
}

#[cfg(test)]
mod tests;
