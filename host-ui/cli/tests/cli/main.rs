//! The real `valechat` binary in a profile of its own: help, exit codes, JSON, settings, keys, the
//! terminal. Needs no plugin, model or network; chats with the real model are in `tests/`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests; helpers outside #[test] functions too"
)]

mod basics;
mod keys;
mod providers;
mod support;
#[cfg(unix)]
mod terminal;
