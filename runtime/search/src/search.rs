//! One search: the index's hits and those of what waits, in one order.

use std::cell::RefCell;
use std::collections::HashMap;

use tantivy::collector::TopDocs;
use tantivy::collector::sort_key::SortByStaticFastValue;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::{DocAddress, Order, Searcher, Term};

use crate::error::{SearchError, guarded};
use crate::index::Index;
use crate::parse::Parsed;
use crate::plan::plan;
use crate::query::{ConversationKey, MAX_LIMIT, MAX_OFFSET, Mode, Query};
use crate::rank::{ByRank, Key, compare};
use crate::recent::{Recent, Statistics, View, score};
use crate::schema::Fields;

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its [`Doc::ord`](crate::Doc::ord).
    pub ord: u64,
    /// Where it is.
    pub conversation: ConversationKey,
    /// When it was written, in milliseconds since 1970.
    pub time_ms: u64,
    /// How good it is; only good for comparing hits of one search. 0 with [`Mode::Newest`].
    pub score: f32,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Hits {
    /// In the order that was asked for.
    pub hits: Vec<Hit>,
    /// There are more after these.
    pub more: bool,
    /// A sentence for the person, where the answer needs one.
    pub note: Option<&'static str>,
}

impl Index {
    /// Searches what is committed and what waits in `recent`. Never an error for what was typed.
    ///
    /// # Errors
    /// [`SearchError::Damaged`]: condemn the index, drop it and open it again.
    pub fn search(&self, query: &Query, recent: &Recent) -> Result<Hits, SearchError> {
        let parsed = Parsed::new(query);
        if parsed.is_empty() && (!query.text.trim().is_empty() || query.filters.is_open()) {
            let note = if query.text.trim().is_empty() {
                "Type a word to search for."
            } else {
                "There is no word to search for in this text. Signs alone are not searched."
            };
            return Ok(Hits {
                note: Some(note),
                ..Hits::default()
            });
        }
        let note = parsed
            .cut
            .then_some("Only the first 64 words of this text were searched for.");
        let limit = query.limit.min(MAX_LIMIT);
        if limit == 0 || query.offset > MAX_OFFSET {
            return Ok(Hits {
                note,
                ..Hits::default()
            });
        }
        // One more tells whether there are more.
        let wanted = query.offset + limit + 1;
        let view = recent.view();
        let mut found = guarded(|| {
            let searcher = self.searcher();
            let mut found = indexed(&searcher, &self.0.fields, query, &parsed, &view, wanted)?;
            found.extend(waiting(&searcher, &self.0.fields, query, &parsed, &view));
            Ok(found)
        })?;
        found.sort_unstable_by(|a, b| compare(&b.0, &a.0));
        let more = found.len() >= wanted;
        let shown = found.into_iter().skip(query.offset).take(limit);
        let hits = shown.map(|((score, time_ms, ord), conversation)| Hit {
            ord,
            conversation,
            time_ms,
            score,
        });
        Ok(Hits {
            hits: hits.collect(),
            more,
            note,
        })
    }
}

type Found = (Key, ConversationKey);

fn indexed(
    searcher: &Searcher,
    fields: &Fields,
    query: &Query,
    parsed: &Parsed,
    view: &View<'_>,
    wanted: usize,
) -> tantivy::Result<Vec<Found>> {
    let plan = plan(fields, parsed, &query.filters, view)?;
    let top = TopDocs::with_limit(wanted);
    let keys: Vec<(Key, DocAddress)> = match query.mode {
        Mode::Ranked => searcher.search(&*plan, &top.order_by(ByRank))?,
        Mode::Newest => {
            let time = SortByStaticFastValue::<u64>::for_field(Fields::TIME);
            let ord = SortByStaticFastValue::<u64>::for_field(Fields::ORD);
            let order = ((time, Order::Desc), (ord, Order::Desc));
            let keys = searcher.search(&*plan, &top.order_by(order))?;
            let keys = keys.into_iter().map(|((time, ord), address)| {
                let key = (0.0, time.unwrap_or_default(), ord.unwrap_or_default());
                (key, address)
            });
            keys.collect()
        }
    };
    let mut columns = HashMap::new();
    let mut bytes = Vec::new();
    let mut found = Vec::with_capacity(keys.len());
    for (key, address) in keys {
        let column = match columns.entry(address.segment_ord) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let reader = searcher.segment_reader(address.segment_ord);
                entry.insert(reader.fast_fields().bytes(Fields::CONVERSATION)?)
            }
        };
        let none =
            || tantivy::TantivyError::InternalError("a message without a conversation".into());
        let column = column.as_ref().ok_or_else(none)?;
        let term = column.term_ords(address.doc_id).next().ok_or_else(none)?;
        bytes.clear();
        column.ord_to_bytes(term, &mut bytes)?;
        let conversation = bytes.as_slice().try_into().map_err(|_| none())?;
        found.push((key, conversation));
    }
    Ok(found)
}

fn waiting(
    searcher: &Searcher,
    fields: &Fields,
    query: &Query,
    parsed: &Parsed,
    view: &View<'_>,
) -> Vec<Found> {
    let statistics = Together {
        searcher,
        fields,
        view,
        with: RefCell::default(),
        tokens: view.live.values().map(|scanned| scanned.tokens.len()).sum(),
    };
    let matching = view.live.values().filter(|scanned| {
        query.filters.let_through(&scanned.doc) && parsed.matches(&scanned.tokens)
    });
    let found = matching.map(|scanned| {
        let score = match query.mode {
            Mode::Ranked => score(parsed, &scanned.tokens, &statistics),
            Mode::Newest => 0.0,
        };
        let key = (score, scanned.doc.time_ms, scanned.doc.ord);
        (key, scanned.doc.conversation)
    });
    found.collect()
}

/// The index and what waits, counted together.
struct Together<'a> {
    searcher: &'a Searcher,
    fields: &'a Fields,
    view: &'a View<'a>,
    with: RefCell<HashMap<String, f32>>,
    tokens: usize,
}

impl Statistics for Together<'_> {
    fn messages(&self) -> f32 {
        let indexed = self.searcher.total_num_docs().unwrap_or_default();
        indexed as f32 + self.view.live.len() as f32
    }

    fn mean_tokens(&self) -> f32 {
        let indexed = self.searcher.total_num_tokens(self.fields.text);
        let tokens = indexed.unwrap_or_default() as f32 + self.tokens as f32;
        tokens / self.messages().max(1.0)
    }

    fn messages_with(&self, term: &str) -> f32 {
        if let Some(with) = self.with.borrow().get(term) {
            return *with;
        }
        let key = Term::from_field_text(self.fields.text, term);
        let indexed = self.searcher.doc_freq(&key).unwrap_or_default();
        let waiting = self.view.live.values();
        let waiting = waiting.filter(|scanned| scanned.tokens.iter().any(|token| token == term));
        let with = indexed as f32 + waiting.count() as f32;
        self.with.borrow_mut().insert(term.to_owned(), with);
        with
    }
}
