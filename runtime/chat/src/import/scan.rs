//! One JSON value, byte by byte: where it ends, and whether it is within the limits.

use super::lenient::Strings;

/// How much one value may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValueLimits {
    /// Bytes of JSON.
    pub bytes: usize,
    /// Bytes of one string.
    pub string: usize,
    /// Values within it, whatever they are.
    pub values: usize,
    /// Brackets within brackets.
    pub depth: usize,
}

/// Why a value is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Big,
    Crowded,
    Deep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Between tokens.
    Structure,
    String,
    /// `NaN`, `Infinity`: written by some exporters, and no JSON.
    Word,
    /// A number or a word outside every bracket.
    Scalar,
}

/// The state of one value.
pub(super) struct Scan {
    limits: ValueLimits,
    pub within: Within,
    /// The open brackets, as far as `limits.depth`.
    pub open: Vec<u8>,
    /// Open brackets beyond that.
    deeper: u64,
    values: usize,
    pub unfit: Option<Unfit>,
    strings: Strings,
}

impl Scan {
    pub(super) fn new(limits: ValueLimits) -> Self {
        Self {
            limits,
            within: Within::Structure,
            open: Vec::new(),
            deeper: 0,
            values: 0,
            unfit: None,
            strings: Strings::new(limits.string),
        }
    }

    /// Gets ready for the next value.
    pub(super) fn reset(&mut self) {
        self.within = Within::Structure;
        self.open.clear();
        self.deeper = 0;
        self.values = 0;
        self.unfit = None;
    }

    /// Begins a value that is a string: its opening quote was read.
    pub(super) fn open_string(&mut self, out: &mut Vec<u8>) {
        self.strings.open(out);
        self.within = Within::String;
    }

    /// Takes from `input` until the value ends. Returns how much, and whether it ended.
    pub(super) fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.within {
                Within::String => {
                    let rest = input.get(at..).unwrap_or_default();
                    let (taken, closed) = self.strings.feed(rest, out);
                    at += taken;
                    if closed {
                        self.within = Within::Structure;
                        if self.is_outside() {
                            return (at, true);
                        }
                    }
                    self.check_size(out);
                    continue;
                }
                Within::Word => {
                    if byte.is_ascii_alphanumeric() {
                        at += 1;
                        continue;
                    }
                    self.within = Within::Structure;
                }
                Within::Scalar => {
                    if matches!(
                        byte,
                        b',' | b']' | b'}' | b'[' | b'{' | b' ' | b'\t' | b'\r' | b'\n'
                    ) {
                        return (at, true);
                    }
                    out.push(byte);
                    self.check_size(out);
                    at += 1;
                    continue;
                }
                Within::Structure => {}
            }
            at += 1;
            if self.structure(byte, out) {
                return (at, true);
            }
        }
        self.check_size(out);
        (at, false)
    }

    /// One byte outside strings. True: it closed the value.
    fn structure(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        if self.unfit.is_some() {
            out.clear();
        }
        match byte {
            b'"' => {
                self.strings.open(out);
                self.within = Within::String;
            }
            b'{' | b'[' => {
                self.count();
                if self.open.len() < self.limits.depth {
                    self.open.push(byte);
                    out.push(byte);
                } else {
                    self.deeper += 1;
                    self.spoil(Unfit::Deep);
                }
            }
            b'}' | b']' => {
                out.push(byte);
                return self.close(byte);
            }
            b',' => {
                self.count();
                out.push(byte);
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                // Keeps two tokens apart; more of it means nothing.
                if !matches!(out.last(), Some(b' ' | b',' | b':' | b'{' | b'[')) {
                    out.push(b' ');
                }
            }
            b'N' | b'I' => {
                if out.last() == Some(&b'-') {
                    out.pop();
                }
                out.extend_from_slice(b"null");
                self.within = Within::Word;
            }
            other => out.push(other),
        }
        false
    }

    fn close(&mut self, byte: u8) -> bool {
        if self.deeper > 0 {
            self.deeper -= 1;
            return false;
        }
        // A bracket of the wrong kind closes up to its own kind: the value fails to parse, and the
        // next one is found all the same.
        let kind = if byte == b'}' { b'{' } else { b'[' };
        match self.open.iter().rposition(|open| *open == kind) {
            Some(position) => self.open.truncate(position),
            None => {
                self.open.pop();
            }
        }
        self.open.is_empty()
    }

    fn is_outside(&self) -> bool {
        self.open.is_empty() && self.deeper == 0
    }

    fn count(&mut self) {
        self.values += 1;
        if self.values > self.limits.values {
            self.spoil(Unfit::Crowded);
        }
    }

    fn check_size(&mut self, out: &mut Vec<u8>) {
        if out.len() > self.limits.bytes {
            self.spoil(Unfit::Big);
            if self.within != Within::String {
                out.clear();
            }
        }
    }

    fn spoil(&mut self, why: Unfit) {
        self.unfit.get_or_insert(why);
    }
}
