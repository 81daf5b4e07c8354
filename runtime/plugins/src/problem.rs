//! Mistakes in a manifest or in settings, as values: where, what, and what to do about it.

use std::fmt;

use serde::Serialize;

/// After so many mistakes the rest is noise; the list says that it was cut.
const MAX_PROBLEMS: usize = 20;

/// A place in a text file; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The place of byte `offset` in `text`; an offset past the end is the end.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = text.get(..end).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let last_line = before.get(line_start..).unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
        }
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key as a person would say it: `egress[0].methods`; empty for the file as a whole.
    pub key: String,
    /// Where the file says it, when it comes from a file and the parser knows.
    pub at: Option<Position>,
    /// What is wrong: completes "`key` …".
    pub what: String,
    /// What to do about it: a sentence.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Position { line, column }) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}` ", self.key)?;
        }
        write!(f, "{}. {}", self.what, self.fix)
    }
}

/// Everything that was found wrong in one pass, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ManifestError {
    problems: Vec<Problem>,
    /// More were found than are listed.
    more: bool,
}

impl ManifestError {
    /// The mistakes, at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// True when the list was cut.
    pub fn has_more(&self) -> bool {
        self.more
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.more {
            f.write_str("\nThere are more mistakes; mend these first.")?;
        }
        Ok(())
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
    more: bool,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.list.len() < MAX_PROBLEMS {
            self.list.push(problem);
        } else {
            self.more = true;
        }
    }

    /// A mistake that has no place in a file.
    pub(crate) fn say(
        &mut self,
        key: impl Into<String>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Problem {
            key: key.into(),
            at: None,
            what: what.into(),
            fix: fix.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `value`, or every mistake in the order of the file.
    pub(crate) fn or<T>(self, value: T) -> Result<T, ManifestError> {
        self.finish(Some(value))
    }

    /// `value` when nothing is wrong, else every mistake in the order of the file.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<T, ManifestError> {
        match value {
            Some(value) if self.list.is_empty() => return Ok(value),
            None if self.list.is_empty() => self.say(
                "",
                "The manifest could not be read, and no reason was noted",
                "This is a mistake in ValeChat; please report it with the file.",
            ),
            _ => {}
        }
        self.list.sort_by_key(|problem| {
            problem
                .at
                .map_or((usize::MAX, 0), |at| (at.line, at.column))
        });
        Err(ManifestError {
            problems: self.list,
            more: self.more,
        })
    }
}
