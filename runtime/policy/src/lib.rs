//! What to do when a provider fails: pure state machines over a clock that is passed in.
//!
//! No I/O, no async, no clock, no randomness: `now` and `random` are arguments, so that every
//! rule can be tested by itself and a simulation repeats. Defaults are in [`PolicyConfig`], each
//! with its reason; the table of what other programs do is in the README.

pub mod backoff;
pub mod breaker;
pub mod concurrency;
mod config;
pub mod fallback;
pub mod restart;
pub mod retry;
pub mod timeouts;

pub use config::PolicyConfig;
