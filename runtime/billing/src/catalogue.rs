//! What is known of a model, from the provider, the price book and the person together.
//!
//! Each value says where it comes from, and each is chosen by itself: the person's word before the provider's,
//! the provider's before the book's. What nobody says stays unknown.

mod capability;
mod entry;
mod filter;
mod merge;
mod overrides;

pub use capability::{Capability, CapabilityMap};
pub use entry::{Entry, EntryPrice, Source, Sourced};
pub use filter::Filter;
pub use merge::merge;
pub use overrides::{Override, Overrides};
