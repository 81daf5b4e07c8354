//! Child processes: a clean environment, output passed on as it comes, and a failure that names the command.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// A command without what `cargo run` put into our own environment.
///
/// `CARGO_PKG_*` and the like describe xtask, not the child, and a changed one makes cargo rebuild crates.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        let of_xtask = name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST_")
            || [
                "CARGO_PRIMARY_PACKAGE",
                "CARGO_BIN_NAME",
                "CARGO_CRATE_NAME",
                "OUT_DIR",
            ]
            .contains(&&*name);
        if of_xtask {
            command.env_remove(&key);
        }
    }
    command
}

/// Runs to the end with output passed through; no standard input, so that nothing can wait for an answer.
///
/// # Errors
/// When the command cannot start or ends with another status than 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(command))?;
    check(command, status)
}

/// Runs to the end and returns standard output; standard error is passed through.
///
/// # Errors
/// When the command cannot start, fails, or writes something other than UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| cannot_start(command))?;
    check(command, output.status)?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} wrote something that is not text", shown(command)))
}

/// Whether the command starts and succeeds; it is silent.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs to the end; standard output goes to `out` at once and, line by line, to `on_line`.
///
/// # Errors
/// When the command cannot start or its output cannot be read. A failing status is returned, not an error.
pub(crate) fn tee(
    command: &mut Command,
    out: &mut dyn Write,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let mut lines = Lines::default();
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = output
                .read(&mut buffer)
                .context("the output of a child process could not be read")?;
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            // A closed terminal must not end the chore half-way: the child's status still counts.
            let _ = out.write_all(bytes).and_then(|()| out.flush());
            lines.push(bytes, &mut on_line);
        }
        lines.finish(&mut on_line);
    }
    child
        .wait()
        .context("a child process could not be waited for")
}

/// Cuts a byte stream into lines, whatever the reads are.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], on_line: &mut impl FnMut(&str)) {
        for byte in bytes {
            if *byte == b'\n' {
                self.finish(on_line);
            } else {
                self.rest.push(*byte);
            }
        }
    }

    fn finish(&mut self, on_line: &mut impl FnMut(&str)) {
        if !self.rest.is_empty() {
            on_line(String::from_utf8_lossy(&self.rest).trim_end_matches('\r'));
            self.rest.clear();
        }
    }
}

/// A file that cargo built, as its JSON messages tell it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// The target: a binary's, example's or library's name.
    pub(crate) target: String,
    /// Cargo's opaque id of the package.
    pub(crate) package_id: String,
    /// The program, where the target is one.
    pub(crate) executable: Option<PathBuf>,
    /// Every file of the target.
    pub(crate) files: Vec<PathBuf>,
    /// Whether it was built as a test harness.
    pub(crate) test: bool,
}

/// Runs a `cargo build` and returns what it built; cargo's own progress and errors are passed through.
///
/// # Errors
/// When the build fails.
pub(crate) fn build(command: &mut Command) -> Result<Vec<Artifact>> {
    let messages = read(command.arg("--message-format=json-render-diagnostics"))?;
    Ok(messages.lines().filter_map(parse_artifact).collect())
}

fn parse_artifact(line: &str) -> Option<Artifact> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message.get("reason")?.as_str()? != "compiler-artifact" {
        return None;
    }
    Some(Artifact {
        target: message.get("target")?.get("name")?.as_str()?.to_owned(),
        package_id: message.get("package_id")?.as_str()?.to_owned(),
        executable: message
            .get("executable")
            .and_then(|path| path.as_str())
            .map(PathBuf::from),
        files: message
            .get("filenames")?
            .as_array()?
            .iter()
            .filter_map(|path| path.as_str())
            .map(PathBuf::from)
            .collect(),
        test: message.get("profile")?.get("test")?.as_bool()?,
    })
}

/// The program called `name` among what was built.
///
/// # Errors
/// When the build made no such program.
pub(crate) fn executable(artifacts: &[Artifact], name: &str) -> Result<PathBuf> {
    artifacts
        .iter()
        .filter(|artifact| artifact.target == name && !artifact.test)
        .find_map(|artifact| artifact.executable.clone())
        .with_context(|| format!("the build ended well and yet made no program called {name}"))
}

/// The command line as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn cannot_start(command: &Command) -> String {
    format!("`{}` could not be started", shown(command))
}

fn check(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_the_output_is_cut() {
        let text = b"one\r\ntwo\n\nthree";
        for cut in 0..=text.len() {
            let (head, tail) = text.split_at(cut);
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            let mut keep = |line: &str| seen.push(line.to_owned());
            lines.push(head, &mut keep);
            lines.push(tail, &mut keep);
            lines.finish(&mut keep);
            assert_eq!(seen, ["one", "two", "three"], "cut at {cut}");
        }
    }

    #[test]
    fn a_test_harness_is_not_taken_for_the_program() {
        let line = |test: bool, path: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"p","target":{{"name":"valechat"}},"profile":{{"test":{test}}},"filenames":["{path}"],"executable":"{path}"}}"#
            )
        };
        let artifacts: Vec<_> = [
            line(true, "/t/deps/valechat-1"),
            line(false, "/t/valechat"),
            "not json".to_owned(),
        ]
        .iter()
        .filter_map(|line| parse_artifact(line))
        .collect();
        assert_eq!(artifacts.len(), 2);
        assert_eq!(
            executable(&artifacts, "valechat").unwrap(),
            PathBuf::from("/t/valechat")
        );
        assert!(executable(&artifacts, "other").is_err());
    }
}
