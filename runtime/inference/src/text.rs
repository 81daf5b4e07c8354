//! From tokens' bytes to text that can be shown: whole characters only, stop strings held back.

/// Joins bytes to characters. What is not yet a whole character waits; what can never become one
/// turns into U+FFFD, exactly as `String::from_utf8_lossy` over everything would do.
#[derive(Default)]
pub(crate) struct Utf8Stream {
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Takes more bytes and gives the characters that are now complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let keep = self
            .pending
            .utf8_chunks()
            .last()
            .map_or(0, |chunk| unfinished(chunk.invalid(), &self.pending));
        let ready = self.pending.len() - keep;
        let text = self
            .pending
            .get(..ready)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default();
        self.pending.drain(..ready);
        text
    }

    /// Gives what is left when no more bytes come.
    pub(crate) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// Length of `tail` if more bytes could make it a character, else 0.
fn unfinished(tail: &[u8], all: &[u8]) -> usize {
    let waits = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    if waits && all.ends_with(tail) {
        tail.len()
    } else {
        0
    }
}

/// Finds the first of some stop strings in a text that arrives in pieces: the one that is complete
/// first, and of two that end at the same place the longer. So the answer does not depend on how
/// the text was cut.
pub(crate) struct StopFinder {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

impl StopFinder {
    /// Looks for `stops`; empty ones are ignored.
    pub(crate) fn new(stops: Vec<String>) -> Self {
        Self {
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            held: String::new(),
            stopped: false,
        }
    }

    /// Takes more text and gives what certainly belongs to the answer. After a stop string
    /// nothing does.
    pub(crate) fn push(&mut self, text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        let ends = |stop: &String| self.held.find(stop).map(|at| (at + stop.len(), at));
        let first = self.stops.iter().filter_map(ends).min();
        if let Some((_, at)) = first {
            self.stopped = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let release = self.held.len() - self.possible_beginning();
        self.held.drain(..release).collect()
    }

    /// Whether a stop string has appeared.
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Gives what was held back when no more text comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Length of the longest tail of the held text with which a stop string begins.
    fn possible_beginning(&self) -> usize {
        self.held
            .char_indices()
            .map(|(at, _)| at)
            .filter_map(|at| self.held.get(at..))
            .find(|tail| self.stops.iter().any(|stop| stop.starts_with(tail)))
            .map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Cuts `bytes` into pieces whose lengths are taken from `lengths`, round and round.
    fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at((*length).clamp(1, rest.len()));
            pieces.push(piece);
            rest = later;
        }
        pieces
    }

    /// A plain reading of what stop strings mean: look at the whole text after each character.
    fn answer_before_stop(text: &str, stops: &[String]) -> (String, bool) {
        for (at, c) in text.char_indices() {
            let read = &text[..at + c.len_utf8()];
            let ending = stops.iter().filter(|stop| read.ends_with(*stop));
            if let Some(longest) = ending.map(String::len).max() {
                return (read[..read.len() - longest].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    #[test]
    fn a_character_in_two_tokens_comes_out_once_and_whole() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push("né".as_bytes().split_last().unwrap().1), "n");
        assert_eq!(stream.push(&[0xA9, 0xF0, 0x9F]), "é");
        assert_eq!(stream.push(&[0x98, 0x80]), "😀");
        assert_eq!(stream.push(&[0xE2, 0x82]), "");
        assert_eq!(stream.finish(), "\u{FFFD}");
    }

    #[test]
    fn a_stop_string_over_three_tokens_never_shows() {
        let mut finder = StopFinder::new(vec!["END".to_owned()]);
        assert_eq!(finder.push("one E"), "one ");
        assert_eq!(finder.push("EN"), "E");
        assert_eq!(finder.push("D two"), "");
        assert!(finder.stopped());
        assert_eq!(finder.finish(), "");
    }

    #[test]
    fn of_two_overlapping_stop_strings_the_one_that_ends_first_counts() {
        for pieces in [vec!["xaéé"], vec!["x", "a", "é", "é"]] {
            let mut finder = StopFinder::new(vec!["é".to_owned(), "aéé".to_owned()]);
            let shown: String = pieces.into_iter().map(|piece| finder.push(piece)).collect();
            assert_eq!((shown.as_str(), finder.stopped()), ("xa", true));
        }
    }

    #[test]
    fn a_beginning_that_leads_nowhere_is_released() {
        let mut finder = StopFinder::new(vec!["\n\nUser:".to_owned()]);
        assert_eq!(finder.push("a\n\nUs"), "a");
        assert_eq!(finder.push("ual"), "\n\nUsual");
        assert_eq!(finder.push("\n"), "");
        assert_eq!(finder.finish(), "\n");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_decode_as_a_whole(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                "\\PC{0,30}".prop_map(String::into_bytes),
                proptest::collection::vec(
                    prop_oneof![Just(0xE2_u8), Just(0x82), Just(0xAC), Just(0xF0), Just(0x9F), Just(b'a')],
                    0..30,
                ),
            ],
            lengths in proptest::collection::vec(1_usize..5, 1..8),
        ) {
            let mut stream = Utf8Stream::default();
            let mut text = String::new();
            for piece in cut(&bytes, &lengths) {
                text.push_str(&stream.push(piece));
            }
            text.push_str(&stream.finish());
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn stop_strings_are_found_whatever_the_pieces(
            text in "[abé]{0,40}",
            stops in proptest::collection::vec("[abé]{1,4}", 0..4),
            lengths in proptest::collection::vec(1_usize..6, 1..8),
        ) {
            let mut stream = Utf8Stream::default();
            let mut finder = StopFinder::new(stops.clone());
            let mut shown = String::new();
            for piece in cut(text.as_bytes(), &lengths) {
                shown.push_str(&finder.push(&stream.push(piece)));
                // Whatever was shown must never have to be taken back.
                prop_assert!(answer_before_stop(&text, &stops).0.starts_with(&shown));
            }
            shown.push_str(&finder.push(&stream.finish()));
            let stopped = finder.stopped();
            shown.push_str(&finder.finish());
            prop_assert_eq!((shown, stopped), answer_before_stop(&text, &stops));
        }
    }
}
