//! Tools in the real sandbox, honest and hostile (components of `tests/guests`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod behaviour;
mod frozen;
mod limits;
mod loading;
mod misdeeds;
mod state;
mod support;
