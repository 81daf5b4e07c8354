//! Imports and exports from the outside: real-shaped exports of each app, hostile ones, and what
//! goes out and comes in again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod formats;
mod hostile;
mod native;
mod pages;
mod records;
mod resume;
mod scale;
mod support;
mod zips;
