//! The price book: what a token costs, from dated data. Pure logic.
//!
//! Three questions: what does the book say of a model ([`PriceBook::lookup`]), what does a call cost
//! ([`cost`], [`BookPrice::cost`]), and what is known of a model from all sources together
//! ([`catalogue::merge`]). No I/O, no clock, no async, and no float: the time is an argument, and an amount
//! that is not known is said to be unknown, never 0 (design §2.6).

mod book;
pub mod catalogue;
mod cost;
mod data;
mod decimal;
mod moment;
mod rates;
mod rule;

pub use book::{BookPrice, PriceBook, Variant};
pub use cost::{Bucket, Cost, FEE_SUFFIX, cost};
pub use data::DataError;
pub use decimal::{DecimalError, parse_decimal};
pub use moment::Moment;
