//! Where the prompt cache is asked to keep a prefix.
//!
//! The API takes four breakpoints in one request, none on a thinking block, and none of an hour
//! behind one of five minutes. What the conversation asks for is made to fit.

use vale_sdk::json::Json;
use vale_sdk::{CacheMark, Error};

use crate::blocks::Block;

/// Breakpoints in one request.
const MAX_BREAKPOINTS: usize = 4;

/// How long a prefix is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Five minutes.
    Short,
    /// An hour.
    Long,
}

impl Lifetime {
    /// The lifetime that a message asks for, if any.
    ///
    /// # Errors
    /// `unsupported` for one that the wire does not have.
    pub(crate) fn of(mark: &CacheMark) -> Result<Option<Self>, Error> {
        match mark {
            CacheMark::None => Ok(None),
            CacheMark::Short => Ok(Some(Self::Short)),
            CacheMark::Long => Ok(Some(Self::Long)),
            CacheMark::Other(other) => Err(Error::unsupported(
                format!("cache mark {other}"),
                format!(
                    "This provider keeps a prompt for five minutes or an hour, not \"{other}\"."
                ),
            )),
        }
    }

    fn control(self) -> Json {
        let ttl = match self {
            Self::Short => "5m",
            Self::Long => "1h",
        };
        Json::object().with("type", "ephemeral").with("ttl", ttl)
    }
}

/// Turns the marks of these blocks, which stand in the order of the request, into breakpoints.
pub(crate) fn set_breakpoints(blocks: &mut [&mut Block]) {
    let mut marks: Vec<(usize, Lifetime)> = Vec::new();
    // A mark on a block that takes none moves to the one before it.
    let mut last_markable = None;
    for (at, block) in blocks.iter().enumerate() {
        if block.takes_mark {
            last_markable = Some(at);
        }
        let (Some(lifetime), Some(place)) = (block.mark, last_markable) else {
            continue;
        };
        match marks.last_mut() {
            Some((before, kept)) if *before == place => {
                if lifetime == Lifetime::Long {
                    *kept = lifetime;
                }
            }
            _ => marks.push((place, lifetime)),
        }
    }
    // The first is what other conversations share, the last ones reach furthest.
    if let Some(too_many) = marks.len().checked_sub(MAX_BREAKPOINTS) {
        marks.drain(1..=too_many);
    }
    // Everything up to the last long one is written for an hour anyway, so this costs no more.
    let last_long = marks
        .iter()
        .rposition(|(_, lifetime)| *lifetime == Lifetime::Long);
    for (number, (place, lifetime)) in marks.into_iter().enumerate() {
        let lifetime = match last_long {
            Some(last) if number <= last => Lifetime::Long,
            _ => lifetime,
        };
        if let Some(block) = blocks.get_mut(place) {
            block.json.set("cache_control", lifetime.control());
        }
    }
}
