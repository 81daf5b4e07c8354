//! What was written a moment ago: changes that no commit holds yet, searched by a plain scan.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::parse::{Clause, Parsed, Piece};
use crate::query::{ConversationKey, Filters};
use crate::schema::{Change, Doc};
use crate::token::Tokens;

/// The outbox from the index's position on, ready to be scanned. Meant for the 500 changes that
/// [`CommitPolicy`](crate::CommitPolicy) lets gather; more make a search slower, not wrong.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    changes: VecDeque<(u64, Entry)>,
}

#[derive(Debug, Clone)]
enum Entry {
    Put(Scanned),
    Remove(u64),
    RemoveConversation(ConversationKey),
}

/// A message without its text, and the text's tokens in order.
#[derive(Debug, Clone)]
pub(crate) struct Scanned {
    pub(crate) doc: Doc,
    pub(crate) tokens: Vec<String>,
}

impl Recent {
    /// Nothing waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A change came into the outbox at this place, which is not before the last one.
    pub fn push(&mut self, lsn: u64, change: Change) {
        let entry = match change {
            Change::Put(mut doc) => {
                let text = std::mem::take(&mut doc.text);
                let tokens = Tokens::new(&text).map(|token| token.text).collect();
                Entry::Put(Scanned { doc, tokens })
            }
            Change::Remove { ord } => Entry::Remove(ord),
            Change::RemoveConversation(key) => Entry::RemoveConversation(key),
        };
        self.changes.push_back((lsn, entry));
    }

    /// A commit holds all changes up to this place.
    pub fn forget_through(&mut self, lsn: u64) {
        while self.changes.front().is_some_and(|(at, _)| *at <= lsn) {
            self.changes.pop_front();
        }
    }

    /// How many changes wait.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What the changes come to.
    pub(crate) fn view(&self) -> View<'_> {
        let mut view = View::default();
        for (_, entry) in &self.changes {
            match entry {
                Entry::Put(scanned) => {
                    view.touched.insert(scanned.doc.ord);
                    view.live.insert(scanned.doc.ord, scanned);
                }
                Entry::Remove(ord) => {
                    view.touched.insert(*ord);
                    view.live.remove(ord);
                }
                Entry::RemoveConversation(key) => {
                    view.gone.insert(*key);
                    view.live
                        .retain(|_, scanned| scanned.doc.conversation != *key);
                }
            }
        }
        view
    }
}

/// The messages that wait, and what they overrule in the index.
#[derive(Debug, Default)]
pub(crate) struct View<'a> {
    pub(crate) live: BTreeMap<u64, &'a Scanned>,
    /// What the index says of these messages is old.
    pub(crate) touched: HashSet<u64>,
    /// What the index says of these conversations is old.
    pub(crate) gone: HashSet<ConversationKey>,
}

impl Filters {
    pub(crate) fn let_through(&self, doc: &Doc) -> bool {
        let equal = |wanted: &Option<String>, found: Option<&String>| match wanted {
            Some(wanted) => found == Some(wanted),
            None => true,
        };
        equal(&self.provider, doc.provider.as_ref())
            && equal(&self.model, doc.model.as_ref())
            && equal(&self.role, Some(&doc.role))
            && self.from_ms.is_none_or(|from| doc.time_ms >= from)
            && self.to_ms.is_none_or(|to| doc.time_ms < to)
            && self
                .has_attachment
                .is_none_or(|has| doc.has_attachment == has)
            && !self.exclude.contains(&doc.conversation)
            && match &self.conversations {
                Some(only) => only.contains(&doc.conversation),
                None => true,
            }
    }
}

impl Parsed {
    pub(crate) fn matches<S: AsRef<str>>(&self, tokens: &[S]) -> bool {
        let has = |clause: &Clause| (0..tokens.len()).any(|at| clause.begins_at(tokens, at));
        self.must.iter().all(has) && !self.must_not.iter().any(has)
    }
}

/// What the score of a word needs to know of all messages.
pub(crate) trait Statistics {
    fn messages(&self) -> f32;
    fn mean_tokens(&self) -> f32;
    fn messages_with(&self, term: &str) -> f32;
}

/// BM25 with tantivy's constants, so that these hits and the index's can be put in one order.
pub(crate) fn score(parsed: &Parsed, tokens: &[String], statistics: &impl Statistics) -> f32 {
    const K1: f32 = 1.2;
    const B: f32 = 0.75;
    let length = tokens.len() as f32 / statistics.mean_tokens().max(1.0);
    let idf = |term: &str| {
        let with = statistics.messages_with(term);
        let without = (statistics.messages() - with).max(0.0);
        (1.0 + (without + 0.5) / (with + 0.5)).ln()
    };
    let weight = |times: usize, idf: f32| {
        let times = times as f32;
        idf * (1.0 + K1) * times / (times + K1 * (1.0 - B + B * length))
    };
    let count = |clause: &Clause| {
        let starts = 0..tokens.len();
        starts.filter(|at| clause.begins_at(tokens, *at)).count()
    };
    let clause = |clause: &Clause| match clause.pieces.as_slice() {
        // The index gives every word with this beginning one point, and the word itself its own.
        [(_, Piece::Prefix(prefix))] => {
            let exact = tokens.iter().filter(|token| *token == prefix).count();
            1.0 + weight(exact, idf(prefix))
        }
        pieces => {
            let idf = pieces.iter().map(|(_, piece)| idf(piece.text())).sum();
            weight(count(clause), idf)
        }
    };
    parsed.must.iter().map(clause).sum()
}
