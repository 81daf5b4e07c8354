//! Lines of a JSON Lines file, one in memory at a time.

use std::io::{self, BufRead};

/// What came next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineNext {
    /// A line is in the buffer.
    Line,
    /// A line over the limit was passed over.
    TooLong,
    /// No more.
    End,
}

/// Reads the next line that is not blank into `line`, without its end.
pub(super) fn next_line(
    reader: &mut impl BufRead,
    line: &mut Vec<u8>,
    limit: usize,
) -> io::Result<LineNext> {
    loop {
        line.clear();
        let mut over = false;
        let mut any = false;
        let ended = loop {
            let input = match reader.fill_buf() {
                Ok(input) => input,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if input.is_empty() {
                break true;
            }
            any = true;
            let end = input.iter().position(|byte| *byte == b'\n');
            let piece = input.get(..end.unwrap_or(input.len())).unwrap_or_default();
            if line.len() + piece.len() > limit {
                over = true;
                line.clear();
            }
            if !over {
                line.extend_from_slice(piece);
            }
            let taken = piece.len() + usize::from(end.is_some());
            reader.consume(taken);
            if end.is_some() {
                break false;
            }
        };
        if over {
            return Ok(LineNext::TooLong);
        }
        if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
            return Ok(LineNext::Line);
        }
        if ended && !any {
            return Ok(LineNext::End);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::{LineNext, next_line};

    #[test]
    fn lines_come_one_by_one_whatever_the_buffer_and_long_ones_are_passed_over() {
        let text = format!("one\r\n\n  \ntwo\n{}\nthree", "x".repeat(100));
        for capacity in [1, 2, 5, 64, 1000] {
            let mut reader = BufReader::with_capacity(capacity, text.as_bytes());
            let mut line = Vec::new();
            let mut seen = Vec::new();
            loop {
                match next_line(&mut reader, &mut line, 50).unwrap() {
                    LineNext::Line => seen.push(String::from_utf8(line.clone()).unwrap()),
                    LineNext::TooLong => seen.push("(too long)".to_owned()),
                    LineNext::End => break,
                }
            }
            assert_eq!(seen, ["one\r", "two", "(too long)", "three"], "{capacity}");
        }
    }
}
