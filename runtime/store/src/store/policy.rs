//! When to write and whether there is room: pure, the clock is passed in.

use std::time::{Duration, Instant};

use crate::error::StoreError;

/// Streaming text waits at most so long for more of it.
pub const MAX_WAIT: Duration = Duration::from_millis(200);
/// And is written at once when so many bytes of it wait.
pub const MAX_WAITING: usize = 1 << 10;

/// Text that waits to be written together.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    since: Option<Instant>,
    bytes: usize,
}

impl Gather {
    /// More of it came.
    pub(crate) fn add(&mut self, bytes: usize, now: Instant) {
        self.since.get_or_insert(now);
        self.bytes += bytes;
    }

    /// How long it may wait still; zero: it must be written now; none: nothing waits.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let since = self.since?;
        if self.bytes >= MAX_WAITING {
            return Some(Duration::ZERO);
        }
        Some((since + MAX_WAIT).saturating_duration_since(now))
    }

    /// All was written.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What is kept free, so that the view never meets a full disk: sled does not survive one.
#[derive(Debug, Clone, Copy)]
pub struct Headroom {
    /// Below so many free bytes nothing is written but what frees space, bytes.
    pub refuse: u64,
    /// Below so many the person is warned, bytes.
    pub warn: u64,
}

impl Default for Headroom {
    fn default() -> Self {
        Self {
            refuse: 64 << 20,
            warn: 256 << 20,
        }
    }
}

/// Asks the system for free space at most once a second, or once for so many bytes written.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ASK_AFTER: u64 = 256 << 10;

/// What is known of the free space.
#[derive(Debug)]
pub(crate) struct Space {
    headroom: Headroom,
    asked: Option<(Instant, u64)>,
    written: u64,
}

impl Space {
    pub(crate) fn new(headroom: Headroom) -> Self {
        Self {
            headroom,
            asked: None,
            written: 0,
        }
    }

    /// Whether so many bytes may be written; `ask` gives the free bytes.
    pub(crate) fn allows(
        &mut self,
        bytes: u64,
        frees: bool,
        now: Instant,
        ask: impl FnOnce() -> Option<u64>,
    ) -> Result<(), StoreError> {
        self.written += bytes;
        let is_stale = self.asked.is_none_or(|(when, free)| {
            now.saturating_duration_since(when) >= ASK_EVERY
                || self.written >= ASK_AFTER
                // Near the edge every write counts.
                || free < self.headroom.refuse.saturating_mul(2)
        });
        if is_stale && let Some(free) = ask() {
            self.asked = Some((now, free));
            self.written = 0;
        }
        let Some((_, free)) = self.asked else {
            // A system that does not tell is not in the way.
            return Ok(());
        };
        if free.saturating_sub(bytes) < self.headroom.refuse && !frees {
            return Err(StoreError::AlmostFull {
                free: free >> 20,
                headroom: self.headroom.refuse >> 20,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_waits_until_it_is_old_or_long() {
        let start = Instant::now();
        let mut gather = Gather::default();
        assert_eq!(gather.wait(start), None);
        gather.add(10, start);
        assert_eq!(gather.wait(start), Some(MAX_WAIT));
        let later = start + Duration::from_millis(150);
        gather.add(10, later);
        assert_eq!(gather.wait(later), Some(Duration::from_millis(50)));
        assert_eq!(gather.wait(start + MAX_WAIT), Some(Duration::ZERO));
        gather.add(MAX_WAITING, later);
        assert_eq!(gather.wait(later), Some(Duration::ZERO));
        gather.clear();
        assert_eq!(gather.wait(later), None);
    }

    #[test]
    fn the_last_megabytes_are_for_what_frees_some() {
        let now = Instant::now();
        let mut space = Space::new(Headroom {
            refuse: 100,
            warn: 300,
        });
        assert!(space.allows(10, false, now, || Some(150)).is_ok());
        assert!(space.allows(10, false, now, || Some(105)).is_err());
        assert!(space.allows(10, true, now, || Some(105)).is_ok());
        assert!(
            space.allows(10, false, now, || Some(1_000)).is_ok(),
            "asked again near the edge"
        );
        assert!(
            space.allows(10, false, now, || None).is_ok(),
            "not asked within a second"
        );
        let later = now + ASK_EVERY;
        assert!(space.allows(10, false, later, || Some(50)).is_err());
    }
}
