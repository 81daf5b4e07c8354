//! A JSON file of any size as a row of values: the elements of its outer array, or the values that
//! follow each other. One value is in memory at a time, cleaned by [`Strings`]; a value that is
//! broken, too deep or too big costs itself and not the rest.

use std::io::{self, BufRead, Read};

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
    TooBig,
    TooManyValues,
    TooDeep,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A value is in the buffer.
    Value,
    /// A value was passed over.
    Unfit(Unfit),
    /// The end, as it should be.
    End,
    /// The end, before the last bracket: the file is cut off.
    Truncated,
    /// No JSON at all.
    NotJson,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Unknown,
    Array,
    Values,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Between tokens.
    Structure,
    String,
    /// `NaN`, `Infinity`: written by some exporters, and no JSON.
    Word,
    /// A number or a word outside every bracket.
    Scalar,
}

/// Splits what `reader` gives.
pub(super) struct Values<R> {
    reader: R,
    limits: ValueLimits,
    root: Root,
    started: bool,
    within: Within,
    /// The open brackets of the value being read, as far as `limits.depth`.
    open: Vec<u8>,
    /// Open brackets beyond that.
    deeper: u64,
    values: usize,
    unfit: Option<Unfit>,
    strings: Strings,
}

impl<R: BufRead> Values<R> {
    pub(super) fn new(reader: R, limits: ValueLimits) -> Self {
        Self {
            reader,
            limits,
            root: Root::Unknown,
            started: false,
            within: Within::Structure,
            open: Vec::new(),
            deeper: 0,
            values: 0,
            unfit: None,
            strings: Strings::new(limits.string),
        }
    }

    /// The reader, behind the last value.
    pub(super) fn into_inner(self) -> R {
        self.reader
    }

    /// Reads what stands behind the last value, at most `limit` bytes.
    pub(super) fn read_on(&mut self, limit: u64) -> io::Result<()> {
        io::copy(&mut (&mut self.reader).take(limit), &mut io::sink()).map(drop)
    }

