//! Messages for tests, and the ways into an index.

use std::collections::BTreeMap;
use std::path::Path;

use vale_search::{
    Change, ConversationKey, Doc, Index, Mode, Opened, Position, Query, Recent, SearchError,
};

/// The schema number of the tests.
pub(crate) const SCHEMA: u32 = 7;

pub(crate) fn key(conversation: u64) -> ConversationKey {
    u128::from(conversation).to_be_bytes()
}

pub(crate) fn doc(ord: u64, text: &str) -> Doc {
    Doc {
        ord,
        conversation: key(ord / 64),
        time_ms: 1_000 + ord,
        role: "user".to_owned(),
        provider: None,
        model: None,
        has_attachment: false,
        text: text.to_owned(),
    }
}

pub(crate) fn open(folder: &Path) -> Opened {
    Index::open(folder, SCHEMA).unwrap()
}

/// A new index with these texts, their places in the list as ords from 1 on, committed.
pub(crate) fn index_of(folder: &Path, texts: &[&str]) -> Index {
    let opened = open(folder);
    assert!(matches!(opened.position, Position::Fresh(_)));
    let docs = (1..)
        .zip(texts)
        .map(|(ord, text)| (ord, Change::Put(doc(ord, text))));
    let mut writer = opened.index.writer().unwrap();
    writer.apply(&docs.collect::<Vec<_>>()).unwrap();
    writer.commit().unwrap();
    writer.close().unwrap();
    opened.index
}

/// The ords of all hits, sorted.
pub(crate) fn ords(index: &Index, recent: &Recent, query: &Query) -> Vec<u64> {
    let mut ords = in_order(index, recent, query);
    ords.sort_unstable();
    ords
}

/// The ords of all hits, in their order.
pub(crate) fn in_order(index: &Index, recent: &Recent, query: &Query) -> Vec<u64> {
    let hits = index.search(query, recent).unwrap();
    hits.hits.iter().map(|hit| hit.ord).collect()
}

/// All that is in an index, page by page: ord and conversation.
pub(crate) fn everything(index: &Index) -> Result<BTreeMap<u64, ConversationKey>, SearchError> {
    let mut all = BTreeMap::new();
    let mut query = Query {
        mode: Mode::Newest,
        limit: 1_000,
        ..Query::new("-nosuchword")
    };
    loop {
        let page = index.search(&query, &Recent::new())?;
        all.extend(page.hits.iter().map(|hit| (hit.ord, hit.conversation)));
        if !page.more {
            return Ok(all);
        }
        query.offset += query.limit;
    }
}
