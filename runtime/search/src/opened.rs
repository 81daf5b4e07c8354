//! What opening an index found.

use std::fmt;

use crate::index::Index;

/// What [`Index::open`] found.
#[derive(Debug)]
pub struct Opened {
    /// The index.
    pub index: Index,
    /// What is in it.
    pub position: Position,
    /// The last process did not close its writer: run [`Index::validate_checksum`] in the background,
    /// before the next writer is opened (a merge gives damaged data a valid checksum).
    pub unclean: bool,
}

/// Up to where the outbox is in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// All changes up to this one are in, and no later one.
    At(u64),
    /// Nothing is in: feed it everything.
    Fresh(Fresh),
}

/// Why an index is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// There was none.
    Missing,
    /// There was one in which nothing was committed.
    Uncommitted,
    /// It was made by another version, or of rows of another schema.
    OtherVersion,
    /// It could not be read.
    Unreadable(String),
    /// [`Index::condemn`] or [`Index::validate_checksum`] had condemned it.
    Condemned(String),
}

impl fmt::Display for Fresh {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("There was no search index yet."),
            Self::Uncommitted => formatter.write_str("The search index was still empty."),
            Self::OtherVersion => {
                formatter.write_str("The search index was made by another version of ValeChat.")
            }
            Self::Unreadable(why) => {
                write!(formatter, "The search index could not be read: {why}.")
            }
            Self::Condemned(why) => write!(formatter, "The search index was damaged: {why}."),
        }
    }
}
