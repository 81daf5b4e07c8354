//! Signals as things to read: no handler ever runs, and none is lost between two reads.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The death signal of a process that has to act on it. Nobody else sends it to us by habit, and
/// getting it by mistake does no harm.
pub(super) const PARENT_GONE: Signal = Signal::SIGUSR1;

/// Blocked in this process and its forks, so that they wait to be read. For process 1 of a
/// namespace this is needed too: the kernel drops signals to it that it neither handles nor blocks.
const READ: [Signal; 5] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGCHLD,
    PARENT_GONE,
];

/// A fork may go on using it: signalfd(2) gives each process its own signals.
pub(super) struct Signals {
    fd: SignalFd,
    /// The mask that the host gave, which is the program's.
    pub(super) before: SigSet,
}

impl Signals {
    pub(super) fn block() -> nix::Result<Self> {
        let read: SigSet = READ.into_iter().collect();
        let before = read.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let fd = SignalFd::with_flags(&read, SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, before })
    }

    /// Waits for the next one.
    pub(super) fn next(&self) -> Signal {
        loop {
            match self.fd.read_signal() {
                Ok(Some(info)) => {
                    let number = i32::try_from(info.ssi_signo).unwrap_or_default();
                    if let Ok(signal) = Signal::try_from(number) {
                        return signal;
                    }
                }
                Ok(None) | Err(Errno::EINTR) => {}
                // A read of a good signalfd has no other error. If there is one after all: looking
                // at the children is always right, and this must not turn into a busy loop.
                Err(_) => {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                    return Signal::SIGCHLD;
                }
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
