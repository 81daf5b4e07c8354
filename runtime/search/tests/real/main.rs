//! The index on a real disk: what it finds, and what it survives.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod damage;
mod finds;
mod kill;
mod life;
mod model;
mod truth;
