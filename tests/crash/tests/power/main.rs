//! Power cuts of a real process: the store with sled in it, and the search index.
//!
//! 200 cuts of each, and ten times as many under `cargo xtask test --full`, which sets `VALECHAT_FULL`;
//! `VALECHAT_POWER_CUTS_REAL` says another number, and `VALECHAT_POWER_SEED_REAL` runs one life alone.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod bites;
mod life;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use life::{Engine, Fault, Found, Life};

/// Cuts of one process's log, or of those of a few that follow each other.
const CUTS_OF_A_LIFE: u64 = 10;
/// Lives at the same time.
const WORKERS: usize = 3;

fn cuts() -> u64 {
    let asked = std::env::var("VALECHAT_POWER_CUTS_REAL").ok();
    let usual = if std::env::var_os("VALECHAT_FULL").is_some() {
        2_000
    } else {
        200
    };
    asked.and_then(|cuts| cuts.parse().ok()).unwrap_or(usual)
}

/// Lives enough for so many cuts; the first failure of each, and what all came to.
fn lives(engine: Engine, cuts: u64, fault: Fault) -> (Vec<String>, Found) {
    let alone = std::env::var("VALECHAT_POWER_SEED_REAL").ok();
    let alone: Option<u64> = alone.and_then(|seed| seed.parse().ok());
    let count = cuts.div_ceil(CUTS_OF_A_LIFE);
    let (first, end) = alone.map_or((0, count), |seed| (seed, seed + 1));
    let next = AtomicU64::new(first);
    let outcome = Mutex::new((Vec::new(), Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let life = Life::new(engine, seed, fault);
                    let (failure, found) = life.live(CUTS_OF_A_LIFE);
                    let mut outcome = outcome.lock().unwrap();
                    outcome.0.extend(failure);
                    outcome.1.add(&found);
                }
            });
        }
    });
    outcome.into_inner().unwrap()
}

fn survives(engine: Engine) {
    let (failures, found) = lives(engine, cuts(), Fault::None);
    println!("{engine:?}: {found}");
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} lives failed", failures.len());
    let is_alone = std::env::var_os("VALECHAT_POWER_SEED_REAL").is_some();
    assert!(is_alone || found.cuts >= cuts(), "{found}");
}

#[test]
fn a_power_cut_takes_nothing_from_the_store_that_was_confirmed() {
    survives(Engine::Store);
}

#[test]
fn a_power_cut_leaves_the_index_right_or_empty() {
    survives(Engine::Index);
}
