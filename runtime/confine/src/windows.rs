//! Windows: a job object that ends its processes when its last handle is closed, which this
//! process holds, whatever ends it. Type-checked only: nobody has run this yet.

use std::process::Command;
use std::thread;

use vale_confine::{Status, Strength};
use win32job::{ExtendedLimitInfo, Job};

use crate::args::Start;
use crate::{Doing as _, Failure, complain};

/// The shell's code on Unix, so that the host needs to know one.
const NOT_FOUND: i32 = 127;
/// See [`NOT_FOUND`].
const NOT_STARTED: i32 = 126;

pub(crate) fn probe(_reduced: bool) -> Status {
    match job() {
        Ok(_) => Status::new(Strength::JobObject, ""),
        Err(failure) => Status::new(Strength::None, failure.to_string()),
    }
}

fn job() -> Result<Job, Failure> {
    let mut limits = ExtendedLimitInfo::new();
    limits.limit_kill_on_job_close();
    Job::create_with_limit_info(&limits)
        .map_err(std::io::Error::other)
        .doing("making a job")
}

pub(crate) fn run(start: &Start) -> Result<i32, Failure> {
    let job = job()?;
    // This process too, so that the program is in it from its first instruction.
    job.assign_current_process()
        .map_err(std::io::Error::other)
        .doing("entering the job")?;
    let host = host::open(start.parent).ok_or(Failure::HostGone)?;
    thread::spawn(move || {
        host::wait_for_end(&host);
        // Closes the job's handle and with it the job.
        std::process::exit(1);
    });
    if let Some(path) = &start.status {
        Status::new(Strength::JobObject, "")
            .write(path)
            .doing("writing the status")?;
    }
    let code = match Command::new(&start.program).args(&start.args).spawn() {
        Ok(mut child) => {
            let status = child.wait().doing("waiting for the program")?;
            status.code().unwrap_or(crate::FAILED)
        }
        Err(error) => {
            complain(&format!("{}: {error}", start.program.display()));
            if error.kind() == std::io::ErrorKind::NotFound {
                NOT_FOUND
            } else {
                NOT_STARTED
            }
        }
    };
    // The job is closed by the end of this process, not before: closing it ends this process too.
    std::mem::forget(job);
    Ok(code)
}

/// The host's process, which std cannot wait for because it is no child.
#[expect(unsafe_code, reason = "no safe wrapper waits for a foreign process")]
mod host {
    use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

    use windows_sys::Win32::System::Threading::{
        INFINITE, OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
    };

    pub(super) fn open(process: u32) -> Option<OwnedHandle> {
        // SAFETY: it takes no pointers; what it gives is ours to close.
        let handle = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, process) };
        // SAFETY: a handle that is not null is valid, and nobody else owns it.
        (!handle.is_null()).then(|| unsafe { OwnedHandle::from_raw_handle(handle) })
    }

    pub(super) fn wait_for_end(process: &OwnedHandle) {
        // SAFETY: the handle is valid for as long as the reference.
        unsafe { WaitForSingleObject(process.as_raw_handle(), INFINITE) };
    }
}
