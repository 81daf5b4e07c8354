//! Finds a credential's value in what a server sends, however it is cut into chunks.
//!
//! A server that reflects headers must not hand a key to the plugin. The patterns (the value, and
//! its base64 at each of three alignments in both alphabets) are searched in the bytes as they
//! come and, at the same time, in those bytes percent-decoded and with the escapes of JSON undone.
//! Only bytes that may be the beginning of a match are held back, so an ordinary stream is not
//! delayed. It finds reflection, not deliberate scrambling: a server that wants to send a key in
//! disguise already has it.

use std::collections::HashMap;

use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, BuildError, MatchError};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::{Bytes, BytesMut};
use vale_secrets::Secret;
use zeroize::Zeroizing;

use self::decode::Decoded;
use crate::Credential;

mod decode;

/// Shorter values are no secrets: a local server's dummy key is a word.
const MIN_CHARS: usize = 16;
/// Shorter pieces of base64 are in any text, for [`holds`].
const MIN_BASE64: usize = 6;

/// What to look for. Holds the patterns for as long as the gate lives.
pub(crate) struct Scanner {
    nfa: NFA,
    /// Header names arrive in lower case.
    any_case: NFA,
    start: StateID,
    /// How many bytes of a pattern have been seen in a state; the start is left out.
    depth: HashMap<StateID, usize>,
    /// Whether a byte occurs in any pattern; after one that does not, every search is at its start.
    alphabet: Box<[bool; 256]>,
    /// Name of the credential behind each pattern.
    owner: Vec<String>,
}

/// A credential's value was found. Nothing of the match has been released.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leak {
    pub(crate) credential: String,
}

/// The search could not be set up; then there must be no gate, for it would let leaks through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScannerError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Search(#[from] MatchError),
}

impl Scanner {
    /// `None` if there is nothing to look for.
    pub(crate) fn new(credentials: &[Credential]) -> Result<Option<Self>, ScannerError> {
        let mut patterns = Vec::new();
        let mut owner = Vec::new();
        for credential in credentials {
            let Some(secret) = &credential.secret else {
                continue;
            };
            // The rendered header holds the value itself, so finding the value finds both.
            if secret.expose().chars().count() < MIN_CHARS {
                continue;
            }
            for pattern in spellings(secret.expose().as_bytes()) {
                patterns.push(pattern);
                owner.push(credential.name.clone());
            }
        }
        if patterns.is_empty() {
            return Ok(None);
        }
        Self::of(&patterns, owner).map(Some)
    }

    fn of(patterns: &[Zeroizing<Vec<u8>>], owner: Vec<String>) -> Result<Self, ScannerError> {
        let nfa = NFA::new(patterns)?;
        let any_case = NFA::builder()
            .prefilter(false)
            .ascii_case_insensitive(true)
            .build(patterns)?;
        let start = nfa.start_state(Anchored::No)?;
        let mut depth = HashMap::new();
        let mut alphabet = Box::new([false; 256]);
        for pattern in patterns {
            let mut state = start;
            for (index, byte) in pattern.iter().enumerate() {
                state = nfa.next_state(Anchored::No, state, *byte);
                depth.insert(state, index + 1);
                if let Some(known) = alphabet.get_mut(usize::from(*byte)) {
                    *known = true;
                }
            }
        }
        Ok(Self {
            nfa,
            any_case,
            start,
            depth,
            alphabet,
            owner,
        })
    }

    /// Looks at a whole text, such as a header's value or an error.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Leak> {
        Scan::default().advance(self, text)
    }

    /// Looks at a header's name.
    pub(crate) fn find_in_name(&self, name: &str) -> Option<Leak> {
        let input = aho_corasick::Input::new(name);
        let found = self.any_case.try_find(&input).ok().flatten()?;
        Some(self.leak(found.pattern().as_usize()))
    }

    fn leak(&self, pattern: usize) -> Leak {
        Leak {
            credential: self.owner.get(pattern).cloned().unwrap_or_default(),
        }
    }

    fn depth(&self, state: StateID) -> usize {
        self.depth.get(&state).copied().unwrap_or(0)
    }
}

/// Whether a text holds this value: as it is, in base64, percent-encoded or with JSON's escapes. For
/// what is written to a file; unlike a gate it looks for short values too, though not for their base64,
/// which is found everywhere. True also when the search cannot be made.
#[must_use]
pub fn holds(text: &[u8], value: &Secret) -> bool {
    let value = value.expose().as_bytes();
    let mut patterns = spellings(value);
    patterns.retain(|pattern| pattern.as_slice() == value || pattern.len() >= MIN_BASE64);
    let owner = vec![String::new(); patterns.len()];
    Scanner::of(&patterns, owner).map_or(true, |scanner| scanner.find(text).is_some())
}

