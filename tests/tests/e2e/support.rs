//! Running the built `valechat` as a person would, in a profile of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What `cargo xtask test` built; a test that needs it fails with what to do.
pub(crate) fn needed(variable: &str) -> PathBuf {
    let value = std::env::var_os(variable);
    value
        .unwrap_or_else(|| panic!("{variable} is not set: run this through `cargo xtask test`"))
        .into()
}

/// A profile in a temporary folder.
pub(crate) struct Profile {
    home: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON lines.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self:?}"))
        };
        self.out.lines().map(parse).collect()
    }

    /// The text of a chat's JSON events, joined.
    pub(crate) fn text(&self) -> String {
        let events = self.events();
        let texts = events.iter().filter(|event| event["type"] == "text");
        texts.filter_map(|event| event["text"].as_str()).collect()
    }

    pub(crate) fn last_event(&self) -> Value {
        self.events()
            .last()
            .cloned()
            .unwrap_or_else(|| panic!("no events: {self:?}"))
    }
}

impl Profile {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.home.path()
    }

    pub(crate) fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.variables.push((variable.to_owned(), value.into()));
    }

    pub(crate) fn configure(&self, toml: &str) {
        std::fs::write(self.home.path().join("config.toml"), toml).unwrap();
    }

    /// A provider `peer` over a local server.
    pub(crate) fn with_peer(base_url: &str) -> Self {
        let profile = Self::new();
        let said = profile.run(&[
            "provider",
            "add",
            "peer",
            "--plugin",
            "openai",
            "--set",
            &format!("base_url={base_url}"),
            "--yes",
        ]);
        assert_eq!(said.code, Some(0), "{said:?}");
        profile
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(needed("VALECHAT_BIN"));
        command
            .args(arguments)
            .env("VALECHAT_HOME", self.home.path())
            .stdin(Stdio::null());
        for name in ["VALECHAT_PLUGINS", "VALECHAT_INFER", "VALECHAT_MODEL"] {
            command.env(name, needed(name));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }

    /// Starts a chat with JSON events and waits for the first text.
    pub(crate) fn chat_until_text(
        &self,
        arguments: &[&str],
    ) -> (Child, impl Iterator<Item = Value> + use<>) {
        let mut all = vec!["chat", "--json"];
        all.extend_from_slice(arguments);
        let mut child = self
            .command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut events = lines
            .map_while(Result::ok)
            .map(|line| serde_json::from_str::<Value>(&line).unwrap());
        assert!(events.any(|event| event["type"] == "text"), "no text came");
        (child, events)
    }
}
