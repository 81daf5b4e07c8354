//! The best hits first, and the newer first among equals.
//!
//! tantivy breaks a tie by the place in the index, which puts the oldest first: while a person types
//! the beginning of a word, all hits are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use tantivy::collector::sort_key::NaturalComparator;
use tantivy::collector::{SegmentSortKeyComputer, SortKeyComputer};
use tantivy::columnar::ColumnValues;
use tantivy::query::Weight;
use tantivy::{DocAddress, DocId, Result, Score, SegmentReader};

use crate::schema::Fields;

/// Score, time, ord.
pub(crate) type Key = (Score, u64, u64);

/// Sorts by [`Key`], and still lets tantivy skip what cannot come in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByRank;

pub(crate) struct SegmentRank {
    time: Arc<dyn ColumnValues<u64>>,
    ord: Arc<dyn ColumnValues<u64>>,
}

impl SortKeyComputer for ByRank {
    type SortKey = Key;
    type Child = SegmentRank;
    type Comparator = NaturalComparator;

    fn requires_scoring(&self) -> bool {
        true
    }

    fn segment_sort_key_computer(&self, reader: &SegmentReader) -> Result<SegmentRank> {
        let fast = reader.fast_fields();
        Ok(SegmentRank {
            time: fast.column_first_or_default(Fields::TIME)?,
            ord: fast.column_first_or_default(Fields::ORD)?,
        })
    }

    fn collect_segment_top_k(
        &self,
        k: usize,
        weight: &dyn Weight,
        reader: &SegmentReader,
        segment: u32,
    ) -> Result<Vec<(Key, DocAddress)>> {
        let mut keys = self.segment_sort_key_computer(reader)?;
        let alive = reader.alive_bitset();
        let mut best: BinaryHeap<Reverse<Entry>> = BinaryHeap::with_capacity(k.saturating_add(1));
        let mut threshold = Score::MIN;
        weight.for_each_pruning(threshold, reader, &mut |doc, score| {
            if alive.is_none_or(|alive| alive.is_alive(doc)) {
                let entry = Entry(keys.segment_sort_key(doc, score), doc);
                best.push(Reverse(entry));
                if best.len() > k {
                    best.pop();
                }
                if best.len() == k
                    && let Some(Reverse(worst)) = best.peek()
                {
                    // Only what is above the threshold comes here, and an equal one has to.
                    threshold = worst.0.0.next_down();
                }
            }
            threshold
        })?;
        let address = |Reverse(entry): Reverse<Entry>| {
            let Entry(key, doc) = entry;
            (key, DocAddress::new(segment, doc))
        };
        Ok(best.into_iter().map(address).collect())
    }
}

impl SegmentSortKeyComputer for SegmentRank {
    type SortKey = Key;
    type SegmentSortKey = Key;
    type SegmentComparator = NaturalComparator;

    fn segment_sort_key(&mut self, doc: DocId, score: Score) -> Key {
        (score, self.time.get_val(doc), self.ord.get_val(doc))
    }

    fn convert_segment_sort_key(&self, key: Key) -> Key {
        key
    }
}

/// A key with a total order; an ord is unique.
#[derive(Debug, Clone, Copy)]
struct Entry(Key, DocId);

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

/// The worse before the better.
pub(crate) fn compare(a: &Key, b: &Key) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
}
