//! The helper's command line, which only the library writes.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: valechat-confine --parent PID [--reduced] [--status FILE] -- PROGRAM [ARGUMENT]...
       valechat-confine --probe [--reduced]
Starts PROGRAM so that it and all its descendants end with it, with this process and with PID,
which must be the parent of this process.";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Say how well this machine lets children be held.
    Probe {
        reduced: bool,
    },
    Start(Start),
    Help,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The host. That this process is still its child tells that the host still lives.
    pub(crate) parent: u32,
    pub(crate) reduced: bool,
    pub(crate) status: Option<PathBuf>,
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
}

/// Reads the arguments, without the program's name; an error is a sentence.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut args = args.into_iter();
    let (mut parent, mut reduced, mut probe, mut status) = (None, false, false, None);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--") => {
                let program = args.next().ok_or("there is no program after --")?;
                return Ok(Request::Start(Start {
                    parent: parent.ok_or("--parent is missing")?,
                    reduced,
                    status,
                    program,
                    args: args.collect(),
                }));
            }
            Some("--parent") => {
                let id = args.next();
                let id = id.as_deref().and_then(|id| id.to_str()?.parse().ok());
                parent = Some(id.ok_or("--parent takes a process id")?);
            }
            Some("--status") => {
                status = Some(args.next().ok_or("--status takes a file")?.into());
            }
            Some("--reduced") => reduced = true,
            Some("--probe") => probe = true,
            Some("--help") => return Ok(Request::Help),
            _ => return Err(format!("unknown argument {}", arg.display())),
        }
    }
    if probe {
        return Ok(Request::Probe { reduced });
    }
    Err("there is nothing to start".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn what_follows_the_two_dashes_is_the_programs() {
        assert_eq!(
            parsed("--parent 7 --status s -- prog --probe -- --parent x"),
            Ok(Request::Start(Start {
                parent: 7,
                reduced: false,
                status: Some("s".into()),
                program: "prog".into(),
                args: ["--probe", "--", "--parent", "x"].map(Into::into).to_vec(),
            }))
        );
        assert_eq!(
            parsed("--probe --reduced"),
            Ok(Request::Probe { reduced: true })
        );
    }

    #[test]
    fn half_a_command_line_is_refused() {
        for line in [
            "",
            "prog",
            "-- prog",
            "--parent",
            "--parent x -- prog",
            "--parent 7 prog",
            "--parent 7 --",
            "--parent 7 --status",
            "--parent 7 --new -- prog",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
