//! How many answers of one provider run at once, and who is next.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{check_count, check_seconds, seconds};

/// How many answers run at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// Answers under way at once. 64: far above what a person and their tools start, and below
    /// what a hosted provider's connection limits allow; a local server queues by itself.
    pub max_in_flight: u32,
    /// Requests that wait for a place. 256: more than that is a loop gone wild.
    pub max_waiting: u32,
    /// How long one waits, seconds. 60: then another provider is the better answer.
    pub max_wait_s: f64,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            max_in_flight: 64,
            max_waiting: 256,
            max_wait_s: 60.0,
        }
    }
}

impl LimitConfig {
    /// See `max_wait_s`.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        seconds(self.max_wait_s)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        check_count("limits.max_in_flight", self.max_in_flight)?;
        check_seconds("limits.max_wait_s", self.max_wait_s)
    }
}

/// What a request for a place gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotAnswer {
    /// A place.
    Granted,
    /// A place in the queue.
    Queued,
    /// Nothing: too many wait already.
    Refused,
}

/// First come, first served.
#[derive(Debug, Clone)]
pub struct Slots {
    config: LimitConfig,
    in_flight: usize,
    queue: VecDeque<u64>,
}

impl Slots {
    /// All places free.
    #[must_use]
    pub fn new(config: LimitConfig) -> Self {
        Self {
            config,
            in_flight: 0,
            queue: VecDeque::new(),
        }
    }

    /// Places taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Asks for a place. `id` names who waits and must be asked with once.
    pub fn request(&mut self, id: u64) -> SlotAnswer {
        let limit = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        if self.in_flight < limit(self.config.max_in_flight) && self.queue.is_empty() {
            self.in_flight += 1;
            SlotAnswer::Granted
        } else if self.queue.len() < limit(self.config.max_waiting) {
            self.queue.push_back(id);
            SlotAnswer::Queued
        } else {
            SlotAnswer::Refused
        }
    }

    /// Gives a place back; names who has it now, if somebody waited.
    pub fn release(&mut self) -> Option<u64> {
        let next = self.queue.pop_front();
        if next.is_none() {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        next
    }

    /// Somebody no longer waits; false when it did not.
    pub fn cancel(&mut self, id: u64) -> bool {
        let before = self.queue.len();
        self.queue.retain(|waiting| *waiting != id);
        self.queue.len() < before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_never_exceeded_turns_are_kept_and_nobody_is_lost(
            acts in proptest::collection::vec((0..3_u8, any::<usize>()), 0..300),
        ) {
            let config = LimitConfig { max_in_flight: 3, max_waiting: 5, ..LimitConfig::default() };
            let mut slots = Slots::new(config);
            let (mut running, mut queue) = (Vec::new(), VecDeque::new());
            for (id, (act, which)) in (0_u64..).zip(acts) {
                match act {
                    0 => match slots.request(id) {
                        SlotAnswer::Granted => running.push(id),
                        SlotAnswer::Queued => queue.push_back(id),
                        SlotAnswer::Refused => prop_assert!(queue.len() == 5),
                    },
                    1 if !running.is_empty() => {
                        running.swap_remove(which % running.len());
                        let next = slots.release();
                        prop_assert_eq!(next, queue.pop_front());
                        running.extend(next);
                    }
                    2 if !queue.is_empty() => {
                        let gone = queue.remove(which % queue.len()).unwrap();
                        prop_assert!(slots.cancel(gone));
                        prop_assert!(!slots.cancel(gone));
                    }
                    _ => {}
                }
                prop_assert!(running.len() <= 3);
                prop_assert!(queue.is_empty() || running.len() == 3, "somebody waits beside a free place");
                prop_assert_eq!((slots.in_flight(), slots.waiting()), (running.len(), queue.len()));
            }
        }
    }
}
