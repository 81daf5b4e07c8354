//! Where words go: answers to stdout, everything else to stderr, JSON instead when asked for.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;
use vale_api::{ApiError, ApiErrorKind};

use crate::args::{Color, Global};
use crate::text::neutral;

/// How a piece of text looks on a terminal with colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Style {
    /// ECMA-48 SGR parameters.
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
        }
    }
}

/// One of the two streams.
#[derive(Debug, Clone, Copy)]
struct Face {
    is_terminal: bool,
    has_color: bool,
}

impl Face {
    fn new(is_terminal: bool, color: Color) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            is_terminal,
            has_color: match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => is_terminal && !refused,
            },
        }
    }

    fn safe(self, text: &str) -> Cow<'_, str> {
        if self.is_terminal {
            neutral(text)
        } else {
            Cow::Borrowed(text)
        }
    }

    fn paint(self, style: Style, text: &str) -> String {
        let safe = self.safe(text);
        if self.has_color {
            format!("\u{1b}[{}m{safe}\u{1b}[0m", style.code())
        } else {
            safe.into_owned()
        }
    }
}

/// The terminal, or what stands in its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    stdout: Face,
    stderr: Face,
}

impl Out {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            stdout: Face::new(io::stdout().is_terminal(), global.color),
            stderr: Face::new(io::stderr().is_terminal(), global.color),
        }
    }

    pub(crate) fn stdout_is_terminal(&self) -> bool {
        self.stdout.is_terminal
    }

    /// Columns of the terminal, where there is one.
    pub(crate) fn width(&self) -> Option<usize> {
        let (width, _) = terminal_size::terminal_size()?;
        self.stdout.is_terminal.then_some(usize::from(width.0))
    }

    pub(crate) fn stderr_is_terminal(&self) -> bool {
        self.stderr.is_terminal
    }

    pub(crate) fn stderr_has_color(&self) -> bool {
        self.stderr.has_color
    }

    /// A piece of an answer, at once.
    pub(crate) fn answer(&self, piece: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(self.stdout.safe(piece).as_bytes())?;
        stdout.flush()
    }

    /// A line on stdout.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(self.stdout.safe(text).as_bytes())?;
        stdout.write_all(b"\n")
    }

    /// A line on stdout that was painted with [`Self::paint`] and so is safe already.
    pub(crate) fn painted_line(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.write_all(b"\n")
    }

    /// Text for stdout, safe and in this style.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        self.stdout.paint(style, text)
    }

    /// Text for stdout, safe.
    pub(crate) fn safe<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.stdout.safe(text)
    }

    /// One JSON document, indented.
    pub(crate) fn document(&self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")
    }

    /// One JSON value on a line of its own, at once.
    pub(crate) fn event(&self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        stdout.flush()
    }

    /// A remark on stderr, dim; nothing with `--quiet` or `--json`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            self.stderr(&self.stderr.paint(Style::Dim, text));
            self.stderr("\n");
        }
    }

    /// A piece of thinking on stderr, dim, at once.
    pub(crate) fn thinking(&self, piece: &str) {
        self.stderr(&self.stderr.paint(Style::Dim, piece));
    }

    /// A piece of text on stderr that is safe already. Nobody is told when stderr is closed.
    pub(crate) fn stderr(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr
            .write_all(text.as_bytes())
            .and_then(|()| stderr.flush());
    }

    /// A question's text, on stderr so that stdout stays clean.
    pub(crate) fn question(&self, text: &str) {
        self.stderr(&self.stderr.safe(text));
    }

    /// A failure: what happened, the next step, and lines that say more. As `{"error":…}` on
    /// stdout with `--json`.
    pub(crate) fn error(&self, error: &ApiError) -> io::Result<()> {
        if self.json {
            return self.event(&serde_json::json!({ "error": error }));
        }
        self.error_words(error);
        Ok(())
    }

    /// The same in words, whatever was asked for.
    pub(crate) fn error_words(&self, error: &ApiError) {
        let label = if error.kind == ApiErrorKind::Cancelled {
            self.stderr.paint(Style::Yellow, "cancelled:")
        } else {
            self.stderr.paint(Style::Red, "error:")
        };
        let mut text = format!("{label} {}\n", self.stderr.safe(&error.sentence));
        for detail in &error.details {
            text.push_str(&format!("  {}\n", self.stderr.paint(Style::Dim, detail)));
        }
        if !error.next_step.is_empty() {
            text.push_str(&format!("→ {}\n", self.stderr.safe(&error.next_step)));
        }
        self.stderr(&text);
    }
}
