//! The gate against real sockets: what leaves, what comes back, and what never does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod downloads;
mod leaks;
mod recorded;
mod redirects;
mod requests;
mod responses;
mod streaming;
mod support;
mod tap;
mod tls;
