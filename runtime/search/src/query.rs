//! What is asked: the words, the order, the filters.

use std::collections::HashSet;

/// The 16 bytes of a conversation's id.
pub type ConversationKey = [u8; 16];

/// Hits of one query at most; a larger [`Query::limit`] is cut to it.
pub const MAX_LIMIT: usize = 1_000;
/// How far into the hits a query may begin; a larger [`Query::offset`] finds nothing.
pub const MAX_OFFSET: usize = 10_000;

/// The order of the hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The best first (BM25), the newer first among equals.
    #[default]
    Ranked,
    /// The newest first.
    Newest,
}

/// What a hit must be besides its words. The default lets everything through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filters {
    /// The provider's id, exactly.
    pub provider: Option<String>,
    /// The model's id, exactly.
    pub model: Option<String>,
    /// The role, exactly.
    pub role: Option<String>,
    /// Not before this time, in milliseconds since 1970.
    pub from_ms: Option<u64>,
    /// Before this time, in milliseconds since 1970.
    pub to_ms: Option<u64>,
    /// With an attachment, or without.
    pub has_attachment: Option<bool>,
    /// In one of these conversations (a folder's, for example).
    pub conversations: Option<HashSet<ConversationKey>>,
    /// In none of these conversations (the deleted ones, for example).
    pub exclude: HashSet<ConversationKey>,
}

impl Filters {
    /// Whether nothing is filtered that a person has chosen. [`Filters::exclude`] does not count.
    pub fn is_open(&self) -> bool {
        let Self {
            provider: None,
            model: None,
            role: None,
            from_ms: None,
            to_ms: None,
            has_attachment: None,
            conversations: None,
            exclude: _,
        } = self
        else {
            return false;
        };
        true
    }
}

/// One search. Any text is a valid one.
///
/// All words must be there, in any order. `"words in quotes"` must be there as a phrase, and so must
/// what is written without spaces, such as `foo_bar.baz`. `-word` and `-"a phrase"` must not be there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// What the person typed.
    pub text: String,
    /// The order.
    pub mode: Mode,
    /// The filters.
    pub filters: Filters,
    /// How many hits at most; see [`MAX_LIMIT`].
    pub limit: usize,
    /// How many hits to skip; see [`MAX_OFFSET`].
    pub offset: usize,
    /// The person is still typing: a last word of three or more characters is the beginning of one.
    pub prefix_last: bool,
}

impl Query {
    /// A finished query for the 20 best hits.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            limit: 20,
            ..Self::default()
        }
    }
}
