//! `plugin record`: what was seen of a call becomes a recording that `plugin test` replays.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use vale_suite::{
    Asked, DraftError, Options, Recorder, RecorderError, RecordingDraft, Recordings, Section,
    Verdict,
};
use vale_types::{FaultClass, PluginId};

use crate::api::blocking;
use crate::error::{ApiError, ApiErrorKind};
use crate::play_run::{Play, PlayCall};

/// Where a recording goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The folder; it is made when it is not there.
    pub into: PathBuf,
    /// The recording's name.
    pub name: String,
    /// In a few words what it is.
    pub about: Option<String>,
    /// One of that name is replaced.
    pub force: bool,
}

/// A recording that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Its files, the recording itself last.
    pub files: Vec<PathBuf>,
    /// Bytes of them all.
    pub bytes: u64,
    /// Requests that the call made.
    pub exchanges: usize,
    /// What a replay does otherwise, sentences; nothing = `plugin test` passes with it.
    pub differences: Vec<String>,
}

/// Says no when a recording of this name would be written over.
///
/// # Errors
/// When there is one already, or the name makes no names of files.
pub async fn check_recording_free(recording: &Recording) -> Result<(), ApiError> {
    let recording = recording.clone();
    blocking(move || {
        let free = RecordingDraft::check_free(&recording.into, &recording.name);
        match free {
            Err(DraftError::IsThere(_)) if recording.force => Ok(()),
            free => free.map_err(|error| refused(&error)),
        }
    })
    .await
}

impl Play {
    /// From now on every exchange is taken down, until the recording is saved.
    pub fn begin_recording(&mut self) {
        let credentials = self.manifest.credentials.iter();
        let recorder = Recorder::new(credentials.map(|credential| credential.header.as_str()));
        let recorder = Arc::new(recorder);
        self.watcher.record(Some(Arc::clone(&recorder)));
        self.recorder = Some(recorder);
    }

    /// Writes what the last call, which was this one, came to; then replays it, to say what a replay does
    /// otherwise. Nothing is written when a file would hold a key.
    ///
    /// # Errors
    /// When the call broke the plugin or no answer came that can be played again, when a key would be
    /// written, when one of that name is there, or when the disk says no.
    pub async fn save_recording(
        &mut self,
        call: &PlayCall,
        recording: &Recording,
    ) -> Result<Recorded, ApiError> {
        let (recorder, heard) = (self.recorder.take(), self.last.take());
        self.watcher.record(None);
        let (Some(recorder), Some(heard)) = (recorder, heard) else {
            return Err(not_recorded("no call came to an end".to_owned()));
        };
        if let Some((class, error)) = heard.fault {
            return Err(broke(class, error));
        }
        let http = recorder.taken().map_err(|error| no_answer(&error))?;
        let exchanges = http.len();
        let draft = RecordingDraft {
            name: recording.name.clone(),
            about: recording.about.clone(),
            settings: self.settings.clone(),
            asked: asked(call, &self.id)?,
            http,
            expect: heard.expect,
        };
        let (playground, to) = (Arc::clone(&self.playground), recording.clone());
        let written = blocking(move || {
            let key_in = |bytes: &[u8]| playground.key_in(bytes).map(str::to_owned);
            let written = draft.write(&to.into, to.force, &key_in);
            let written = written.map_err(|error| refused(&error))?;
            let all = draft.recordings(&key_in).map_err(|error| refused(&error))?;
            Ok((written, all))
        });
        let (written, all) = written.await?;
        Ok(Recorded {
            files: written.files,
            bytes: written.bytes,
            exchanges,
            differences: replayed(&self.file, &all, &recording.name).await?,
        })
    }
}

/// What the suite says of the recording.
async fn replayed(
    file: &[u8],
    recordings: &Recordings,
    name: &str,
) -> Result<Vec<String>, ApiError> {
    let options = Options {
        only: Some(Section::Conformance),
        ..Options::default()
    };
    let report = vale_suite::run(file, recordings, &options).await;
    let report = report.map_err(|error| {
        ApiError::new(
            ApiErrorKind::Failed,
            format!("It is recorded and could not be replayed: {error}"),
            "Replay it with `valechat plugin test`.",
        )
    })?;
    let failed = report
        .checks
        .into_iter()
        .filter(|check| check.verdict == Verdict::Failed && is_of(&check.name, name));
    let words = failed.map(|check| {
        format!(
            "{}: expected {}, got {}",
            check.name,
            check.expected.unwrap_or_default(),
            check.got.unwrap_or_default()
        )
    });
    Ok(words.collect())
}

/// Checks are named after their recording, with what it is or what was tried of it.
fn is_of(check: &str, recording: &str) -> bool {
    let rest = check.strip_prefix(recording);
    rest.is_some_and(|rest| rest.is_empty() || rest == ".json" || rest.starts_with(": "))
}

fn asked(call: &PlayCall, id: &PluginId) -> Result<Asked, ApiError> {
    Ok(match call {
        PlayCall::Complete { model, messages } => {
            let [only] = messages.as_slice() else {
                return Err(not_recorded(
                    "a recording has one message, and this call had several".to_owned(),
                ));
            };
            let [vale_types::Part::Text(message)] = only.parts.as_slice() else {
                return Err(not_recorded("the message is more than text".to_owned()));
            };
            Asked::Complete {
                model: model.clone(),
                message: message.clone(),
            }
        }
        PlayCall::ListModels => Asked::ListModels,
        PlayCall::Invoke { tool, arguments } => Asked::Invoke {
            tool: tool.clone(),
            arguments: arguments.clone(),
        },
        PlayCall::ListTools => {
            return Err(not_recorded(format!(
                "the tools of {id} are asked for in every test, and need no recording"
            )));
        }
    })
}

fn not_recorded(why: String) -> ApiError {
    ApiError::new(
        ApiErrorKind::Usage,
        format!("Nothing was recorded: {why}."),
        "Record one call of a tool, one message, or --list-models.",
    )
}

fn broke(class: FaultClass, error: ApiError) -> ApiError {
    let next = if class == FaultClass::SecretLeak {
        "The server sends the key back; a recording must not hold one. Nothing was written."
    } else {
        "Mend the plugin first: a recording says what must come of an answer. Nothing was written."
    };
    ApiError::new(
        error.kind,
        format!("Nothing was recorded. {}", error.sentence),
        next,
    )
}

fn no_answer(error: &RecorderError) -> ApiError {
    ApiError::new(
        ApiErrorKind::Network,
        format!("Nothing was recorded: {error}"),
        "Look at the exchange with `valechat plugin run`, and record it again.",
    )
}

fn refused(error: &DraftError) -> ApiError {
    let (kind, next) = match error {
        DraftError::Name(_) => (ApiErrorKind::Usage, "Choose another name with --name."),
        DraftError::IsThere(_) => (
            ApiErrorKind::Usage,
            "Choose another name with --name, or replace it with --force.",
        ),
        DraftError::HoldsKey { .. } => (
            ApiErrorKind::Key,
            "Nothing was written. Record an answer that does not send the key back, and keep keys out of settings and addresses.",
        ),
        DraftError::Io { .. } => (
            ApiErrorKind::Failed,
            "Check the disk, or choose another folder with --into.",
        ),
    };
    ApiError::new(kind, format!("Nothing was recorded: {error}."), next)
}