    /// The next value into `out`, which is emptied first.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<Next> {
        out.clear();
        self.open.clear();
        self.deeper = 0;
        self.values = 0;
        self.unfit = None;
        self.within = Within::Structure;
        if !self.started {
            self.started = true;
            self.skip_bom()?;
        }
        if let Some(end) = self.to_the_value(out)? {
            return Ok(end);
        }
        loop {
            let (taken, done) = {
                let input = match self.reader.fill_buf() {
                    Ok(input) => input,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                if input.is_empty() {
                    let whole = self.within == Within::Scalar && self.root == Root::Values;
                    return Ok(if whole { Next::Value } else { Next::Truncated });
                }
                let mut state = Scan {
                    limits: &self.limits,
                    within: &mut self.within,
                    open: &mut self.open,
                    deeper: &mut self.deeper,
                    values: &mut self.values,
                    unfit: &mut self.unfit,
                    strings: &mut self.strings,
                };
                state.run(input, out)
            };
            self.reader.consume(taken);
            if done {
                if let Some(unfit) = self.unfit {
                    out.clear();
                    return Ok(Next::Unfit(unfit));
                }
                return Ok(Next::Value);
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.reader.fill_buf() {
                Ok(input) => return Ok(input.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn skip_bom(&mut self) -> io::Result<()> {
        for expected in [0xef, 0xbb, 0xbf] {
            if self.peek()? != Some(expected) {
                break;
            }
            self.reader.consume(1);
        }
        Ok(())
    }

    /// Passes what stands before a value. `Some`: there is none.
    fn to_the_value(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Next>> {
        loop {
            let Some(byte) = self.peek()? else {
                return Ok(Some(match self.root {
                    Root::Unknown => Next::NotJson,
                    Root::Array => Next::Truncated,
                    Root::Values => Next::End,
                }));
            };
            match (self.root, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n') | (Root::Array | Root::Values, b',') => {
                    self.reader.consume(1);
                }
                (Root::Unknown, b'[') => {
                    self.root = Root::Array;
                    self.reader.consume(1);
                }
                (Root::Unknown, b'{') => self.root = Root::Values,
                (Root::Unknown, _) => return Ok(Some(Next::NotJson)),
                (Root::Array, b']') => return Ok(Some(Next::End)),
                (_, b'{' | b'[') => return Ok(None),
                (_, b'"') => {
                    self.reader.consume(1);
                    self.strings.open(out);
                    self.within = Within::String;
                    return Ok(None);
                }
                // A bracket that closes nothing.
                (_, b']' | b'}' | b':') => self.reader.consume(1),
                _ => {
                    self.within = Within::Scalar;
                    return Ok(None);
                }
            }
        }
    }
}

/// The state of one value, apart from the reader whose buffer is being looked at.
struct Scan<'a> {
    limits: &'a ValueLimits,
    within: &'a mut Within,
    open: &'a mut Vec<u8>,
    deeper: &'a mut u64,
    values: &'a mut usize,
    unfit: &'a mut Option<Unfit>,
    strings: &'a mut Strings,
}

impl Scan<'_> {
    /// Takes from `input` until the value ends. Returns how much, and whether it ended.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match *self.within {
                Within::String => {
                    let rest = input.get(at..).unwrap_or_default();
                    let (taken, closed) = self.strings.feed(rest, out);
                    at += taken;
                    if closed {
                        *self.within = Within::Structure;
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
                    *self.within = Within::Structure;
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
                *self.within = Within::String;
            }
            b'{' | b'[' => {
                self.count();
                if self.open.len() < self.limits.depth {
                    self.open.push(byte);
                    out.push(byte);
                } else {
                    *self.deeper += 1;
                    self.spoil(Unfit::TooDeep);
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
                *self.within = Within::Word;
            }
            other => out.push(other),
        }
        false
    }

    fn close(&mut self, byte: u8) -> bool {
        if *self.deeper > 0 {
            *self.deeper -= 1;
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
        self.open.is_empty() && *self.deeper == 0
    }

    fn count(&mut self) {
        *self.values += 1;
        if *self.values > self.limits.values {
            self.spoil(Unfit::TooManyValues);
        }
    }

    fn check_size(&mut self, out: &mut Vec<u8>) {
        if out.len() > self.limits.bytes {
            self.spoil(Unfit::TooBig);
            if *self.within != Within::String {
                out.clear();
            }
        }
    }

    fn spoil(&mut self, why: Unfit) {
        self.unfit.get_or_insert(why);
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::{Next, Unfit, ValueLimits, Values};

    const LIMITS: ValueLimits = ValueLimits {
        bytes: 200,
        string: 60,
        values: 40,
        depth: 8,
    };

    /// Every value of `text`, or why it is not there, and how it ends.
    fn split(text: &[u8], capacity: usize) -> Vec<String> {
        let mut values = Values::new(BufReader::with_capacity(capacity, text), LIMITS);
        let mut out = Vec::new();
        let mut seen = Vec::new();
        loop {
            let next = values.next(&mut out).unwrap();
            seen.push(match next {
                Next::Value => String::from_utf8(out.clone()).unwrap(),
                other => format!("{other:?}"),
            });
            if matches!(next, Next::End | Next::Truncated | Next::NotJson) {
                return seen;
            }
        }
    }

    fn unfit(why: Unfit) -> String {
        format!("{:?}", Next::Unfit(why))
    }

    #[test]
    fn values_come_one_by_one_at_every_buffer_border() {
        let deep = "[".repeat(30) + &"]".repeat(30);
        let many = format!("[{}0]", "0,".repeat(50));
        let wide = format!("{{\"a\":[{}]}}", vec!["\"0123456789\""; 25].join(","));
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
        let cases: Vec<(Vec<u8>, Vec<String>)> = vec![
            (b"[]".to_vec(), vec!["End".into()]),
            (b" \n".to_vec(), vec!["NotJson".into()]),
            (b"hello".to_vec(), vec!["NotJson".into()]),
            (
                b"\xef\xbb\xbf[{\"a\":1}, {\"b\" : [2 ,3]}\n,null,\"x]\",[]]".to_vec(),
                vec![
                    "{\"a\":1}".into(),
                    "{\"b\" :[2 ,3]}".into(),
                    "null".into(),
                    "\"x]\"".into(),
                    "[]".into(),
                    "End".into(),
                ],
            ),
            (
                b"{\"a\":\"}\\\"{\"}\n{\"b\":2}".to_vec(),
                vec![
                    "{\"a\":\"}\\\"{\"}".into(),
                    "{\"b\":2}".into(),
                    "End".into(),
                ],
            ),
            (
                b"[{\"a\":NaN,\"b\":-Infinity,\"c\":[Infinity]},{\"d\":1}]".to_vec(),
                vec![
                    "{\"a\":null,\"b\":null,\"c\":[null]}".into(),
                    "{\"d\":1}".into(),
                    "End".into(),
                ],
            ),
            // A value that does not close as it opened costs only itself.
            (
                b"[{\"a\":[}, {\"b\":2}]".to_vec(),
                vec!["{\"a\":[}".into(), "{\"b\":2}".into(), "End".into()],
            ),
            (
                b"[{\"a\":1},{\"b\":".to_vec(),
                vec!["{\"a\":1}".into(), "Truncated".into()],
            ),
            (
                b"[{\"a\":1},".to_vec(),
                vec!["{\"a\":1}".into(), "Truncated".into()],
            ),
            (b"[{\"a\":\"\\ud8".to_vec(), vec!["Truncated".into()]),
            (
                format!("[{deep},{{\"a\":1}},{many},{{\"b\":1}},{wide},{{\"c\":1}},{long}]")
                    .into_bytes(),
                vec![
                    unfit(Unfit::TooDeep),
                    "{\"a\":1}".into(),
                    unfit(Unfit::TooManyValues),
                    "{\"b\":1}".into(),
                    unfit(Unfit::TooBig),
                    "{\"c\":1}".into(),
                    "{\"a\":\"\\u0000too-long:100\"}".into(),
                    "End".into(),
                ],
            ),
        ];
        for (text, expected) in cases {
            for capacity in [1, 2, 3, 7, 16, 61, 4096] {
                let shown = String::from_utf8_lossy(&text).into_owned();
                assert_eq!(split(&text, capacity), expected, "{shown} by {capacity}");
            }
        }
    }

    #[test]
    fn a_bomb_of_brackets_needs_no_memory() {
        let bomb = vec![b'['; 4 << 20];
        let mut values = Values::new(BufReader::new(bomb.as_slice()), LIMITS);
        let mut out = Vec::new();
        assert_eq!(values.next(&mut out).unwrap(), Next::Truncated);
        assert!(out.capacity() < 4096 && values.open.capacity() < 4096);
    }
}
