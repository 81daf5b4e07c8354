//! ValeChat's store. See `runtime/README.md`, “The store”.
//!
//! The [`Journal`] is the truth; everything else is derived from it.

pub mod disk;
mod error;
mod journal;

pub use error::{Damage, StoreError};
pub use journal::*;