/// How a value may be spelled, escapes aside.
fn spellings(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut all = vec![Zeroizing::new(value.to_vec())];
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3_usize {
            let mut text = Zeroizing::new(vec![0; before]);
            text.extend_from_slice(value);
            let encoded = Zeroizing::new(engine.encode(&*text));
            // Only characters made of the value's bits alone: the rest depends on its neighbours.
            let first = (before * 8).div_ceil(6);
            let end = text.len() * 8 / 6;
            if let Some(core) = encoded.as_bytes().get(first..end) {
                all.push(Zeroizing::new(core.to_vec()));
            }
        }
    }
    all.sort_by(|left, right| left.as_slice().cmp(right));
    all.dedup();
    all
}

/// Where a search stands between chunks.
struct Scan {
    /// In the bytes as they come; `None` is the start.
    raw: Option<StateID>,
    /// In what they decode to.
    decoded: [Decoded; 2],
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            raw: None,
            decoded: [Decoded::percent(), Decoded::json()],
        }
    }
}

impl Scan {
    fn advance(&mut self, scanner: &Scanner, chunk: &[u8]) -> Option<Leak> {
        let plain = |view: &Decoded| view.is_plain(self.raw) && !view.may_differ(chunk);
        if self.decoded.iter().all(plain) {
            // Without an escape all searches see the same, so one suffices.
            return self.advance_plain(scanner, chunk);
        }
        for byte in chunk {
            let state = self.raw.unwrap_or(scanner.start);
            let state = scanner.nfa.next_state(Anchored::No, state, *byte);
            self.raw = Some(state);
            if scanner.nfa.is_match(state) {
                return Some(found(scanner, state));
            }
            for view in &mut self.decoded {
                if let Some(leak) = view.feed(scanner, *byte) {
                    return Some(leak);
                }
            }
        }
        for view in &mut self.decoded {
            view.forget_old_escapes(scanner);
        }
        None
    }

    fn advance_plain(&mut self, scanner: &Scanner, chunk: &[u8]) -> Option<Leak> {
        let mut rest = chunk;
        if self.raw.is_none_or(|state| state == scanner.start) {
            // The usual case: one fast search for a whole match, and only the end, where one may
            // have begun, byte by byte.
            let input = aho_corasick::Input::new(chunk);
            if let Some(found) = scanner.nfa.try_find(&input).ok().flatten() {
                return Some(scanner.leak(found.pattern().as_usize()));
            }
            let outside = |byte: &u8| scanner.alphabet.get(usize::from(*byte)) == Some(&false);
            let from = chunk.iter().rposition(outside).map_or(0, |at| at + 1);
            rest = chunk.get(from..).unwrap_or_default();
        }
        let mut state = self.raw.unwrap_or(scanner.start);
        for byte in rest {
            state = scanner.nfa.next_state(Anchored::No, state, *byte);
            if scanner.nfa.is_match(state) {
                return Some(found(scanner, state));
            }
        }
        self.raw = Some(state);
        for view in &mut self.decoded {
            view.skip_to(state, chunk.len());
        }
        None
    }

    /// How many of the last bytes may belong to a match that is not complete.
    fn undecided(&self, scanner: &Scanner) -> usize {
        let raw = self.raw.map_or(0, |state| scanner.depth(state));
        let views = self.decoded.iter().map(|view| view.undecided(scanner));
        views.fold(raw, usize::max)
    }
}

fn found(scanner: &Scanner, state: StateID) -> Leak {
    scanner.leak(scanner.nfa.match_pattern(state, 0).as_usize())
}

/// A body on its way through the scanner.
#[derive(Default)]
pub(crate) struct BodyScan {
    scan: Scan,
    held: BytesMut,
}

impl BodyScan {
    /// Takes a chunk, gives back what is certainly not part of a match: often the chunk itself.
    pub(crate) fn push(&mut self, scanner: &Scanner, chunk: Bytes) -> Result<Bytes, Leak> {
        if let Some(leak) = self.scan.advance(scanner, &chunk) {
            self.held.clear();
            return Err(leak);
        }
        let keep = self.scan.undecided(scanner);
        if self.held.is_empty() {
            let mut chunk = chunk;
            let kept = chunk.split_off(chunk.len().saturating_sub(keep));
            self.held.extend_from_slice(&kept);
            return Ok(chunk);
        }
        self.held.extend_from_slice(&chunk);
        let free = self.held.len().saturating_sub(keep);
        Ok(self.held.split_to(free).freeze())
    }

    /// What was held back, once nothing more will come.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }
}

#[cfg(test)]
mod tests;
