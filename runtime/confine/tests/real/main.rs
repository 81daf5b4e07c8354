//! The helper with real processes, in both forms that Linux has.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests: helpers unwrap too"
)]

#[macro_use]
mod common;
mod cost;
mod orphans;
mod passing;
