//! How much CPU time a call has used.
//!
//! Counting epoch ticks would trap a healthy stream that waits for a slow model, so what counts
//! is the thread's CPU time inside this call's polls (facts/toolchain.md, contract traps).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use cpu_time::ThreadTime;

fn thread_ns() -> u64 {
    // A platform without thread times counts nothing here; the wall limit still holds.
    let spent = ThreadTime::try_now()
        .map(|now| now.as_duration())
        .unwrap_or_default();
    u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time of one call. Shared by the call's future and the epoch callback, which run on the
/// same thread, so relaxed ordering is enough.
#[derive(Debug, Default)]
pub(crate) struct CpuMeter {
    finished_polls_ns: AtomicU64,
    poll_began_ns: AtomicU64,
}

impl CpuMeter {
    /// CPU time so far; to be asked from inside a poll of the call.
    pub(crate) fn spent(&self) -> Duration {
        let in_this_poll = thread_ns().saturating_sub(self.poll_began_ns.load(Ordering::Relaxed));
        let finished = self.finished_polls_ns.load(Ordering::Relaxed);
        Duration::from_nanos(finished.saturating_add(in_this_poll))
    }
}

impl CpuMeter {
    /// CPU time of the polls that have ended.
    pub(crate) fn finished(&self) -> Duration {
        Duration::from_nanos(self.finished_polls_ns.load(Ordering::Relaxed))
    }
}

/// A future whose polls are metered.
pub(crate) struct Metered<F> {
    inner: Pin<Box<F>>,
    meter: Arc<CpuMeter>,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(inner: F, meter: Arc<CpuMeter>) -> Self {
        Self {
            inner: Box::pin(inner),
            meter,
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = thread_ns();
        self.meter.poll_began_ns.store(began, Ordering::Relaxed);
        let result = self.inner.as_mut().poll(cx);
        let spent = thread_ns().saturating_sub(began);
        self.meter
            .finished_polls_ns
            .fetch_add(spent, Ordering::Relaxed);
        result
    }
}
