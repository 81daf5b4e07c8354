//! End to end: the built `valechat`, real sandbox, real gate, real `valechat-infer`, real model;
//! and real peers that we did not write. `cargo xtask test` sets what this needs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

mod aimock;
mod attach;
mod authors;
mod faults;
mod life;
mod local;
mod plugins;
mod support;
mod switching;
mod tools;
