//! Lines, however they end and wherever the network cuts them.

use super::{Flow, too_large};
use crate::types::Error;

/// A UTF-8 byte order mark: allowed once, before the first line.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Splits bytes at LF, CRLF and CR. A CR ends its line at once, so that a stream of CR-only lines
/// needs no look-ahead; an LF right after it, in this read or the next, belongs to it.
#[derive(Debug)]
pub(super) struct Lines {
    partial: Vec<u8>,
    after_cr: bool,
    /// How many bytes of the mark were seen; its length once the question is settled.
    bom: usize,
    cap: usize,
}

impl Lines {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            partial: Vec::new(),
            after_cr: false,
            bom: 0,
            cap,
        }
    }

    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<Flow, Error>,
    ) -> Result<Flow, Error> {
        while self.bom < BOM.len() {
            match bytes.split_first() {
                None => return Ok(Flow::Continue),
                Some((byte, rest)) if BOM.get(self.bom) == Some(byte) => {
                    bytes = rest;
                    self.bom += 1;
                }
                Some(_) => self.keep_partial_bom(),
            }
        }
        loop {
            if self.after_cr {
                match bytes.split_first() {
                    None => return Ok(Flow::Continue),
                    Some((b'\n', rest)) => bytes = rest,
                    Some(_) => {}
                }
                self.after_cr = false;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                self.partial.extend_from_slice(bytes);
                return if self.partial.len() > self.cap {
                    Err(too_large(self.cap))
                } else {
                    Ok(Flow::Continue)
                };
            };
            let (line, rest) = bytes.split_at(end);
            let (terminator, rest) = rest.split_at(1);
            self.after_cr = terminator == b"\r";
            bytes = rest;
            if self.partial.len() + line.len() > self.cap {
                return Err(too_large(self.cap));
            }
            let flow = if self.partial.is_empty() {
                sink(line)?
            } else {
                self.partial.extend_from_slice(line);
                let flow = sink(&self.partial)?;
                self.partial.clear();
                flow
            };
            if flow == Flow::Done {
                return Ok(Flow::Done);
            }
        }
    }

    /// The bytes after the last line's end, once no more can come.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        if self.bom < BOM.len() {
            self.keep_partial_bom();
        }
        std::mem::take(&mut self.partial)
    }

    /// What looked like a mark was not one: its bytes are content.
    fn keep_partial_bom(&mut self) {
        self.partial.extend(BOM.iter().take(self.bom));
        self.bom = BOM.len();
    }
}
