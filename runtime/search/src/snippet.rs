//! A few words around what was found.

use std::ops::Range;

use crate::fold::{Class, class, continues};
use crate::parse::{Clause, Parsed};
use crate::query::Query;
use crate::token::{Token, Tokens};

/// Characters of a snippet, about.
const LENGTH: usize = 160;
/// Of them before the first thing found.
const BEFORE: usize = 40;
/// How far an end moves to the nearest space.
const SNAP: usize = 16;

/// A piece of a text on one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snippet {
    /// The piece, with `…` where something is left out.
    pub text: String,
    /// What was found in it: in bytes, in order, without overlap, at the boundaries of characters.
    pub highlights: Vec<Range<usize>>,
}

/// The piece of `text` that shows best why `query` found it; its beginning if nothing in it does. Control
/// characters are left out, and so are those that turn the direction of what follows.
pub fn snippet(text: &str, query: &Query) -> Snippet {
    let parsed = Parsed::new(query);
    let marks = marks(text, &parsed.must);
    let window = window(text, &marks);
    render(text, window, &marks)
}

/// A place in the text, and which clause it is of.
#[derive(Debug, Clone)]
struct Mark {
    range: Range<usize>,
    clause: usize,
}

fn marks(text: &str, clauses: &[Clause]) -> Vec<Mark> {
    if clauses.is_empty() {
        return Vec::new();
    }
    let tokens: Vec<Token> = Tokens::new(text).collect();
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let mut marks = Vec::new();
    for (number, clause) in clauses.iter().enumerate() {
        for start in 0..tokens.len() {
            if !clause.begins_at(&words, start) {
                continue;
            }
            for (distance, piece) in &clause.pieces {
                let Some(token) = tokens.get(start + distance) else {
                    continue;
                };
                // One character as the beginning of a pair: the pair's second is not meant.
                let typed = piece.text().chars().count();
                let meant =
                    token.text.chars().count() == typed || token.kind == crate::token::Kind::Word;
                let range = if meant {
                    token.range.clone()
                } else {
                    first_cluster(text, &token.range)
                };
                marks.push(Mark {
                    range,
                    clause: number,
                });
            }
        }
    }
    marks.sort_by_key(|mark| (mark.range.start, mark.range.end));
    marks
}

fn first_cluster(text: &str, range: &Range<usize>) -> Range<usize> {
    let part = text.get(range.clone()).unwrap_or_default();
    let second = part.char_indices().skip(1).find(|(_, c)| !continues(*c));
    range.start..range.start + second.map_or(part.len(), |(at, _)| at)
}

/// The part to show, in bytes: where the most clauses meet, the earliest of equals.
fn window(text: &str, marks: &[Mark]) -> Range<usize> {
    let room = LENGTH - BEFORE;
    let mut best = (0, 0);
    let mut anchor = None;
    for (index, first) in marks.iter().enumerate() {
        let after = text.get(first.range.start..).unwrap_or_default();
        let end = after
            .char_indices()
            .nth(room)
            .map_or(text.len(), |(at, _)| first.range.start + at);
        let mut clauses: Vec<usize> = Vec::new();
        let mut count = 0;
        for mark in marks.get(index..).unwrap_or_default() {
            if mark.range.end > end {
                break;
            }
            count += 1;
            if !clauses.contains(&mark.clause) {
                clauses.push(mark.clause);
            }
        }
        if (clauses.len(), count) > best {
            best = (clauses.len(), count);
            anchor = Some(first.range.start);
        }
        // Many marks of a common word: the first thousand places are enough to choose from.
        if index >= 1_000 {
            break;
        }
    }
    let anchor = anchor
        .or_else(|| marks.first().map(|mark| mark.range.start))
        .unwrap_or(0);
    let start = back(text, anchor, BEFORE);
    let end = forth(text, start, LENGTH);
    // Near the end of a text there is room to begin earlier.
    let start = if end == text.len() {
        back(text, end, LENGTH).min(start)
    } else {
        start
    };
    snap_start(text, start, anchor)..snap_end(text, end, anchor)
}

