//! Places: how many calls of one provider run at once, and who waits for one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::oneshot;
use vale_policy::concurrency::{LimitConfig, SlotAnswer, Slots};
use vale_types::{Error, ErrorKind, Failure, LimitScope, RateLimit};

use super::health::Health;

/// Policy's places, and whom to wake.
pub(super) struct Places {
    slots: Slots,
    config: LimitConfig,
    waiting: HashMap<u64, oneshot::Sender<()>>,
    /// Who was leaving when its turn came.
    passed_over: HashSet<u64>,
    next_id: u64,
}

impl Places {
    pub(super) fn new(config: LimitConfig) -> Self {
        Self {
            slots: Slots::new(config.clone()),
            config,
            waiting: HashMap::new(),
            passed_over: HashSet::new(),
            next_id: 0,
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.slots.in_flight()
    }

    pub(super) fn queued(&self) -> usize {
        self.slots.waiting()
    }

    /// Gives the place that came free to the next who still waits.
    fn release(&mut self) {
        while let Some(next) = self.slots.release() {
            let woken = self
                .waiting
                .remove(&next)
                .is_some_and(|waker| waker.send(()).is_ok());
            if woken {
                return;
            }
            // It is just leaving: the place goes to the one behind it.
            self.passed_over.insert(next);
        }
    }

    /// Somebody no longer waits, or was given a place and never took it.
    fn leave(&mut self, id: u64) {
        if self.waiting.remove(&id).is_some() {
            self.slots.cancel(id);
        } else if !self.passed_over.remove(&id) {
            self.release();
        }
    }
}

/// One of a provider's places. Dropping it gives it to the next.
pub(crate) struct Place {
    health: Arc<Health>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.health.with_places(Places::release);
    }
}

/// A place in the queue. Dropping it leaves the queue.
struct Queued {
    health: Arc<Health>,
    id: u64,
    done: bool,
}

impl Drop for Queued {
    fn drop(&mut self) {
        if !self.done {
            self.health.with_places(|places| places.leave(self.id));
        }
    }
}

impl Place {
    /// Takes a place, waiting for one if need be.
    ///
    /// # Errors
    /// When too many wait already, or the wait was too long: a rate limit of ours.
    pub(crate) async fn take(health: &Arc<Health>) -> Result<Self, Failure> {
        let place = || Self {
            health: Arc::clone(health),
        };
        let (answer, id, wake, config) = health.with_places(|places| {
            let id = places.next_id;
            places.next_id = places.next_id.wrapping_add(1);
            let answer = places.slots.request(id);
            let wake = (answer == SlotAnswer::Queued).then(|| {
                let (waker, wake) = oneshot::channel();
                places.waiting.insert(id, waker);
                wake
            });
            (answer, id, wake, places.config.clone())
        });
        let Some(wake) = wake else {
            return match answer {
                SlotAnswer::Granted => Ok(place()),
                SlotAnswer::Queued | SlotAnswer::Refused => Err(full(&format!(
                    "{} requests run already and {} wait, which is the limit (limits.max_in_flight, limits.max_waiting)",
                    config.max_in_flight, config.max_waiting
                ))),
            };
        };
        let mut queued = Queued {
            health: Arc::clone(health),
            id,
            done: false,
        };
        let max_wait = config.max_wait();
        match tokio::time::timeout(max_wait, wake).await {
            Ok(Ok(())) => {
                queued.done = true;
                Ok(place())
            }
            Ok(Err(_)) => Err(full("the queue was closed")),
            Err(_) => Err(full(&format!(
                "no place came free within {} s (limits.max_wait_s)",
                max_wait.as_secs_f64()
            ))),
        }
    }
}

/// More at once than this provider is given. Waiting helps, another provider does too.
fn full(what: &str) -> Failure {
    let kind = ErrorKind::RateLimited(RateLimit {
        retry_after_ms: None,
        scope: LimitScope::Concurrent,
    });
    let mut error = Error::new(kind, what);
    // The queue was the wait.
    error.retryable = Some(false);
    error.into()
}
