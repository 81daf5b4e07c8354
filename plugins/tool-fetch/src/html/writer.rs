//! Text as it grows: blanks collapse, breaks do not pile up, and marks (`#`, `-`, `[`) wait for the
//! text that they belong to, so that an empty heading or link leaves nothing.

/// Longest text that is kept of a page, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;

/// How far the next text stands from the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
    Paragraph,
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    text: String,
    gap: Gap,
    /// Begins the next line: `## `, `- `.
    prefix: Option<String>,
    /// Inline marks before the next word: `[`, a backtick.
    opening: String,
    is_together: bool,
    /// No more text is taken.
    is_full: bool,
}

impl Writer {
    /// Text whose blanks mean nothing but a gap.
    pub(super) fn flowing(&mut self, text: &str) {
        if text.starts_with(|c: char| c.is_ascii_whitespace()) {
            self.gap(Gap::Space);
        }
        let mut is_first = true;
        for word in text.split_ascii_whitespace() {
            if !is_first {
                self.gap(Gap::Space);
            }
            is_first = false;
            self.word(word);
        }
        if !is_first && text.ends_with(|c: char| c.is_ascii_whitespace()) {
            self.gap(Gap::Space);
        }
    }

    /// Text whose blanks and line breaks are its own.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.word(text);
    }

    /// Until [`together`](Self::together) is called with false, breaks are blanks.
    pub(super) fn together(&mut self, is_together: bool) {
        self.is_together = is_together;
    }

    /// Ends verbatim text with this line.
    pub(super) fn end_verbatim(&mut self, line: &str) {
        if !self.text.ends_with('\n') {
            self.append("\n");
        }
        self.append(line);
    }

    pub(super) fn line(&mut self) {
        self.gap(Gap::Line);
    }

    pub(super) fn paragraph(&mut self) {
        self.gap(Gap::Paragraph);
    }

    /// A mark that begins the next line, if any text follows in it; after a mark that waits
    /// already, as in `- ## `.
    pub(super) fn prefix(&mut self, mark: &str) {
        self.prefix.get_or_insert_default().push_str(mark);
    }

    /// No text followed the mark that still waits. False if none waits.
    pub(super) fn drop_prefix(&mut self) -> bool {
        self.prefix.take().is_some()
    }

    /// The end of a table's cell: what breaks came at its end are none.
    pub(super) fn next_cell(&mut self) {
        self.prefix = None;
        self.gap = Gap::Space;
        self.word("|");
        // Breaks before the cell's text are none either.
        self.prefix = Some(" ".into());
    }

    /// The end of a table's row.
    pub(super) fn next_row(&mut self) {
        self.prefix = None;
        self.gap = Gap::Line;
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// A mark before the next word, if any follows until [`close`](Self::close).
    pub(super) fn open(&mut self, mark: char) {
        self.opening.push(mark);
    }

    /// Ends what `mark` opened; nothing is left of it if no word came. True if one did.
    pub(super) fn close(&mut self, mark: char, end: &str) -> bool {
        if let Some(at) = self.opening.rfind(mark) {
            self.opening.remove(at);
            return false;
        }
        self.append(end);
        true
    }

    pub(super) fn finish(self) -> (String, bool) {
        (self.text, self.is_full)
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    fn gap(&mut self, gap: Gap) {
        // Between a mark and its text nothing breaks: `<li><p>`.
        if self.prefix.is_none() {
            let most = if self.is_together {
                Gap::Space
            } else {
                Gap::Paragraph
            };
            self.gap = self.gap.max(gap.min(most));
        }
    }

    fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        let gap = std::mem::take(&mut self.gap);
        if !self.text.is_empty() {
            self.append(match gap {
                Gap::None => "",
                Gap::Space => " ",
                Gap::Line => "\n",
                Gap::Paragraph => "\n\n",
            });
        }
        if let Some(prefix) = self.prefix.take() {
            self.append(&prefix);
        }
        let opening = std::mem::take(&mut self.opening);
        self.append(&opening);
        self.append(word);
    }

    fn append(&mut self, text: &str) {
        if self.is_full {
            return;
        }
        let room = MAX_TEXT_BYTES.saturating_sub(self.text.len());
        self.is_full = text.len() > room;
        let end = text.floor_char_boundary(room);
        self.text.push_str(text.get(..end).unwrap_or_default());
    }
}
