//! Columns of text.

use crate::out::{Out, Style};
use crate::text::one_line;

/// A table that is as wide as its words; the heading only on a terminal.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&'static str; N]) -> Self {
        Self {
            heading: heading.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.iter().map(|cell| one_line(cell)).collect());
    }

    pub(crate) fn print(&self, out: &Out) -> std::io::Result<()> {
        let wide = |column: usize| {
            let heading = self.heading.get(column).map_or(0, |text| width(text));
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).fold(heading, usize::max)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(wide).collect();
        if out.stdout_is_terminal() {
            let line = lay(self.heading.iter().copied(), &widths);
            out.painted_line(&out.paint(Style::Bold, &line))?;
        }
        for row in &self.rows {
            out.line(&lay(row.iter().map(String::as_str), &widths))?;
        }
        Ok(())
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn lay<'c>(cells: impl Iterator<Item = &'c str>, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, wide) in cells.zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(
            ' ',
            wide.saturating_sub(width(cell)) + 2,
        ));
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_with_their_last_word() {
        let widths = [4, 2];
        assert_eq!(lay(["ab", "x"].into_iter(), &widths), "ab    x");
        assert_eq!(lay(["äöü4", ""].into_iter(), &widths), "äöü4");
    }
}
