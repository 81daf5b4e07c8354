//! A JSON file of any size as a row of values: the elements of its outer array, or the values that
//! follow each other. One value is in memory at a time, cleaned on the way ([`super::lenient`]); a value that is
//! broken, too deep or too big costs itself and not the rest.

use std::io::{self, BufRead, Read};

use super::scan::{Scan, Unfit, ValueLimits, Within};

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

/// Splits what `reader` gives.
pub(super) struct Values<R> {
    reader: R,
    root: Root,
    started: bool,
    scan: Scan,
}

impl<R: BufRead> Values<R> {
    pub(super) fn new(reader: R, limits: ValueLimits) -> Self {
        Self {
            reader,
            root: Root::Unknown,
            started: false,
            scan: Scan::new(limits),
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
        self.scan.reset();
        if !self.started {
            self.started = true;
            self.skip_bom()?;
        }
        if let Some(end) = self.seek_value(out)? {
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
                    let whole = self.scan.within == Within::Scalar && self.root == Root::Values;
                    return Ok(if whole { Next::Value } else { Next::Truncated });
                }
                self.scan.run(input, out)
            };
            self.reader.consume(taken);
            if done {
                if let Some(unfit) = self.scan.unfit {
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
    fn seek_value(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Next>> {
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
                    self.scan.open_string(out);
                    return Ok(None);
                }
                // A bracket that closes nothing.
                (_, b']' | b'}' | b':') => self.reader.consume(1),
                _ => {
                    self.scan.within = Within::Scalar;
                    return Ok(None);
                }
            }
        }
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
                ref other => format!("{other:?}"),
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
                    unfit(Unfit::Deep),
                    "{\"a\":1}".into(),
                    unfit(Unfit::Crowded),
                    "{\"b\":1}".into(),
                    unfit(Unfit::Big),
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
        assert!(out.capacity() < 4096);
        assert!(values.scan.open.capacity() < 4096);
    }
}
