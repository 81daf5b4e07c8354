//! How much CPU time a call has used.
//!
//! Counting epoch ticks would trap a healthy stream that waits for a slow model, so what counts
//! is the thread's CPU time inside this call's polls (facts/toolchain.md, contract traps).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use cpu_time::ThreadTime;
use futures::task::AtomicWaker;

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

/// How long one poll may go on by being polled again, thread CPU time. Far below an epoch tick, so that a
/// guest that computes still gives way to others when it is told to.
const AGAIN: Duration = Duration::from_micros(500);
/// How often one poll is repeated at most.
const REPEATS: u32 = 4;

/// A future whose polls are metered.
///
/// wasmtime wakes the task that it is being polled by whenever one part of a call makes another ready.
/// To the runtime that is a task that gives way: it goes to the end of the queue, another worker is woken
/// to take it, and that one wakes the first again. At the pace of a model each event then costs three
/// wake-ups instead of one, so such a poll is repeated on the spot.
pub(crate) struct Metered<F> {
    inner: Pin<Box<F>>,
    meter: Arc<CpuMeter>,
    /// Counts the polls that are going on in the engine.
    computing: Arc<AtomicUsize>,
    nudge: Arc<Nudge>,
    waker: Waker,
}

struct Computing<'c>(&'c AtomicUsize);

impl<'c> Computing<'c> {
    fn begin(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Computing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Wakes the task, or, while it is being polled, only notes that it should be polled again.
#[derive(Default)]
struct Nudge {
    task: AtomicWaker,
    is_polling: AtomicBool,
    is_due: AtomicBool,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // In this order, against the order in `poll`: either the poll sees the note, or the task is
        // woken, or both.
        self.is_due.store(true, Ordering::SeqCst);
        if !self.is_polling.load(Ordering::SeqCst) {
            self.task.wake();
        }
    }
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(inner: F, meter: Arc<CpuMeter>, computing: Arc<AtomicUsize>) -> Self {
        let nudge = Arc::<Nudge>::default();
        Self {
            inner: Box::pin(inner),
            meter,
            computing,
            waker: Waker::from(Arc::clone(&nudge)),
            nudge,
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.nudge.task.register(cx.waker());
        let began = thread_ns();
        this.meter.poll_began_ns.store(began, Ordering::Relaxed);
        let mut repeats = 0;
        // Given back also when the poll panics.
        let _computing = Computing::begin(&this.computing);
        let (result, spent) = loop {
            this.nudge.is_due.store(false, Ordering::SeqCst);
            this.nudge.is_polling.store(true, Ordering::SeqCst);
            let result = this
                .inner
                .as_mut()
                .poll(&mut Context::from_waker(&this.waker));
            this.nudge.is_polling.store(false, Ordering::SeqCst);
            let spent = thread_ns().saturating_sub(began);
            if result.is_ready() || !this.nudge.is_due.load(Ordering::SeqCst) {
                break (result, spent);
            }
            let is_short = Duration::from_nanos(spent) < AGAIN;
            // A task whose budget is used up is woken only to give way.
            if !is_short || repeats == REPEATS || !tokio::task::coop::has_budget_remaining() {
                cx.waker().wake_by_ref();
                break (result, spent);
            }
            repeats += 1;
        };
        this.meter
            .finished_polls_ns
            .fetch_add(spent, Ordering::Relaxed);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wakes itself so often, and counts the polls.
    struct Restless {
        wakes: u32,
        polls: Arc<AtomicU64>,
    }

    impl Future for Restless {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            self.polls.fetch_add(1, Ordering::Relaxed);
            if self.wakes == 0 {
                return Poll::Ready(());
            }
            self.wakes -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    fn restless(wakes: u32) -> (Metered<Restless>, Arc<AtomicU64>) {
        let polls = Arc::<AtomicU64>::default();
        let inner = Restless {
            wakes,
            polls: Arc::clone(&polls),
        };
        (Metered::new(inner, Arc::default(), Arc::default()), polls)
    }

    #[test]
    fn a_task_that_wakes_itself_is_polled_on_the_spot_and_not_for_ever() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut few, polls) = restless(2);
        assert!(Pin::new(&mut few).poll(&mut cx).is_ready());
        assert_eq!(polls.load(Ordering::Relaxed), 3);
        let (mut many, polls) = restless(100);
        assert!(Pin::new(&mut many).poll(&mut cx).is_pending());
        assert!(polls.load(Ordering::Relaxed) <= u64::from(REPEATS) + 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_is_lost_wherever_it_comes_from() {
        for round in 0..2_000 {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
            let work = async move {
                let mut sum = 0;
                while let Some(number) = receiver.recv().await {
                    sum += number;
                }
                sum
            };
            let sum = tokio::spawn(Metered::new(work, Arc::default(), Arc::default()));
            let send = tokio::spawn(async move {
                for number in 0..4 {
                    sender.send(number + round).await.unwrap();
                }
            });
            send.await.unwrap();
            let sum = tokio::time::timeout(Duration::from_secs(60), sum).await;
            assert_eq!(sum.expect("a wake was lost").unwrap(), 6 + 4 * round);
        }
        let (many, polls) = restless(10_000);
        tokio::spawn(many).await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 10_001);
    }
}
