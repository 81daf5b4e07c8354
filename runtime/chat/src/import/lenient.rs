//! The text of a JSON string, byte by byte, made into what a strict reader takes.
//!
//! Exports hold what JSON forbids or `serde_json` refuses: half a surrogate pair, an escape that
//! does not exist, a bare line break. None of it is worth a conversation. The state lives from one
//! byte to the next, so the borders of the reader's buffer do not matter.

/// What stands in the place of a string over the limit. The bytes it had follow in decimal.
const TOO_LONG: &str = "\u{0}too-long:";

/// The bytes that a string had which was over the limit, if `text` stands in for one.
pub(super) fn too_long(text: &str) -> Option<u64> {
    text.strip_prefix(TOO_LONG)?.parse().ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    Backslash,
    /// Inside `\uXXXX`: how many digits came, and their value.
    Hex(u8, u16),
}

/// Cleans one string after the other.
#[derive(Debug)]
pub(super) struct Strings {
    state: State,
    /// The first half of a surrogate pair, waiting for its second.
    high: Option<u16>,
    /// Where the string began in the output.
    start: usize,
    /// Bytes taken from the input for this string.
    taken: u64,
    over: bool,
    limit: usize,
}

impl Strings {
    /// `limit`: bytes a string may have.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            state: State::Plain,
            high: None,
            start: 0,
            taken: 0,
            over: false,
            limit,
        }
    }

    /// Begins a string: its opening quote was read.
    pub(super) fn open(&mut self, out: &mut Vec<u8>) {
        self.state = State::Plain;
        self.high = None;
        self.taken = 0;
        self.over = false;
        self.start = out.len();
        out.push(b'"');
    }

    /// Takes bytes up to the closing quote. Returns how many, and whether the string is closed.
    pub(super) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            if self.state == State::Plain {
                let plain = rest
                    .iter()
                    .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
                    .unwrap_or(rest.len());
                if plain > 0 {
                    self.flush_high(out);
                    self.emit(rest.get(..plain).unwrap_or_default(), out);
                    self.taken += plain as u64;
                    at += plain;
                    continue;
                }
            }
            let Some(&byte) = rest.first() else { break };
            at += 1;
            self.taken += 1;
            if self.byte(byte, out) {
                return (at, true);
            }
        }
        (at, false)
    }

    /// One byte that is not plain text. True: it closed the string.
    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match self.state {
            State::Plain => match byte {
                b'\\' => self.state = State::Backslash,
                b'"' => {
                    self.close(out);
                    return true;
                }
                control => {
                    self.flush_high(out);
                    self.emit(format!("\\u{control:04x}").as_bytes(), out);
                }
            },
            State::Backslash => {
                if byte == b'u' {
                    self.state = State::Hex(0, 0);
                    return false;
                }
                self.state = State::Plain;
                self.flush_high(out);
                match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                        self.emit(&[b'\\', byte], out);
                    }
                    // No such escape: the backslash was meant as itself.
                    _ => {
                        self.emit(b"\\\\", out);
                        if byte < 0x20 {
                            return self.byte(byte, out);
                        }
                        self.emit(&[byte], out);
                    }
                }
            }
            State::Hex(count, value) => {
                let Some(digit) = (byte as char).to_digit(16) else {
                    self.state = State::Plain;
                    self.flush_high(out);
                    self.emit(b"\\ufffd", out);
                    if matches!(byte, b'"' | b'\\' | 0..0x20) {
                        return self.byte(byte, out);
                    }
                    self.emit(&[byte], out);
                    return false;
                };
                let value = value << 4 | u16::try_from(digit).unwrap_or_default();
                if count < 3 {
                    self.state = State::Hex(count + 1, value);
                } else {
                    self.state = State::Plain;
                    self.unit(value, out);
                }
            }
        }
        false
    }

    /// A whole UTF-16 unit came as an escape.
    fn unit(&mut self, unit: u16, out: &mut Vec<u8>) {
        match unit {
            0xd800..0xdc00 => {
                self.flush_high(out);
                self.high = Some(unit);
            }
            0xdc00..0xe000 => match self.high.take() {
                Some(high) => self.emit(format!("\\u{high:04x}\\u{unit:04x}").as_bytes(), out),
                None => self.emit(b"\\ufffd", out),
            },
            _ => {
                self.flush_high(out);
                self.emit(format!("\\u{unit:04x}").as_bytes(), out);
            }
        }
    }

    /// The second half did not come.
    fn flush_high(&mut self, out: &mut Vec<u8>) {
        if self.high.take().is_some() {
            self.emit(b"\\ufffd", out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        self.flush_high(out);
        if self.over {
            out.extend_from_slice(b"\"\\u0000too-long:");
            out.extend_from_slice((self.taken - 1).to_string().as_bytes());
        }
        out.push(b'"');
    }

    fn emit(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if out.len().saturating_sub(self.start) + bytes.len() > self.limit {
            self.over = true;
            out.truncate(self.start);
            return;
        }
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Strings, too_long};

    /// What a strict reader makes of `body` after cleaning, fed in pieces of `step` bytes.
    fn cleaned(body: &str, step: usize, limit: usize) -> String {
        let mut strings = Strings::new(limit);
        let mut out = Vec::new();
        strings.open(&mut out);
        let text = format!("{body}\"");
        let mut closed = false;
        for piece in text.as_bytes().chunks(step) {
            let (taken, end) = strings.feed(piece, &mut out);
            assert_eq!(taken, piece.len(), "the quote is the last byte");
            closed = end;
        }
        assert!(closed);
        serde_json::from_slice(&out)
            .unwrap_or_else(|error| panic!("{body}: {error}: {}", String::from_utf8_lossy(&out)))
    }

    #[test]
    fn what_a_strict_reader_refuses_is_made_readable_at_every_buffer_border() {
        let cases = [
            (r"plain", "plain"),
            (r"a\ud83d\ude00b", "a😀b"),
            (r"a\uD83D\uDE00b", "a😀b"),
            (r"lone high \ud83d end", "lone high \u{fffd} end"),
            (r"lone low \ude00 end", "lone low \u{fffd} end"),
            (r"\ud800", "\u{fffd}"),
            (r"\ud800\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83dA", "\u{fffd}A"),
            (r"\ud83d\n", "\u{fffd}\n"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"no \x escape", r"no \x escape"),
            (r"half \u12 escape", "half \u{fffd} escape"),
            (r"half \u12", "half \u{fffd}"),
            (r"\u12\n", "\u{fffd}\n"),
            ("bare\nbreak\tand \u{1}", "bare\nbreak\tand \u{1}"),
            ("\\\nafter a backslash", "\\\nafter a backslash"),
            (r#"quote \" slash \\ \/"#, "quote \" slash \\ /"),
            (r"\u0000", "\u{0}"),
            ("é\\ud800é", "é\u{fffd}é"),
        ];
        for (body, expected) in cases {
            for step in 1..=body.len() + 1 {
                assert_eq!(cleaned(body, step, 1000), expected, "{body} by {step}");
            }
        }
    }

    #[test]
    fn a_string_over_the_limit_leaves_only_its_length() {
        let long = "x".repeat(5000);
        for step in [1, 7, 1024, 5001] {
            let kept = cleaned(&long, step, 100);
            assert_eq!(too_long(&kept), Some(5000));
        }
        assert_eq!(too_long(&cleaned(&"y".repeat(90), 8, 100)), None);
        assert_eq!(too_long("too-long:5"), None);
    }
}
