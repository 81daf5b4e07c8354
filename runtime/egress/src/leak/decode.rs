//! The search in what the bytes mean: percent-decoded, or with the escapes of JSON undone.

use std::collections::VecDeque;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton as _, StateID};

use super::{Leak, Scanner, found};

/// A way of writing a byte as several.
#[derive(Clone, Copy)]
enum Syntax {
    /// `%2F`.
    Percent,
    /// `\/`, and `\u00XX` in either hex case: what serialisers do to `/`, `=`, `+`, `&`, `<`, `>`.
    /// `\"` and `\\` are left alone: keys hold neither character, and chat answers hold thousands,
    /// each of which would need the slow search.
    Json,
}

/// What some bytes are in a [`Syntax`].
enum Verdict {
    /// They may become an escape.
    Open,
    /// An escape for this byte.
    Byte(u8),
    /// Nothing; they stand for themselves.
    Plain,
}

impl Syntax {
    /// With what an escape begins; it occurs nowhere else in one.
    fn first(self) -> u8 {
        match self {
            Self::Percent => b'%',
            Self::Json => b'\\',
        }
    }

    fn judge(self, bytes: &[u8]) -> Verdict {
        let digits = match (self, bytes) {
            (Self::Json, b"\\/") => return Verdict::Byte(b'/'),
            (Self::Json, b"\\" | b"\\u" | b"\\u0") => return Verdict::Open,
            (Self::Json, [b'\\', b'u', b'0', b'0', digits @ ..])
            | (Self::Percent, [b'%', digits @ ..]) => digits,
            _ => return Verdict::Plain,
        };
        match digits {
            [] => Verdict::Open,
            [high] if hex(*high).is_some() => Verdict::Open,
            [high, low] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => Verdict::Byte(high << 4 | low),
                _ => Verdict::Plain,
            },
            _ => Verdict::Plain,
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Where the search in decoded bytes stands between chunks.
pub(super) struct Decoded {
    syntax: Syntax,
    /// `None` is the start.
    state: Option<StateID>,
    /// The beginning of an escape whose rest has not come.
    open: Vec<u8>,
    /// How many decoded bytes there were.
    position: u64,
    /// After how many of them the last escapes ended, and how many bytes more each took than the
    /// one it stands for.
    escapes: VecDeque<(u64, usize)>,
}

impl Decoded {
    pub(super) fn percent() -> Self {
        Self::new(Syntax::Percent)
    }

    pub(super) fn json() -> Self {
        Self::new(Syntax::Json)
    }

    fn new(syntax: Syntax) -> Self {
        Self {
            syntax,
            state: None,
            open: Vec::new(),
            position: 0,
            escapes: VecDeque::new(),
        }
    }

    /// Whether this search stands where the one in the bytes as they come does.
    pub(super) fn is_plain(&self, raw: Option<StateID>) -> bool {
        self.open.is_empty() && self.escapes.is_empty() && self.state == raw
    }

    /// Whether `chunk` may decode to something else than itself.
    pub(super) fn may_differ(&self, chunk: &[u8]) -> bool {
        match self.syntax {
            Syntax::Percent => chunk.contains(&b'%'),
            // `\n` and `\"` are in every answer, so the byte after counts.
            Syntax::Json => {
                chunk.last() == Some(&b'\\')
                    || chunk
                        .windows(2)
                        .any(|pair| matches!(pair, [b'\\', b'/' | b'u']))
            }
        }
    }

    /// `len` bytes that decode to themselves led to `state`.
    pub(super) fn skip_to(&mut self, state: StateID, len: usize) {
        self.position += len as u64;
        self.state = Some(state);
    }

    pub(super) fn feed(&mut self, scanner: &Scanner, byte: u8) -> Option<Leak> {
        if self.open.is_empty() && byte != self.syntax.first() {
            return self.step(scanner, byte);
        }
        self.open.push(byte);
        match self.syntax.judge(&self.open) {
            Verdict::Open => None,
            Verdict::Byte(value) => {
                let more = self.open.len() - 1;
                self.open.clear();
                let leak = self.step(scanner, value);
                self.escapes.push_back((self.position, more));
                leak
            }
            Verdict::Plain => {
                let mut bytes = std::mem::take(&mut self.open);
                // The last one may begin the next escape.
                if byte == self.syntax.first() {
                    bytes.pop();
                    self.open.push(byte);
                }
                bytes.into_iter().find_map(|byte| self.step(scanner, byte))
            }
        }
    }

    fn step(&mut self, scanner: &Scanner, byte: u8) -> Option<Leak> {
        let state = self.state.unwrap_or(scanner.start);
        let state = scanner.nfa.next_state(Anchored::No, state, byte);
        self.state = Some(state);
        self.position += 1;
        scanner.nfa.is_match(state).then(|| found(scanner, state))
    }

    pub(super) fn forget_old_escapes(&mut self, scanner: &Scanner) {
        let depth = self.state.map_or(0, |state| scanner.depth(state)) as u64;
        let oldest = self.position.saturating_sub(depth);
        while self.escapes.front().is_some_and(|(end, _)| *end <= oldest) {
            self.escapes.pop_front();
        }
    }

    /// How many of the last bytes, as they came, may belong to a match that is not complete.
    pub(super) fn undecided(&self, scanner: &Scanner) -> usize {
        let depth = self.state.map_or(0, |state| scanner.depth(state));
        let more: usize = self.escapes.iter().map(|(_, more)| more).sum();
        depth + more + self.open.len()
    }
}
