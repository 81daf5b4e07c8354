//! One shape for every failure that a face shows.

use serde::Serialize;
use vale_host::{DownloadError, KeyError, NoHome, SecretError, SettingsError, StartError};
use vale_plugins::{ManifestError, ShelfError};
use vale_types::{ErrorKind, Failure, IdError, NetworkKind};

/// What a failure is about, as far as a face acts on it (exit codes, which page to open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiErrorKind {
    /// The provider or this machine failed.
    Failed,
    /// What was asked for does not exist or cannot be meant.
    Usage,
    /// Settings or what is installed.
    Settings,
    /// A key is missing, refused, or its store is closed.
    Key,
    /// The network failed, or the gate refused.
    Network,
    /// A plugin failed.
    Plugin,
    /// Somebody cancelled.
    Cancelled,
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiError {
    /// What it is about.
    pub kind: ApiErrorKind,
    /// What happened.
    pub sentence: String,
    /// What to do next.
    pub next_step: String,
    /// Lines that say more, such as the place in a file; empty when there is no more to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// The failure as the plugin, its upstream or the sandbox reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<Failure>>,
}

impl ApiError {
    /// A failure with its two sentences.
    pub fn new(
        kind: ApiErrorKind,
        sentence: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            sentence: sentence.into(),
            next_step: next_step.into(),
            details: Vec::new(),
            failure: None,
        }
    }

    /// The same with lines that say more.
    #[must_use]
    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// `text` holds what happened, then advice; `otherwise` is the advice when it holds none.
    fn of_text(kind: ApiErrorKind, text: &str, otherwise: &str) -> Self {
        let (what, advice) = split_advice(text);
        let advice = advice.map_or_else(|| otherwise.to_owned(), sentence);
        Self::new(kind, sentence(what), advice)
    }

    /// A call's failure. `uses_local_model`: the provider talks to the model that ValeChat runs
    /// itself, so that a dead connection is ours to explain.
    #[must_use]
    pub fn of_failure(failure: Failure, provider: &str, uses_local_model: bool) -> Self {
        let kind = kind_of(&failure);
        let ours = match &failure {
            // The host marks its own refusals this way: nothing was sent.
            Failure::Error(error) if error.http_status.is_none() => match &error.kind {
                ErrorKind::InvalidRequest(Some(what)) if what == "settings" => {
                    Some((ApiErrorKind::Settings, error.message.clone()))
                }
                ErrorKind::InvalidRequest(Some(what)) if what == "keys" => {
                    Some((ApiErrorKind::Key, error.message.clone()))
                }
                ErrorKind::Network(network)
                    if uses_local_model && network.kind == NetworkKind::Connect =>
                {
                    Some((kind, error.message.clone()))
                }
                _ => None,
            },
            _ => None,
        };
        let mut error = match ours {
            Some((kind, text)) => {
                let mut error = Self::of_text(kind, &text, "`valechat doctor` says more.");
                if kind != ApiErrorKind::Network {
                    let (what, _) = split_advice(&text);
                    error.sentence = format!("{provider} cannot be used: {}", stopped(what));
                }
                error
            }
            None => {
                let said = failure.explain(provider);
                Self::new(kind, said.sentence, said.next_step)
            }
        };
        error.failure = Some(Box::new(failure));
        error
    }

    /// Mistakes in values for a plugin's settings.
    pub(crate) fn of_values(error: &ManifestError) -> Self {
        let mut problems = error.problems().iter();
        let first = problems.next();
        let (what, fix) = first.map_or_else(
            || ("The settings have a mistake".to_owned(), String::new()),
            |problem| {
                let key = problem.key.trim_start_matches("settings.");
                (
                    format!("The setting `{key}` {}.", problem.what),
                    problem.fix.clone(),
                )
            },
        );
        Self::new(ApiErrorKind::Usage, what, fix)
            .with_details(problems.map(ToString::to_string).collect())
    }
}

fn kind_of(failure: &Failure) -> ApiErrorKind {
    match failure {
        Failure::Fault(_) => ApiErrorKind::Plugin,
        Failure::Error(error) => match &error.kind {
            ErrorKind::Auth(_) => ApiErrorKind::Key,
            ErrorKind::Network(_) => ApiErrorKind::Network,
            ErrorKind::Cancelled => ApiErrorKind::Cancelled,
            _ => ApiErrorKind::Failed,
        },
    }
}

/// Parts "what happened. What to do" and "what happened; what to do".
fn split_advice(text: &str) -> (&str, Option<&str>) {
    let text = text.trim();
    // ". " before a capital: not inside a file name or an abbreviation.
    let full_stop = text.match_indices(". ").find(|(at, _)| {
        text.get(at + 2..)
            .and_then(|rest| rest.chars().next())
            .is_some_and(char::is_uppercase)
    });
    let parts = match full_stop {
        Some((at, _)) => text.get(..at).zip(text.get(at + 2..)),
        None => text.rsplit_once("; "),
    };
    match parts {
        Some((what, advice)) => (what.trim(), Some(advice.trim())),
        None => (text, None),
    }
}

/// `text` with a full stop.
fn stopped(text: &str) -> String {
    let stop = if text.ends_with(['.', '?', '!', ':']) {
        ""
    } else {
        "."
    };
    format!("{text}{stop}")
}

/// `text` with a capital and a full stop.
fn sentence(text: &str) -> String {
    let text = stopped(text.trim());
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}", chars.as_str())
}

