//! From clauses and filters to a query of tantivy.

use std::ops::Bound;

use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery,
    RegexPhraseQuery, RegexQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Result, Term};

use crate::excluded::Excluded;
use crate::parse::{Clause, Parsed, Piece};
use crate::query::{ConversationKey, Filters};
use crate::recent::View;
use crate::schema::Fields;

type Boxed = Box<dyn Query>;

/// The query that finds what is asked, without what waits in `view` and is overruled there.
pub(crate) fn plan(
    fields: &Fields,
    parsed: &Parsed,
    filters: &Filters,
    view: &View<'_>,
) -> Result<Boxed> {
    let mut parts: Vec<(Occur, Boxed)> = Vec::new();
    for clause in &parsed.must {
        parts.push((Occur::Must, words(fields.text, clause)?));
        // The word itself before those that only begin with it.
        if let [(_, Piece::Prefix(word))] = clause.pieces.as_slice() {
            parts.push((Occur::Should, term(fields.text, word)));
        }
    }
    if parts.is_empty() {
        let all: Boxed = Box::new(AllQuery);
        parts.push((Occur::Must, silent(all)));
    }
    for clause in &parsed.must_not {
        let excluded = Excluded(words(fields.text, clause)?);
        parts.push((Occur::MustNot, Box::new(excluded)));
    }
    for (field, value) in [
        (fields.provider, &filters.provider),
        (fields.model, &filters.model),
        (fields.role, &filters.role),
    ] {
        if let Some(value) = value {
            let value = Term::from_field_text(field, value);
            parts.push((Occur::Must, exactly(value)));
        }
    }
    if let Some(has) = filters.has_attachment {
        let value = Term::from_field_bool(fields.attachment, has);
        parts.push((Occur::Must, exactly(value)));
    }
    if filters.from_ms.is_some() || filters.to_ms.is_some() {
        let time = |ms| Term::from_field_u64(fields.time, ms);
        let from = filters
            .from_ms
            .map_or(Bound::Unbounded, |ms| Bound::Included(time(ms)));
        let to = filters
            .to_ms
            .map_or(Bound::Unbounded, |ms| Bound::Excluded(time(ms)));
        let range: Boxed = if filters
            .from_ms
            .zip(filters.to_ms)
            .is_some_and(|(a, b)| a >= b)
        {
            Box::new(EmptyQuery)
        } else {
            Box::new(RangeQuery::new(from, to))
        };
        parts.push((Occur::Must, silent(range)));
    }
    let conversation = |key: &ConversationKey| Term::from_field_bytes(fields.conversation, key);
    if let Some(only) = &filters.conversations {
        let only: Boxed = Box::new(TermSetQuery::new(only.iter().map(conversation)));
        parts.push((Occur::Must, silent(only)));
    }
    let without = filters.exclude.union(&view.gone);
    let without: Vec<_> = without.map(conversation).collect();
    if !without.is_empty() {
        parts.push((Occur::MustNot, Box::new(TermSetQuery::new(without))));
    }
    if !view.touched.is_empty() {
        let old = view.touched.iter();
        let old = old.map(|ord| Term::from_field_u64(fields.ord, *ord));
        parts.push((Occur::MustNot, Box::new(TermSetQuery::new(old))));
    }
    if parts.len() == 1
        && let Some((_, only)) = parts.pop()
    {
        return Ok(only);
    }
    Ok(Box::new(BooleanQuery::new(parts)))
}

fn words(field: Field, clause: &Clause) -> Result<Boxed> {
    if let [(_, piece)] = clause.pieces.as_slice() {
        return Ok(match piece {
            Piece::Term(word) => term(field, word),
            Piece::Prefix(word) => Box::new(RegexQuery::from_pattern(&pattern(word, true), field)?),
        });
    }
    let is_term = |(_, piece): &(usize, Piece)| matches!(piece, Piece::Term(_));
    if clause.pieces.iter().all(is_term) {
        let terms = clause.pieces.iter();
        let terms = terms.map(|(at, piece)| (*at, Term::from_field_text(field, piece.text())));
        return Ok(Box::new(PhraseQuery::new_with_offset(terms.collect())));
    }
    let patterns = clause.pieces.iter().map(|(at, piece)| {
        let open = matches!(piece, Piece::Prefix(_));
        (*at, pattern(piece.text(), open))
    });
    let mut phrase = RegexPhraseQuery::new_with_offset(field, patterns.collect());
    phrase.set_max_expansions(u32::MAX);
    Ok(Box::new(phrase))
}

fn term(field: Field, word: &str) -> Boxed {
    let word = Term::from_field_text(field, word);
    Box::new(TermQuery::new(word, IndexRecordOption::WithFreqs))
}

/// Tokens are letters, digits and their marks, none of which a pattern reads as anything else; a
/// sign that got into one all the same is taken literally.
fn pattern(word: &str, open: bool) -> String {
    let mut pattern = String::with_capacity(word.len() + 2);
    for c in word.chars() {
        if c.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if open {
        pattern.push_str(".*");
    }
    pattern
}

fn exactly(value: Term) -> Boxed {
    let query = TermQuery::new(value, IndexRecordOption::Basic);
    silent(Box::new(query))
}

/// A condition that says nothing of how good a hit is.
fn silent(query: Boxed) -> Boxed {
    Box::new(ConstScoreQuery::new(query, 0.0))
}
