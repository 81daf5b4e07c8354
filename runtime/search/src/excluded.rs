//! A phrase as what must not be there.
//!
//! tantivy asks an excluded set for documents that lie before its place. Its phrases assert that nobody
//! does (a panic in a debug build, and no promise in a release build). Behind this, they are only
//! asked for what lies ahead.

use tantivy::query::{EnableScoring, Explanation, Query, QueryClone, Scorer, Weight};
use tantivy::{DocId, DocSet, Result, Score, SegmentReader};

/// The same documents, by forward steps alone.
#[derive(Debug)]
pub(crate) struct Excluded(pub(crate) Box<dyn Query>);

impl Clone for Excluded {
    fn clone(&self) -> Self {
        Self(self.0.box_clone())
    }
}

struct Behind<T>(T);

impl Query for Excluded {
    fn weight(&self, scoring: EnableScoring<'_>) -> Result<Box<dyn Weight>> {
        Ok(Box::new(Behind(self.0.weight(scoring)?)))
    }
}

impl Weight for Behind<Box<dyn Weight>> {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> Result<Box<dyn Scorer>> {
        Ok(Box::new(Behind(self.0.scorer(reader, boost)?)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> Result<Explanation> {
        self.0.explain(reader, doc)
    }
}

impl Scorer for Behind<Box<dyn Scorer>> {
    fn score(&mut self) -> Score {
        self.0.score()
    }
}

// Not `seek_danger`: the trait's own looks at the place first, and steps with `seek`.
impl DocSet for Behind<Box<dyn Scorer>> {
    fn advance(&mut self) -> DocId {
        self.0.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.0.seek(target)
    }

    fn doc(&self) -> DocId {
        self.0.doc()
    }

    fn size_hint(&self) -> u32 {
        self.0.size_hint()
    }
}
