//! The table, on the terminal and in `tests/bench/STORE.md`, where each number of messages has a section.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::child::{Figures, percentile};
use crate::engine::Kind;
use crate::{Result, machine};

/// A row: what it says, the figure's name, digits behind the point, and what was aimed for.
type Row = (&'static str, &'static str, usize, &'static str);

const ROWS: &[Row] = &[
    (
        "durable append, one writer, p50 ms",
        "append p50 ms",
        3,
        "< 1 × SQLite",
    ),
    ("the same, p99 ms", "append p99 ms", 2, ""),
    ("the same, CPU µs", "append cpu µs", 0, ""),
    (
        "16 writers, messages/s",
        "16 writers /s",
        0,
        "> 1.5 × SQLite",
    ),
    (
        "SQLite behind a writer thread that groups as ours does, messages/s",
        "16 writers, grouped, /s",
        0,
        "",
    ),
    (
        "last 50 of the long conversation, warm, p50 ms",
        "last-50 p50 ms",
        3,
        "< 5 ms",
    ),
    ("the same, p99 ms", "last-50 p99 ms", 3, ""),
    ("the same, CPU µs", "last-50 cpu µs", 0, ""),
    (
        "first 100 of 10,000 conversations, warm, p50 ms",
        "list-100 p50 ms",
        3,
        "< 1 ms",
    ),
    ("the same, p99 ms", "list-100 p99 ms", 3, ""),
    ("the same, CPU µs", "list-100 cpu µs", 0, ""),
    (
        "open, files in the page cache, ms",
        "warm: open ms",
        1,
        "< 500 ms",
    ),
    ("the same, CPU ms", "warm: open cpu ms", 1, ""),
    ("its first page of 50, ms", "warm: first last-50 ms", 2, ""),
    ("open, files evicted, ms", "evicted: open ms", 1, "stated"),
    (
        "its first page of 50, ms",
        "evicted: first last-50 ms",
        2,
        "",
    ),
    (
        "its first list of 100, ms",
        "evicted: first list-100 ms",
        2,
        "",
    ),
    ("open after kill -9, ms", "after kill -9: open ms", 1, ""),
    (
        "first open after the load, ms",
        "after the load: open ms",
        0,
        "",
    ),
    ("the same, CPU ms", "after the load: open cpu ms", 0, ""),
    ("load in commits of 1000, wall s", "load wall s", 1, ""),
    ("the same, CPU s", "load cpu s", 1, ""),
    ("the same, peak RSS MB", "load peak MB", 0, ""),
    (
        "the view made again, wall s",
        "rebuild wall s",
        1,
        "at 1,000,000: < 60 s by LSN, else < 120 s",
    ),
    ("the same, CPU s", "rebuild cpu s", 1, ""),
    ("the same, peak RSS MB", "rebuild peak MB", 0, "< 500 MB"),
    ("open after that, ms", "after the rebuild: open ms", 0, ""),
    (
        "bytes on disk a message, all",
        "disk bytes a message",
        0,
        "stated",
    ),
    ("of these the journal", "journal bytes a message", 0, ""),
    ("of these the view", "view bytes a message", 0, ""),
    ("the view when made again, MB", "rebuilt view MB", 0, ""),
    (
        "anonymous RSS after open, a page and a list, MB",
        "warm: open anon MB",
        1,
        "stated",
    ),
    (
        "anonymous RSS after the appends (5 MB are the bench's), MB",
        "append anon MB",
        1,
        "stated",
    ),
];

pub(crate) struct Report {
    messages: usize,
    rounds: u64,
    kinds: Vec<Kind>,
    /// Of each figure and engine, one value for each round.
    values: BTreeMap<(String, Kind), Vec<f64>>,
    raw: Vec<f64>,
    load: String,
}

impl Report {
    pub(crate) fn new(messages: usize, rounds: u64, kinds: &[Kind]) -> Self {
        Self {
            messages,
            rounds,
            kinds: kinds.to_vec(),
            values: BTreeMap::new(),
            raw: Vec::new(),
            load: machine::load(),
        }
    }

    /// Takes figures in, with something before their names.
    pub(crate) fn take(&mut self, kind: Kind, before: &str, figures: Figures) {
        for (name, value) in figures {
            let key = (format!("{before}{name}"), kind);
            self.values.entry(key).or_default().push(value);
        }
    }

    /// The disk's own p50, ms.
    pub(crate) fn raw(&mut self, millis: f64) {
        self.raw.push(millis);
    }

    fn of(&self, name: &str, kind: Kind) -> Option<&Vec<f64>> {
        self.values.get(&(name.to_owned(), kind))
    }

    /// The median, and the least and the most where there were rounds.
    fn cell(&self, row: &Row, kind: Kind) -> String {
        let (_, name, digits, _) = *row;
        let Some(mut values) = self.of(name, kind).cloned() else {
            return String::new();
        };
        let middle = percentile(&mut values, 0.5).unwrap_or_default();
        match (values.first(), values.last()) {
            (Some(least), Some(most)) if values.len() > 1 => {
                format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
            }
            _ => format!("{middle:.digits$}"),
        }
    }

    /// The median of the rounds' ratios to SQLite.
    fn ratio(&self, row: &Row, kind: Kind) -> String {
        let ours = self.of(row.1, kind);
        let Some((ours, peer)) = ours.zip(self.of(row.1, Kind::Sqlite)) else {
            return String::new();
        };
        let pairs = ours.iter().zip(peer);
        let mut ratios: Vec<f64> = pairs.map(|(ours, peer)| ours / peer).collect();
        percentile(&mut ratios, 0.5).map_or_else(String::new, |ratio| format!("{ratio:.2}"))
    }

    /// The section of this number of messages.
    pub(crate) fn section(&self) -> String {
        let ours: Vec<Kind> = self
            .kinds
            .iter()
            .copied()
            .filter(|kind| kind.text().is_some())
            .collect();
        let mut raw = self.raw.clone();
        let bytes = self.of("text bytes a message", Kind::Sqlite);
        let mut text = format!(
            "## {} messages\n\n{}; load {} at the start, {} at the end; {} rounds, in turns; texts of \
             {:.0} bytes on average; the disk takes {:.2} ms (p50) for 800 bytes and a sync.\n\n",
            self.messages,
            machine::describe(),
            self.load,
            machine::load(),
            self.rounds,
            bytes
                .and_then(|bytes| bytes.first())
                .copied()
                .unwrap_or_default(),
            percentile(&mut raw, 0.5).unwrap_or_default(),
        );
        let mut head = "| what | SQLite |".to_owned();
        let mut rule = "|---|---|".to_owned();
        for kind in &ours {
            let _ = write!(head, " store, {} | ÷ SQLite |", kind.name());
            rule.push_str("---|---|");
        }
        let _ = writeln!(text, "{head} aim |\n{rule}---|");
        for row in ROWS {
            let sqlite = self.cell(row, Kind::Sqlite);
            let cells: Vec<String> = ours
                .iter()
                .flat_map(|&kind| [self.cell(row, kind), self.ratio(row, kind)])
                .collect();
            if sqlite.is_empty() && cells.iter().all(String::is_empty) {
                continue;
            }
            let _ = writeln!(
                text,
                "| {} | {sqlite} | {} | {} |",
                row.0,
                cells.join(" | "),
                row.3
            );
        }
        text
    }

    /// Puts the section in the file, in the place of the one of the same number of messages.
    pub(crate) fn keep(&self) -> Result<PathBuf> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../bench/STORE.md");
        let mut sections = BTreeMap::new();
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        for section in before.split("\n## ").skip(1) {
            let number = section.split(' ').next().unwrap_or_default();
            if let Ok(number) = number.parse::<usize>() {
                sections.insert(number, format!("## {}\n", section.trim_end()));
            }
        }
        sections.insert(self.messages, self.section());
        let sections: Vec<String> = sections.into_values().collect();
        std::fs::write(&path, format!("{HEAD}\n{}", sections.join("\n")))?;
        Ok(path)
    }
}

const HEAD: &str = "# The store beside SQLite

Written by `cargo run --release -p vale-store-bench --features sqlite-bench`. Every engine writes the same
seeded history: 10,000 conversations, the longest of 100,000 messages, words by Zipf's law. Each round runs
one process for each engine, in turns. SQLite: bundled, WAL, `synchronous=FULL`, 64 MB of cache as the view
has; the same tables and indexes, rows in the order of writing. A cell is the median of the rounds, with the
least and the most; ÷ SQLite is the median of the rounds' ratios. On a shared machine p50, CPU and ratios
can be trusted; p99, wall time and rates less.

*text-in-rows*: a message's row holds its text, which is in the journal too. *text-by-lsn*: the row holds
all but the text, which is read from the journal by the number of its record.
";
