//! The supervised host under seeded chaos: real actors, policies and turns on one thread with a
//! paused clock, over providers that fail in every way there is (design.md §6).
//!
//! A failing run names its seed; `VALECHAT_SEED=<seed>` replays that one alone.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod fake;
mod world;

/// Seeds of a usual run; `VALECHAT_FULL` runs more.
const SEEDS: u64 = 300;
/// How many times as many a full run takes.
const FULL: u64 = 20;

#[test]
fn whatever_providers_do_every_request_ends_once_and_nothing_is_left() {
    if let Ok(seed) = std::env::var("VALECHAT_SEED") {
        let run = world::play(seed.parse().unwrap());
        println!("seed {seed}: {run:?}");
        return;
    }
    let full = std::env::var_os("VALECHAT_FULL").is_some();
    let seeds = if full { SEEDS * FULL } else { SEEDS };
    let mut totals = world::Totals::default();
    for seed in 0..seeds {
        let ran = std::panic::catch_unwind(|| world::play(seed));
        match ran {
            Ok(run) => totals.add(&run),
            Err(panic) => {
                eprintln!("seed {seed} failed; VALECHAT_SEED={seed} replays it");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{seeds} worlds: {totals:?}");
    totals.check(seeds);
}
