//! From what the person typed to clauses. There is no wrong input: what says nothing is left out.

use crate::query::Query;
use crate::token::{Kind, Tokens};

/// Pieces of a query that count. A longer one is a pasted text, not a search.
const MAX_PIECES: usize = 64;
/// From how many characters on an unfinished word is the beginning of one.
const PREFIX_CHARS: usize = 3;

/// What one token must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    Term(String),
    Prefix(String),
}

impl Piece {
    pub(crate) fn matches(&self, token: &str) -> bool {
        match self {
            Self::Term(term) => token == term,
            Self::Prefix(prefix) => token.starts_with(prefix.as_str()),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Term(text) | Self::Prefix(text) => text,
        }
    }
}

/// Tokens at fixed distances from each other: a word is a clause of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Distance from the first in positions, rising from 0; never empty.
    pub(crate) pieces: Vec<(usize, Piece)>,
}

impl Clause {
    /// Whether the clause begins at this token of a text.
    pub(crate) fn begins_at<S: AsRef<str>>(&self, tokens: &[S], start: usize) -> bool {
        self.pieces.iter().all(|(distance, piece)| {
            let token = tokens.get(start.saturating_add(*distance));
            token.is_some_and(|token| piece.matches(token.as_ref()))
        })
    }
}

/// A query, understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parsed {
    pub(crate) must: Vec<Clause>,
    pub(crate) must_not: Vec<Clause>,
    /// Something typed was left out for [`MAX_PIECES`].
    pub(crate) cut: bool,
}

impl Parsed {
    pub(crate) fn new(query: &Query) -> Self {
        let mut parsed = Self::default();
        let mut pieces = 0;
        for atom in Atoms::new(&query.text) {
            let is_last = atom.unfinished && query.prefix_last && !atom.negative;
            let Some(mut clause) = clause(atom.text, is_last) else {
                continue;
            };
            let room = MAX_PIECES - pieces;
            if clause.pieces.len() > room {
                clause.pieces.truncate(room);
                parsed.cut = true;
            }
            if clause.pieces.is_empty() {
                break;
            }
            pieces += clause.pieces.len();
            let clauses = if atom.negative {
                &mut parsed.must_not
            } else {
                &mut parsed.must
            };
            if !clauses.contains(&clause) {
                clauses.push(clause);
            }
        }
        parsed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.must.is_empty() && self.must_not.is_empty()
    }
}

/// The clause of a text without operators; `None` if it holds no word.
fn clause(text: &str, prefix_last: bool) -> Option<Clause> {
    let tokens: Vec<_> = Tokens::new(text).take(MAX_PIECES * 2).collect();
    let mut pieces = Vec::with_capacity(tokens.len());
    let count = tokens.len();
    for (index, token) in tokens.into_iter().enumerate() {
        let unfinished = prefix_last && index + 1 == count && token.range.end == text.len();
        let piece = match token.kind {
            // The pair before it holds it already; as the beginning of a pair it would ask for more.
            Kind::Last => continue,
            Kind::Lone => Piece::Prefix(token.text),
            Kind::Word if unfinished && token.text.chars().count() >= PREFIX_CHARS => {
                Piece::Prefix(token.text)
            }
            Kind::Word | Kind::Pair => Piece::Term(token.text),
        };
        pieces.push((token.position, piece));
    }
    let first = pieces.first().map(|(position, _)| *position)?;
    for (position, _) in &mut pieces {
        *position -= first;
    }
    Some(Clause { pieces })
}

/// A word or a quoted phrase, as typed.
struct Atom<'a> {
    text: &'a str,
    negative: bool,
    /// It reaches the end of the input, with no closing quote.
    unfinished: bool,
}

struct Atoms<'a> {
    rest: &'a str,
}

impl<'a> Atoms<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '＂')
}

impl<'a> Iterator for Atoms<'a> {
    type Item = Atom<'a>;

