//! Conversations in the host: turns over providers that do what a test says, on a real store.
#![expect(clippy::unwrap_used, reason = "tests")]

mod finding;
mod keeping;
mod stage;
mod turns;
