//! Running a process under the library.

use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What the syncs of a process are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// They make durable what they should.
    Work,
    /// They do nothing.
    Nothing,
    /// Those of folders do nothing.
    FilesOnly,
}

/// The library, built.
#[derive(Debug)]
pub struct Preload {
    library: PathBuf,
}

/// How a process ended.
#[derive(Debug)]
pub struct Exit {
    /// Its status; `None` when it took too long and was killed.
    pub status: Option<ExitStatus>,
    /// What it printed.
    pub out: String,
    /// What it said of errors.
    pub err: String,
}

impl Preload {
    /// Builds the library in a folder, with the C compiler that Rust links with.
    ///
    /// # Errors
    /// When there is no compiler or it refuses.
    pub fn build(folder: &Path) -> io::Result<Self> {
        let library = folder.join("preload.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/preload/preload.c");
        let arguments = [
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-o",
        ];
        let mut cc = Command::new(&compiler);
        cc.args(arguments)
            .arg(&library)
            .arg(source)
            .arg("-lpthread");
        let output = cc.output()?;
        if output.status.success() {
            return Ok(Self { library });
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{}: {said}", compiler.display())))
    }

    /// A process to be run below a folder.
    #[must_use]
    pub fn run(&self, program: impl AsRef<OsStr>, root: &Path) -> Run {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", &self.library)
            .env("VALECHAT_CRASH_ROOT", root);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run { command }
    }
}

/// A process to be run.
#[derive(Debug)]
pub struct Run {
    command: Command,
}

impl Run {
    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds what it does to a log; a sync takes so long.
    #[must_use]
    pub fn logged(mut self, log: &Path, sync: Duration) -> Self {
        let micros = sync.as_micros().to_string();
        self.command
            .env("VALECHAT_CRASH_LOG", log)
            .env("VALECHAT_CRASH_SYNC_US", micros);
        self
    }

    /// What its syncs are.
    #[must_use]
    pub fn syncs(mut self, mode: SyncMode) -> Self {
        let mode = match mode {
            SyncMode::Work => "log",
            SyncMode::Nothing => "none",
            SyncMode::FilesOnly => "files",
        };
        self.command.env("VALECHAT_CRASH_SYNC", mode);
        self
    }

    /// It is killed after so many records of the log.
    #[must_use]
    pub fn killed_at(mut self, records: u64) -> Self {
        self.command
            .env("VALECHAT_CRASH_KILL_AT", records.to_string());
        self
    }

    /// The file with the id of the boot that it runs in.
    #[must_use]
    pub fn in_boot(mut self, file: &Path) -> Self {
        self.command.env("VALECHAT_CRASH_BOOT", file);
        self
    }

    /// Runs it to its end, or for so long.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn end(mut self, most: Duration) -> io::Result<Exit> {
        let mut child = self.command.spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let read = |pipe: Option<Box<dyn io::Read + Send>>| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What was read until it failed is told.
                let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut text));
                String::from_utf8_lossy(&text).into_owned()
            })
        };
        let out = read(out.map(|pipe| Box::new(pipe) as _));
        let err = read(err.map(|pipe| Box::new(pipe) as _));
        let until = Instant::now() + most;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() >= until {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ok(Exit {
            status,
            out: out.join().unwrap_or_default(),
            err: err.join().unwrap_or_default(),
        })
    }
}
