//! The tree against a naive model: a list of messages with their parents, and answers found by
//! looking at all of them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod links;
mod naive;
mod play;
mod properties;
mod rows;
mod streams;

use proptest::prelude::ProptestConfig;

/// `VALECHAT_FULL` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let times = match std::env::var_os("VALECHAT_FULL") {
        Some(_) => 40,
        None => 1,
    };
    ProptestConfig {
        cases: cases * times,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
