//! The store as its users have it: on the real disk, with sled, in threads and in processes that die.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod backup;
mod damage;
mod full;
mod kill;
mod life;
mod toy;
mod view;
