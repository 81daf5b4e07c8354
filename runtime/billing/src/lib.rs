//! The price book: what a token costs, from dated data. Pure logic.
