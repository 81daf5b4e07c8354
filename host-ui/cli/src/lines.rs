//! Text of several speakers on one screen: whole lines, each with its speaker's name.

use vale_api::ModelRef;

use crate::exit::Stop;
use crate::out::Out;

/// Characters of a line when the terminal does not say how wide it is.
const WIDTH: usize = 80;
/// The narrowest column of text that is still wrapped to.
const NARROWEST: usize = 20;

/// Gathers each speaker's text until a line is whole.
pub(crate) struct Lines<'o> {
    out: &'o Out,
    labels: Vec<String>,
    waiting: Vec<String>,
    width: usize,
}

impl<'o> Lines<'o> {
    pub(crate) fn new(models: &[ModelRef], out: &'o Out) -> Self {
        let labels = labels(models);
        let longest = labels.iter().map(|label| label.chars().count()).max();
        let width = out.width().unwrap_or(WIDTH);
        Self {
            out,
            width: width
                .saturating_sub(longest.unwrap_or_default() + 3)
                .max(NARROWEST),
            waiting: vec![String::new(); labels.len()],
            labels,
        }
    }

    /// Takes in a piece and writes the lines that it completes.
    pub(crate) fn push(&mut self, speaker: usize, text: &str) -> Result<(), Stop> {
        let Some(waiting) = self.waiting.get_mut(speaker) else {
            return Ok(());
        };
        waiting.push_str(text);
        let mut whole = Vec::new();
        while let Some(line) = first_line(waiting, self.width) {
            whole.push(line);
        }
        for line in whole {
            self.write(speaker, &line)?;
        }
        Ok(())
    }

    /// Nothing more comes in this line.
    pub(crate) fn end(&mut self, speaker: usize) -> Result<(), Stop> {
        let rest = self.waiting.get_mut(speaker).map(std::mem::take);
        match rest {
            Some(rest) if !rest.trim().is_empty() => self.write(speaker, rest.trim_end()),
            _ => Ok(()),
        }
    }

    /// Something about the speaker, on stderr.
    pub(crate) fn note(&self, speaker: usize, words: &str) {
        let label = self.labels.get(speaker).map_or("", String::as_str);
        self.out.note(&format!("{label} │ {words}"));
    }

    fn write(&self, speaker: usize, line: &str) -> Result<(), Stop> {
        let label = self.labels.get(speaker).map_or("", String::as_str);
        Ok(self.out.line(&format!("{label} │ {line}"))?)
    }
}

/// Names of one width; two of the same are told apart by a number.
fn labels(models: &[ModelRef]) -> Vec<String> {
    let names: Vec<String> = models.iter().map(ToString::to_string).collect();
    let numbered = names.iter().enumerate().map(|(at, name)| {
        let same = names.iter().filter(|other| *other == name).count();
        let before = names.iter().take(at).filter(|other| *other == name).count();
        if same > 1 {
            format!("{name} #{}", before + 1)
        } else {
            name.clone()
        }
    });
    let numbered: Vec<String> = numbered.collect();
    let longest = numbered.iter().map(|name| name.chars().count()).max();
    let longest = longest.unwrap_or_default();
    let padded = numbered.iter().map(|name| format!("{name:<longest$}"));
    padded.collect()
}

/// Takes the first whole line out of the text: up to a line break, or up to the last blank that
/// fits where the text is longer than the line.
fn first_line(text: &mut String, width: usize) -> Option<String> {
    let fits = text.char_indices().nth(width).map(|(at, _)| at);
    let end = text.find('\n');
    let (line, rest) = match (end, fits) {
        (Some(end), None) => (end, end + 1),
        (Some(end), Some(fits)) if end <= fits => (end, end + 1),
        (_, Some(fits)) => {
            let head = text.get(..fits)?;
            match head.rfind(' ') {
                Some(blank) if blank > 0 => (blank, blank + 1),
                _ => (fits, fits),
            }
        }
        (None, None) => return None,
    };
    let found = text.get(..line)?.trim_end().to_owned();
    text.drain(..rest);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_line_breaks_blanks_and_where_there_is_neither() {
        let mut text = "one two three\nfour\n\nüüüüüüüüüüüüü end".to_owned();
        let mut lines = Vec::new();
        while let Some(line) = first_line(&mut text, 9) {
            lines.push(line);
        }
        assert_eq!(lines, ["one two", "three", "four", "", "üüüüüüüüü"]);
        assert_eq!(text, "üüüü end", "it may go on");
    }

    #[test]
    fn two_answers_of_one_model_are_told_apart() {
        let models: Vec<ModelRef> = ["a/long-name", "b/x", "b/x"]
            .map(|name| name.parse().unwrap())
            .into();
        assert_eq!(
            labels(&models),
            ["a/long-name", "b/x #1     ", "b/x #2     "]
        );
    }
}