    fn next(&mut self) -> Option<Atom<'a>> {
        let mut rest = self.rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        // `--flag` is something people look for, `- ` a list or a dash.
        let after_dash = rest.strip_prefix('-');
        let negative = after_dash
            .and_then(|after| after.chars().next())
            .is_some_and(|c| is_quote(c) || !(c == '-' || c.is_whitespace()));
        if negative {
            rest = after_dash.unwrap_or(rest);
        }
        if let Some(quoted) = rest.strip_prefix(is_quote) {
            let end = quoted.find(is_quote);
            let text = quoted.get(..end.unwrap_or(quoted.len()))?;
            self.rest = quoted
                .get(text.len()..)?
                .strip_prefix(is_quote)
                .unwrap_or_default();
            return Some(Atom {
                text,
                negative,
                unfinished: end.is_none(),
            });
        }
        let end = rest.find(|c: char| c.is_whitespace() || is_quote(c));
        let text = rest.get(..end.unwrap_or(rest.len()))?;
        self.rest = rest.get(text.len()..)?;
        Some(Atom {
            text,
            negative,
            unfinished: end.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(clauses: &[Clause], sign: &str) -> Vec<String> {
        let clause = |clause: &Clause| {
            let pieces = clause.pieces.iter().map(|(at, piece)| match piece {
                Piece::Term(text) => format!("{text}@{at}"),
                Piece::Prefix(text) => format!("{text}*@{at}"),
            });
            sign.to_owned() + &pieces.collect::<Vec<_>>().join("+")
        };
        clauses.iter().map(clause).collect()
    }

    fn parse(text: &str, prefix_last: bool) -> String {
        let query = Query {
            prefix_last,
            ..Query::new(text)
        };
        let parsed = Parsed::new(&query);
        let mut all = shown(&parsed.must, "");
        all.extend(shown(&parsed.must_not, "-"));
        all.join(" ")
    }

    #[test]
    fn a_query_means_this() {
        let cases = [
            ("", false, ""),
            ("  ?!  \" \" -", false, ""),
            ("Hello World", false, "hello@0 world@0"),
            ("\"Hello World\"", false, "hello@0+world@1"),
            ("“Hello World” x", false, "hello@0+world@1 x@0"),
            ("a a a", false, "a@0"),
            ("foo -bar -\"b c\"", false, "foo@0 -bar@0 -b@0+c@1"),
            ("foo - bar", false, "foo@0 bar@0"),
            ("--flag well-known", false, "flag@0 well@0+known@1"),
            ("foo_bar.baz", false, "foo@0+bar@1+baz@2"),
            (
                "AND OR NOT (a:b) x^2~ [1 TO 2]",
                false,
                "and@0 or@0 not@0 a@0+b@1 x@0+2@1 1@0 to@0 2@0",
            ),
            ("模型", false, "模型@0"),
            ("大语言", false, "大语@0+语言@1"),
            ("模", false, "模*@0"),
            ("GPT模型v2", false, "gpt@0+模型@1+v2@3"),
            ("gpt好", false, "gpt@0+好*@1"),
            ("模型 好", false, "模型@0 好*@0"),
            // While typing.
            ("hello wo", true, "hello@0 wo@0"),
            ("hello wor", true, "hello@0 wor*@0"),
            ("hello wor ", true, "hello@0 wor@0"),
            ("hello wor.", true, "hello@0 wor@0"),
            ("hello -wor", true, "hello@0 -wor@0"),
            ("\"hello wor", true, "hello@0+wor*@1"),
            ("\"hello wor\"", true, "hello@0+wor@1"),
            ("foo_bar.baz", true, "foo@0+bar@1+baz*@2"),
            ("模型", true, "模型@0"),
            ("Stra", true, "stra*@0"),
        ];
        for (text, prefix_last, expected) in cases {
            assert_eq!(parse(text, prefix_last), expected, "{text:?}");
        }
    }

    #[test]
    fn a_pasted_text_is_cut() {
        let text = (0..1000).map(|n| format!("w{n} ")).collect::<String>();
        let parsed = Parsed::new(&Query::new(text.clone()));
        assert_eq!((parsed.must.len(), parsed.cut), (MAX_PIECES, true));
        let parsed = Parsed::new(&Query::new(format!("\"{text}\"")));
        assert_eq!((parsed.must.len(), parsed.cut), (1, true));
        assert_eq!(parsed.must[0].pieces.len(), MAX_PIECES);
    }

    proptest! {
        #[test]
        fn any_input_is_understood(text in any::<String>(), prefix_last: bool) {
            let query = Query { prefix_last, ..Query::new(text) };
            let parsed = Parsed::new(&query);
            for clause in parsed.must.iter().chain(&parsed.must_not) {
                prop_assert_eq!(clause.pieces.first().map(|(at, _)| *at), Some(0));
                prop_assert!(clause.pieces.windows(2).all(|pair| pair[0].0 < pair[1].0));
            }
        }
    }
}
