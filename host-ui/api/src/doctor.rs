//! A look at everything that a chat needs, each with what to do when it is not right.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use vale_host::{DEFAULT_MODEL_FILE, Entry, KeyError, Paths, SecretError};
use vale_types::Message;

use crate::answer::ChatEvent;
use crate::api::{Api, blocking};
use crate::chat::ChatRequest;
use crate::error::ApiError;
use crate::folders;

/// Below this the next thing that is written may not fit: a journal, compiled plugins.
const LOW_SPACE_BYTES: u64 = 200 << 20;
/// Size and SHA-256 of the model that ValeChat fetches (facts/providers.md §1).
const DEFAULT_MODEL_BYTES: u64 = 98_362_432;
/// See [`DEFAULT_MODEL_BYTES`].
const DEFAULT_MODEL_SHA256: &str =
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works, or is not needed yet; worth a look.
    Warn,
    /// Does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub status: CheckStatus,
    /// In words.
    pub sentence: String,
    /// What to do about it; none when nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: CheckStatus::Ok,
            sentence: sentence.into(),
            next_step: None,
        }
    }

    fn bad(
        status: CheckStatus,
        name: impl Into<String>,
        sentence: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status,
            sentence: sentence.into(),
            next_step: Some(next_step.into()),
        }
    }

    fn of_error(name: impl Into<String>, error: ApiError) -> Self {
        Self::bad(CheckStatus::Fail, name, error.sentence, error.next_step)
    }
}

/// Looks at everything. Works also when no host can start: it then says why. `each` hears of each
/// check as it is done.
pub async fn doctor(paths: Paths, mut each: impl FnMut(&Check)) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut done = |found: Vec<Check>| {
        for check in found {
            each(&check);
            checks.push(check);
        }
    };
    done(vec![settings_file(&paths)]);
    done(folder_checks(&paths));
    match Api::open(paths, None).await {
        Ok(api) => {
            done(vec![api.check_keys().await, api.check_code_cache().await]);
            done(api.check_plugins().await);
            done(vec![api.check_infer()]);
            done(vec![api.check_model_file().await]);
            done(vec![api.check_answer().await]);
            // Another window may have found this process's host in the meantime.
            api.close().await;
        }
        Err(error) => done(vec![Check::of_error("host", error)]),
    }
    checks
}

fn settings_file(paths: &Paths) -> Check {
    let name = "settings";
    let path = paths.config_file.display();
    match vale_host::Settings::load(&paths.config_file) {
        Err(error) => Check::of_error(name, error.into()),
        Ok(_) if !paths.config_file.exists() => Check::ok(
            name,
            format!("{path} is not there: the defaults are in use."),
        ),
        Ok(settings) => Check::ok(
            name,
            format!("{path}, {} providers of yours.", settings.providers.len()),
        ),
    }
}

