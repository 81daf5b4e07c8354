//! Where actors run, and the dice that restarts are jittered with.

use std::sync::Arc;

use actix::ArbiterHandle;

/// Gives numbers in `[0, 1)`.
type Dice = Arc<dyn Fn() -> f64 + Send + Sync>;

/// A thread that runs actors.
#[derive(Clone)]
pub struct Stage {
    arbiter: Option<ArbiterHandle>,
    dice: Dice,
}

impl Stage {
    /// The arbiter's thread, with the machine's own randomness.
    pub(crate) fn arbiter(arbiter: ArbiterHandle) -> Self {
        Self {
            arbiter: Some(arbiter),
            dice: Arc::new(random_unit),
        }
    }

    /// The current thread's `LocalSet`, with dice of one's own: for simulations, where a paused
    /// clock and a seed make every run the same. Actors must then be started inside that set.
    #[must_use]
    pub fn local(dice: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self {
            arbiter: None,
            dice: Arc::new(dice),
        }
    }

    /// Runs what `start` makes. False when the thread is gone.
    pub(crate) fn run<F>(&self, start: impl FnOnce() -> F + Send + 'static) -> bool
    where
        F: Future<Output = ()> + 'static,
    {
        match &self.arbiter {
            Some(arbiter) => arbiter.spawn_fn(move || drop(tokio::task::spawn_local(start()))),
            None => {
                drop(tokio::task::spawn_local(start()));
                true
            }
        }
    }

    /// A number in `[0, 1)`.
    pub(crate) fn roll(&self) -> f64 {
        (self.dice)()
    }
}

/// From the operating system; jitter can do without it.
fn random_unit() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}
