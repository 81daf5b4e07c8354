//! How the host builds the command that starts a confined child.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The helper's file name, without a platform's suffix.
pub const HELPER: &str = "valechat-confine";

/// How a child is to be held. Grows: build it from `Spec::default()`.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Spec {
    /// Do without namespaces even where they are permitted: for a program that cannot live in a
    /// user namespace, and for tests.
    pub reduced: bool,
    /// A file that holds this start's [`Status`](crate::Status) before the program's first
    /// instruction; read it with [`Status::read`](crate::Status::read). A start that cannot write
    /// it fails.
    pub status: Option<PathBuf>,
}

/// A program that is to end with this process, and all its descendants with it.
///
/// ```no_run
/// # use std::path::Path;
/// use vale_confine::{Confined, find_helper};
/// let helper = find_helper(Path::new("/opt/valechat/bin"));
/// let mut command = Confined::new(helper.as_deref(), Path::new("/usr/bin/node")).command();
/// command.arg("server.js").env_clear();
/// // In an async host: `tokio::process::Command::from(command)`.
/// let child = command.spawn();
/// ```
#[derive(Debug, Clone)]
pub struct Confined {
    helper: Option<PathBuf>,
    program: PathBuf,
    spec: Spec,
}

impl Confined {
    /// `program` under `helper`; no helper = a plain start, which guarantees nothing.
    #[must_use]
    pub fn new(helper: Option<&Path>, program: &Path) -> Self {
        Self {
            helper: helper.map(Path::to_owned),
            program: program.to_owned(),
            spec: Spec::default(),
        }
    }

    /// Holds it as `spec` says. Nothing of it applies without a helper.
    #[must_use]
    pub fn spec(mut self, spec: Spec) -> Self {
        self.spec = spec;
        self
    }

    /// The command to add arguments, environment, folder and pipes to. What is added are the
    /// program's, whatever they look like. Spawn it from this process, and from a thread that
    /// lives on (see the crate).
    ///
    /// stdin, stdout, stderr, environment and folder reach the program as they are. TERM, INT and
    /// HUP that the helper gets are passed on to it, and to it alone. The helper's exit code is
    /// the program's, 128 + n when signal n ended it; 127 = no such program, 126 = it cannot be
    /// started, 125 = the helper itself failed; the reason is on stderr. It runs in a process group
    /// of its own, so that Ctrl-C in the host's terminal does not reach it. A set-uid program
    /// below it gains nothing (`no_new_privs`).
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match &self.helper {
            None => Command::new(&self.program),
            Some(helper) => {
                let mut command = Command::new(helper);
                command.arg("--parent").arg(std::process::id().to_string());
                if self.spec.reduced {
                    command.arg("--reduced");
                }
                if let Some(status) = &self.spec.status {
                    command.arg("--status").arg(status);
                }
                command.arg("--").arg(&self.program);
                command
            }
        };
        own_group(&mut command);
        command
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn own_group(command: &mut Command) {
    /// `CreateProcessW`'s flag of that name.
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    std::os::windows::process::CommandExt::creation_flags(command, CREATE_NEW_PROCESS_GROUP);
}

/// The helper in `beside`, the folder of the host's own executable, or where a Unix package puts
/// programs that people do not start themselves (`../libexec/valechat`).
#[must_use]
pub fn find_helper(beside: &Path) -> Option<PathBuf> {
    let name = format!("{HELPER}{}", std::env::consts::EXE_SUFFIX);
    [beside.to_owned(), beside.join("../libexec/valechat")]
        .into_iter()
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helper_is_found_beside_the_host_or_in_libexec_and_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        let libexec = root.path().join("libexec/valechat");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::create_dir_all(&libexec).unwrap();
        let name = format!("{HELPER}{}", std::env::consts::EXE_SUFFIX);
        std::fs::write(root.path().join(&name), "").unwrap();
        assert_eq!(find_helper(&bin), None);
        std::fs::write(libexec.join(&name), "").unwrap();
        let found = find_helper(&bin).unwrap();
        assert_eq!(
            found.canonicalize().unwrap(),
            libexec.join(&name).canonicalize().unwrap()
        );
        std::fs::write(bin.join(&name), "").unwrap();
        assert_eq!(find_helper(&bin), Some(bin.join(&name)));
    }
}
