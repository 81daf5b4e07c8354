//! Child processes that never outlive the host.
//!
//! A child is started through the helper `valechat-confine`, which ends it and everything that it
//! started when the host ends, however that happens: also by `kill -9`. This crate knows how to
//! start the helper and what it can promise here; the helper itself is `main.rs`. Jailing
//! children (files, network, system calls) comes later, in the same helper.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The helper's file name.
pub const HELPER: &str = if cfg!(windows) {
    "valechat-confine.exe"
} else {
    "valechat-confine"
};

/// What ends with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// Every descendant, whatever it does: they live in a pid namespace of their own, and the
    /// kernel ends it.
    PidNamespace,
    /// The child, and the descendants that the helper finds: where namespaces are not allowed. A
    /// `kill -9` of the helper itself leaves grandchildren.
    Reduced,
    /// Nothing: there is no helper. A child must watch its standard input.
    None,
}

/// Starts children through the helper.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confine {
    helper: Option<PathBuf>,
}

impl Confine {
    /// With this helper; none = children are started plainly.
    #[must_use]
    pub fn new(helper: Option<PathBuf>) -> Self {
        Self { helper }
    }

    /// The helper in one of these folders.
    #[must_use]
    pub fn find<'p>(folders: impl IntoIterator<Item = &'p Path>) -> Option<PathBuf> {
        let found = folders.into_iter().map(|folder| folder.join(HELPER));
        found.into_iter().find(|path| path.is_file())
    }

    /// A command that starts `program`, to be given arguments, environment and pipes as usual.
    ///
    /// Must be spawned from a thread that lives as long as the host: on Linux the helper is tied to
    /// the thread that started it. It makes a process group of its own, so that Ctrl-C in a
    /// terminal does not reach it. The child's id is the helper's; its exit status is the
    /// program's, with 128 + n for signal n and 127 for a program that cannot be started.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = match &self.helper {
            Some(helper) => {
                let mut command = Command::new(helper);
                command
                    .arg("--parent")
                    .arg(std::process::id().to_string())
                    .arg("--")
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        #[cfg(windows)]
        std::os::windows::process::CommandExt::creation_flags(
            &mut command,
            CREATE_NEW_PROCESS_GROUP,
        );
        command
    }

    /// What the helper can promise on this machine. Starts it once; takes a few milliseconds.
    #[must_use]
    pub fn strength(&self) -> Strength {
        let Some(helper) = &self.helper else {
            return Strength::None;
        };
        let mut probe = Command::new(helper);
        let said = probe.arg("--probe").stdin(Stdio::null()).output();
        match said.map(|said| said.stdout) {
            Ok(words) if words.starts_with(b"pid-namespace") => Strength::PidNamespace,
            Ok(words) if words.starts_with(b"reduced") => Strength::Reduced,
            _ => Strength::None,
        }
    }
}

/// `CreateProcessW`'s flag of that name.
#[cfg(windows)]
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