fn folder_checks(paths: &Paths) -> Vec<Check> {
    let config = paths.config_file.parent().unwrap_or(Path::new("."));
    let folders = [
        ("settings folder", config),
        ("state folder", &paths.state),
        ("cache folder", &paths.cache),
    ];
    let check = |(name, folder): (&str, &Path)| {
        let path = folder.display();
        if let Err(error) = folders::can_write(folder) {
            return Check::bad(
                CheckStatus::Fail,
                name,
                format!("{path} cannot be written: {error}."),
                "Give yourself the right to write there and make room, or set VALECHAT_HOME to another folder.",
            );
        }
        match folders::free_space(folder) {
            Ok(free) if free < LOW_SPACE_BYTES => Check::bad(
                CheckStatus::Warn,
                name,
                format!("{path} has only {} MiB left.", free >> 20),
                "Make room on that disk.",
            ),
            Ok(free) => Check::ok(
                name,
                format!("{path} can be written, {:.1} GiB free.", gib(free)),
            ),
            Err(error) => Check::bad(
                CheckStatus::Warn,
                name,
                format!("{path} can be written; its free space is unknown: {error}."),
                "Nothing needs to be done.",
            ),
        }
    };
    folders.into_iter().map(check).collect()
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

impl Api {
    async fn check_keys(&self) -> Check {
        let (profile, name) = (self.profile.clone(), "keys");
        let words = format!("Keys are looked for in {}.", self.profile.key_stores());
        // A name that nobody uses: whether the store answers is what counts.
        let answer = blocking(move || Ok(profile.key_source("doctor", "probe", false))).await;
        match answer {
            Ok(Ok(_)) => Check::ok(name, words),
            Ok(Err(KeyError::Store(SecretError::NoPassphrase))) => Check::bad(
                CheckStatus::Warn,
                name,
                format!("{words} The file is locked until somebody gives the passphrase."),
                "In a terminal ValeChat asks for it; elsewhere set VALECHAT_PASSPHRASE_FILE.",
            ),
            Ok(Err(error)) => {
                let error = ApiError::from(error);
                let sentence = format!("{words} {}", error.sentence);
                Check::bad(CheckStatus::Warn, name, sentence, error.next_step)
            }
            Err(error) => Check::of_error(name, error),
        }
    }

    async fn check_code_cache(&self) -> Check {
        let name = "code cache";
        match self.notes().await.first() {
            Some(note) => Check::bad(
                CheckStatus::Warn,
                name,
                format!("Compiled plugins are not kept: {note}."),
                "Everything works, but each start compiles the plugins anew. Check the cache and state folders.",
            ),
            None => Check::ok(
                name,
                format!("{} is in use.", self.paths().code_cache().display()),
            ),
        }
    }

    async fn check_plugins(&self) -> Vec<Check> {
        let registry = self.profile.registry();
        let entries = registry.entries();
        if entries.is_empty() {
            return vec![Check::of_error("plugins", self.nothing_installed())];
        }
        let mut checks = Vec::with_capacity(entries.len());
        for entry in entries {
            checks.push(match entry {
                Entry::Broken { path, error } => Check::bad(
                    CheckStatus::Fail,
                    format!("plugin in {}", path.display()),
                    error.to_string(),
                    "Install the plugin again, or remove its folder.",
                ),
                Entry::Ready(installed) => {
                    let id = &installed.manifest.id;
                    let name = format!("plugin {id}");
                    match self.link.permission_card(id, None).await {
                        Ok(card) => Check::ok(
                            name,
                            format!(
                                "{} {} loads; it uses {} interfaces.",
                                card.name,
                                card.version,
                                card.imports.len()
                            ),
                        ),
                        Err(failure) => {
                            let mut error = ApiError::of_failure(failure, id.as_str(), false);
                            // The usual advice is to come here.
                            error.next_step = "Install the plugin again.".to_owned();
                            Check::of_error(name, error)
                        }
                    }
                }
            });
        }
        checks
    }

    fn check_infer(&self) -> Check {
        let name = "local model program";
        match self.profile.infer_program() {
            None => Check::bad(
                CheckStatus::Fail,
                name,
                "valechat-infer is not installed, so the model on this computer cannot run.",
                "Start ValeChat with `cargo xtask run`, or set VALECHAT_INFER to its folder.",
            ),
            Some(program) => {
                let file = program
                    .file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned())
                    .unwrap_or_default();
                let level = match file.strip_prefix("valechat-infer-") {
                    Some(level) => format!("built for {level}"),
                    None => "built for this machine's level".to_owned(),
                };
                Check::ok(name, format!("{}, {level}.", program.display()))
            }
        }
    }

    async fn check_model_file(&self) -> Check {
        let path = self.profile.model_file();
        let looked = blocking(move || Ok(model_file(&path))).await;
        looked.unwrap_or_else(|error| Check::of_error("model file", error))
    }

    async fn check_answer(&self) -> Check {
        let name = "local model";
        if self.profile.providers().is_empty() {
            return Check::bad(
                CheckStatus::Fail,
                name,
                "There is no plugin that could ask it.",
                "Mend the plugins first.",
            );
        }
        let request = match self.resolve_model(Some("local")).await {
            Ok(model) => ChatRequest {
                model,
                system: None,
                messages: vec![Message::text(vale_types::Role::User, "Hi")],
                max_output_tokens: Some(1),
                temperature: None,
            },
            Err(error) => return Check::of_error(name, error),
        };
        let model = request.model.clone();
        let mut stream = match self.chat(request).await {
            Ok(stream) => stream,
            Err(error) => return Check::of_error(name, error),
        };
        while let Some(event) = stream.next().await {
            match event {
                ChatEvent::Finished { received, .. } => {
                    return Check::ok(
                        name,
                        format!("{model} answers; {:.1} s for one token.", received.seconds),
                    );
                }
                ChatEvent::Failed { error, .. } => return Check::of_error(name, error),
                _ => {}
            }
        }
        Check::bad(
            CheckStatus::Fail,
            name,
            format!("{model} ended its answer without a word."),
            "Try again; if it fails again, please report it.",
        )
    }
}

/// There, whole, and a GGUF file.
fn model_file(path: &PathBuf) -> Check {
    let name = "model file";
    let shown = path.display();
    let fetch = "`cargo xtask run` fetches the usual one; another is named by `model` under [inference] in config.toml, or by VALECHAT_MODEL.";
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => {
            return Check::bad(
                CheckStatus::Fail,
                name,
                format!("{shown} cannot be opened: {error}."),
                fetch,
            );
        }
    };
    let size = file.metadata().map_or(0, |found| found.len());
    let mut magic = [0_u8; 4];
    if file.read_exact(&mut magic).is_err() || &magic != b"GGUF" {
        return Check::bad(
            CheckStatus::Fail,
            name,
            format!("{shown} is not a GGUF model file."),
            fetch,
        );
    }
    if path
        .file_name()
        .is_none_or(|file| file != DEFAULT_MODEL_FILE)
    {
        return Check::ok(name, format!("{shown}, {} MB.", size / 1_000_000));
    }
    let damaged = |what: String| {
        Check::bad(
            CheckStatus::Fail,
            name,
            format!("{shown} is damaged: {what}."),
            "Delete the file; `cargo xtask run` fetches it again.",
        )
    };
    if size != DEFAULT_MODEL_BYTES {
        return damaged(format!(
            "it has {size} bytes, and should have {DEFAULT_MODEL_BYTES}"
        ));
    }
    match sha256(path) {
        Ok(sum) if sum == DEFAULT_MODEL_SHA256 => Check::ok(
            name,
            format!("{shown}, {} MB, checksum right.", size / 1_000_000),
        ),
        Ok(sum) => damaged(format!("its SHA-256 is {sum}")),
        Err(error) => damaged(error.to_string()),
    }
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else {
            break;
        };
        hasher.update(piece);
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_file_is_missing_foreign_damaged_or_fine() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            model_file(&path)
        };
        let missing = model_file(&folder.path().join("none.gguf"));
        assert_eq!(missing.status, CheckStatus::Fail);
        assert!(missing.sentence.contains("cannot be opened"), "{missing:?}");
        let foreign = at("a.gguf", b"<html>");
        assert!(foreign.sentence.contains("not a GGUF"), "{foreign:?}");
        let damaged = at(DEFAULT_MODEL_FILE, b"GGUF....");
        assert!(damaged.sentence.contains("8 bytes"), "{damaged:?}");
        assert_eq!(at("mine.gguf", b"GGUF....").status, CheckStatus::Ok);
    }
}