/// The place `count` characters before `from`.
fn back(text: &str, from: usize, count: usize) -> usize {
    let before = text.get(..from).unwrap_or_default();
    before
        .char_indices()
        .rev()
        .take(count)
        .last()
        .map_or(from, |(at, _)| at)
}

/// The place `count` characters after `from`.
fn forth(text: &str, from: usize, count: usize) -> usize {
    let after = text.get(from..).unwrap_or_default();
    after
        .char_indices()
        .nth(count)
        .map_or(text.len(), |(at, _)| from + at)
}

/// Forward to the beginning of a word, if one is near and before `anchor`; else of a character with its marks.
fn snap_start(text: &str, start: usize, anchor: usize) -> usize {
    if start == 0
        || text
            .get(..start)
            .is_some_and(|before| before.ends_with(char::is_whitespace))
    {
        return start;
    }
    let near = text.get(start..anchor).unwrap_or_default();
    let space = near
        .char_indices()
        .take(SNAP)
        .find(|(_, c)| c.is_whitespace());
    if let Some((at, c)) = space {
        return start + at + c.len_utf8();
    }
    let whole = near.char_indices().find(|(_, c)| !continues(*c));
    whole.map_or(start.max(anchor.min(start + near.len())), |(at, _)| {
        start + at
    })
}

/// Back to the end of a word, if one is near and after `anchor`; else forward over a character's marks.
fn snap_end(text: &str, end: usize, anchor: usize) -> usize {
    if end >= text.len()
        || text
            .get(end..)
            .is_some_and(|after| after.starts_with(char::is_whitespace))
    {
        return end;
    }
    let near = text.get(anchor..end).unwrap_or_default();
    let space = near
        .char_indices()
        .rev()
        .take(SNAP)
        .find(|(_, c)| c.is_whitespace());
    if let Some((at, _)) = space
        && at > 0
    {
        return anchor + at;
    }
    let after = text.get(end..).unwrap_or_default();
    let whole = after.char_indices().find(|(_, c)| !continues(*c));
    whole.map_or(text.len(), |(at, _)| end + at)
}

/// One line: every run of spaces and line ends is one space.
fn render(text: &str, window: Range<usize>, marks: &[Mark]) -> Snippet {
    let mut out = String::new();
    let mut highlights: Vec<Range<usize>> = Vec::new();
    let part = text.get(window.clone()).unwrap_or_default();
    if !text
        .get(..window.start)
        .unwrap_or_default()
        .trim()
        .is_empty()
    {
        out.push('…');
    }
    let lead = out.len();
    let mut marks = marks.iter().peekable();
    let mut until = 0;
    for (at, c) in part.char_indices() {
        let at = window.start + at;
        while let Some(mark) = marks.next_if(|mark| mark.range.start <= at) {
            until = until.max(mark.range.end);
        }
        let marked = at < until;
        let before = out.len();
        if c.is_whitespace() {
            if !out.ends_with(' ') && out.len() > lead {
                out.push(' ');
            }
        } else if c.is_control() || turns_direction(c) {
            continue;
        } else {
            out.push(c);
        }
        if !marked || out.len() == before {
            continue;
        }
        match highlights.last_mut() {
            Some(last) if last.end == before => last.end = out.len(),
            _ => highlights.push(before..out.len()),
        }
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    for highlight in &mut highlights {
        highlight.end = highlight.end.min(kept);
    }
    highlights.retain(|highlight| highlight.start < highlight.end);
    if !text.get(window.end..).unwrap_or_default().trim().is_empty() {
        out.push('…');
    }
    Snippet {
        text: out,
        highlights,
    }
}

fn turns_direction(c: char) -> bool {
    class(c) == Class::Ignored && matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
