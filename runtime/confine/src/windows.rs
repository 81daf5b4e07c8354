//! Windows: a job that ends with the helper. The program notices the end of the host by its closed
//! standard input; nobody has run this yet.

use std::process::ExitCode;

use win32job::Job;

use crate::{Args, complain, program};

pub(crate) fn run(args: &Args) -> ExitCode {
    if args.probe {
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), "reduced");
        return ExitCode::SUCCESS;
    }
    supervise(args).unwrap_or_else(|problem| complain(&problem))
}

fn supervise(args: &Args) -> Result<ExitCode, String> {
    let job = Job::create().map_err(|error| error.to_string())?;
    let mut limits = job
        .query_extended_limit_info()
        .map_err(|error| error.to_string())?;
    limits.limit_kill_on_job_close();
    job.set_extended_limit_info(&limits)
        .map_err(|error| error.to_string())?;
    job.assign_current_process()
        .map_err(|error| error.to_string())?;
    let status = program(args)?
        .status()
        .map_err(|error| format!("the program cannot be started: {error}"))?;
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1) & 0xff).unwrap_or(1),
    ))
}
