//! The journal on a disk that loses power, fills up, fails and rots.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod backup;
mod damage;
mod full;
mod plain;
mod power;
mod toy;
