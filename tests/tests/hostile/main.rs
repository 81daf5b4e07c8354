//! Hostile plugins in the real sandbox, behind the real gate (issue 3, “Hostile guests”).
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod cache;
mod faults;
mod limits;
mod load;
mod network;
mod others;
