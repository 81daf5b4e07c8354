//! The one unsafe call of the helper.

use nix::unistd::ForkResult;

/// Forks. The child goes on from here.
#[expect(unsafe_code, reason = "nix and rustix offer no safe fork")]
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: a fork is unsound where other threads may hold locks that the child then waits for.
    // This program never starts a thread (see main.rs).
    unsafe { nix::unistd::fork() }
}