impl From<NoHome> for ApiError {
    fn from(error: NoHome) -> Self {
        Self::of_text(
            ApiErrorKind::Settings,
            &error.to_string(),
            "Set VALECHAT_HOME.",
        )
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        let text = error.to_string();
        let (what, advice) = text
            .split_once(": ")
            .unwrap_or((&text, "choose another one"));
        Self::new(ApiErrorKind::Usage, sentence(what), sentence(advice))
    }
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Invalid { path, problem } => {
                let lines: Vec<String> = problem.lines().map(str::to_owned).collect();
                let at = lines
                    .first()
                    .and_then(|line| line.split_once(" at "))
                    .map_or_else(String::new, |(_, place)| format!(" at {place}"));
                let why = lines.last().map_or("", String::as_str);
                Self::new(
                    ApiErrorKind::Settings,
                    sentence(&format!(
                        "the settings in {} have a mistake{at}: {why}",
                        path.display()
                    )),
                    "Correct the file and run the command again. Nothing was changed.",
                )
                .with_details(lines)
            }
            SettingsError::Provider(text) => {
                Self::of_text(ApiErrorKind::Usage, &text, "See `valechat provider list`.")
            }
            SettingsError::Read { .. } => Self::new(
                ApiErrorKind::Settings,
                sentence(&error.to_string()),
                "Check that the file belongs to you and may be read.",
            ),
            SettingsError::TooLarge { .. } => Self::of_text(
                ApiErrorKind::Settings,
                &error.to_string(),
                "Move the file away.",
            ),
            SettingsError::Write { .. } => Self::new(
                ApiErrorKind::Settings,
                sentence(&error.to_string()),
                "Check that the disk has space and that the folder may be written.",
            ),
        }
    }
}

impl From<ShelfError> for ApiError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::NotThere(_) => Self::new(
                ApiErrorKind::Usage,
                sentence(&error.to_string()),
                "See `valechat plugin list`.",
            ),
            _ => Self::of_text(
                ApiErrorKind::Plugin,
                &error.to_string(),
                "Check the disk and try again.",
            ),
        }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Settings(error) => error.into(),
            StartError::Network(text) => Self::of_text(
                ApiErrorKind::Settings,
                &text,
                "Correct [network] in config.toml.",
            ),
            StartError::Engine(error) => Self::new(
                ApiErrorKind::Failed,
                sentence(&format!("plugins cannot run on this machine: {error}")),
                "`valechat doctor` says more.",
            ),
            StartError::Thread(_) => Self::new(
                ApiErrorKind::Failed,
                sentence(&error.to_string()),
                "Close other programs, or raise the limit of processes, and try again.",
            ),
        }
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        Self::of_text(
            ApiErrorKind::Key,
            &error.to_string(),
            "`valechat doctor` says more.",
        )
    }
}

impl From<DownloadError> for ApiError {
    fn from(error: DownloadError) -> Self {
        let kind = match &error {
            DownloadError::Address(_) | DownloadError::Hash { .. } => ApiErrorKind::Settings,
            DownloadError::Disk { .. } => ApiErrorKind::Failed,
            DownloadError::Http { .. }
            | DownloadError::Status { .. }
            | DownloadError::Redirect { .. } => ApiErrorKind::Network,
        };
        Self::of_text(
            kind,
            &error.to_string(),
            "Check `model` under [inference] in config.toml, then start the chat again.",
        )
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Name(failure) => Self::of_text(
                ApiErrorKind::Usage,
                &failure.to_string(),
                "See `valechat provider list`.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vale_types::{AuthKind, Error, Fault, FaultClass, NetworkFailure};

    #[test]
    fn what_happened_and_what_to_do_are_told_apart() {
        for (text, what, advice) in [
            ("it broke. Try again.", "it broke", Some("Try again.")),
            (
                "reading /a. b failed. Free space.",
                "reading /a. b failed",
                Some("Free space."),
            ),
            (
                "not there; fetch it, or set it",
                "not there",
                Some("fetch it, or set it"),
            ),
            ("simply broken", "simply broken", None),
        ] {
            assert_eq!(split_advice(text), (what, advice), "{text}");
        }
    }

    #[test]
    fn every_kind_of_failure_has_its_kind_and_two_sentences() {
        let network = |kind| {
            ErrorKind::Network(NetworkFailure {
                kind,
                request_sent: false,
            })
        };
        let cases: Vec<(Failure, bool, ApiErrorKind, &str)> = vec![
            (
                Error::new(ErrorKind::Auth(AuthKind::Missing), "x").into(),
                false,
                ApiErrorKind::Key,
                "needs a key",
            ),
            (
                Error::new(network(NetworkKind::Connect), "refused").into(),
                false,
                ApiErrorKind::Network,
                "Nobody answers",
            ),
            (
                Error::new(
                    network(NetworkKind::Connect),
                    "the model file x is not there; fetch it",
                )
                .into(),
                true,
                ApiErrorKind::Network,
                "The model file x is not there.",
            ),
            (
                Error::new(
                    ErrorKind::InvalidRequest(Some("settings".into())),
                    "bad. Mend it.",
                )
                .into(),
                false,
                ApiErrorKind::Settings,
                "lan cannot be used: bad.",
            ),
            (
                Fault::new(FaultClass::Trap, "unreachable").into(),
                false,
                ApiErrorKind::Plugin,
                "crashed",
            ),
            (
                Failure::cancelled(),
                false,
                ApiErrorKind::Cancelled,
                "cancelled",
            ),
            (
                Error::new(ErrorKind::Internal, "").into(),
                false,
                ApiErrorKind::Failed,
                "failed on its side",
            ),
        ];
        for (failure, local, kind, words) in cases {
            let error = ApiError::of_failure(failure, "lan", local);
            assert_eq!(error.kind, kind, "{error:?}");
            assert!(error.sentence.contains(words), "{error:?}");
            assert!(error.next_step.ends_with('.'), "{error:?}");
        }
    }
}
