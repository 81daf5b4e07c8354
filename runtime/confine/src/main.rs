//! `valechat-confine`: starts one program and sees to it that neither it nor a descendant outlives
//! the host. The library's documentation says what is guaranteed where; `linux/mod.rs` says how.
//!
//! On Unix it has one thread and never starts another: it forks and goes on in the child.

mod args;
#[cfg(unix)]
mod exec;
#[cfg(unix)]
mod fork;
#[cfg_attr(target_os = "linux", path = "linux/mod.rs")]
#[cfg_attr(target_os = "macos", path = "macos.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
#[cfg(unix)]
mod reap;

use std::io::Write as _;

use args::Request;

/// The helper itself failed: the code that `env`, `nohup` and `timeout` use for this too.
const FAILED: i32 = 125;

/// Why the helper cannot do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// A call to the system failed.
    #[error("{0}: {1}")]
    System(&'static str, #[source] std::io::Error),
    /// The host ended before the helper could watch it.
    #[error("the host is gone")]
    HostGone,
}

/// Says what was being done when a call failed.
trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<std::io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::System(what, error.into()))
    }
}

fn main() {
    let code = match args::parse(std::env::args_os().skip(1)) {
        Ok(Request::Probe { reduced }) => print(&platform::probe(reduced).to_string()),
        Ok(Request::Help) => print(args::USAGE),
        Ok(Request::Start(start)) => platform::run(&start).unwrap_or_else(|failure| {
            complain(&failure.to_string());
            FAILED
        }),
        Err(error) => {
            complain(&format!("{error}\n{}", args::USAGE));
            FAILED
        }
    };
    std::process::exit(code)
}

fn print(line: &str) -> i32 {
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}

/// Says something on stderr, which is the program's too; there is no other place.
fn complain(what: &str) {
    let _ = writeln!(std::io::stderr(), "valechat-confine: {what}");
}
