//! Expressions: read and worked out in one pass.
//!
//! ```text
//! sum     = product (("+" | "-") product)*
//! product = sign (("*" | "/" | "mod" | "%" | "of") sign)*
//! sign    = ("-" | "+") sign | power
//! power   = percent ("^" sign)?
//! percent = value "%"*
//! value   = number | name | name "(" sum ("," sum)* ")" | "(" sum ")"
//! ```

use num_bigint::BigInt;
use num_rational::BigRational;
use vale_sdk::tool::Failure;

use crate::functions;
use crate::number::{MAX_DIGITS, Number, power_of_ten, too_big};

/// Longest expression, in characters.
pub(crate) const MAX_CHARS: usize = 1_000;
/// How deep signs may nest; a bracket counts twice. The guest's stack is small.
const MAX_DEPTH: u32 = 128;
/// Most arguments of a function.
const MAX_ARGUMENTS: usize = 200;

type Result<T> = std::result::Result<T, Failure>;

/// Works an expression out.
///
/// # Errors
/// A sentence: what cannot be read and where, or why there is no result.
pub(crate) fn evaluate(text: &str) -> Result<Number> {
    let mut parser = Parser {
        text,
        rest: text,
        depth: 0,
    };
    if text.trim().is_empty() {
        return Err(Failure::told("The expression is empty."));
    }
    let result = parser.sum()?;
    match parser.peek() {
        None => Ok(result),
        Some(',') => Err(parser.wrong(
            "stands outside a function; write thousands without commas, and fractions with a point",
        )),
        Some(_) => Err(parser.wrong("was not expected; an operator may be missing before it")),
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    depth: u32,
}

impl<'a> Parser<'a> {
    fn sum(&mut self) -> Result<Number> {
        let mut total = self.product()?;
        loop {
            if self.eat(&["+"]) {
                total = total.plus(&self.product()?)?;
            } else if self.eat(&["-", "−", "–"]) {
                total = total.minus(&self.product()?)?;
            } else {
                return Ok(total);
            }
        }
    }

    fn product(&mut self) -> Result<Number> {
        let mut product = self.sign()?;
        loop {
            if self.eat(&["*", "×", "·", "⋅"]) || self.eat_word("of") {
                product = product.times(&self.sign()?)?;
            } else if self.eat(&["/", "÷"]) {
                product = product.over(&self.sign()?)?;
            } else if self.eat(&["%"]) || self.eat_word("mod") {
                product = product.modulo(&self.sign()?)?;
            } else {
                return Ok(product);
            }
        }
    }

    fn sign(&mut self) -> Result<Number> {
        self.deeper(|parser| {
            if parser.eat(&["-", "−", "–"]) {
                Ok(parser.sign()?.negated())
            } else if parser.eat(&["+"]) {
                parser.sign()
            } else {
                parser.power()
            }
        })
    }

    fn power(&mut self) -> Result<Number> {
        let base = self.percent()?;
        if self.eat(&["^", "**"]) {
            // From right to left, and `2^-1` has a sign of its own.
            base.power(&self.sign()?)
        } else {
            Ok(base)
        }
    }

    /// A `%` with an operand behind it is the remainder, and `product` reads it.
    fn percent(&mut self) -> Result<Number> {
        let mut value = self.value()?;
        while self.peek() == Some('%') && !self.operand_follows_percent() {
            self.eat(&["%"]);
            value = value.over(&Number::integer(100))?;
        }
        Ok(value)
    }

    fn operand_follows_percent(&self) -> bool {
        let after = self
            .rest
            .strip_prefix('%')
            .unwrap_or(self.rest)
            .trim_start();
        let starts = after
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '('));
        starts && !starts_with_word(after, "of") && !starts_with_word(after, "mod")
    }

    fn value(&mut self) -> Result<Number> {
        match self.peek() {
            None => Err(Failure::told(
                "The expression ends where a number should follow.",
            )),
            Some('(') => {
                self.eat(&["("]);
                let inside = self.deeper(Self::sum)?;
                self.close()?;
                Ok(inside)
            }
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() => self.name(),
            Some(_) => Err(self.wrong("cannot begin a number")),
        }
    }

    fn name(&mut self) -> Result<Number> {
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let name = name.to_ascii_lowercase();
        self.rest = rest;
        if self.peek() != Some('(') {
            return functions::constant(&name);
        }
        self.eat(&["("]);
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.deeper(Self::sum)?);
            if arguments.len() > MAX_ARGUMENTS {
                return Err(Failure::told(format!(
                    "A function takes at most {MAX_ARGUMENTS} numbers."
                )));
            }
            if !self.eat(&[","]) && !self.eat(&[";"]) {
                break;
            }
        }
        self.close()?;
        functions::apply(&name, &arguments)
    }

    /// `12`, `1_000.5`, `.5`, `1.5e-3`.
    fn number(&mut self) -> Result<Number> {
        let mut digits = String::new();
        let mut places: i64 = 0;
        let mut seen_point = false;
        let mut rest = self.rest;
        while let Some(c) = rest.chars().next() {
            match c {
                '0'..='9' => {
                    digits.push(c);
                    places += i64::from(seen_point);
                }
                '.' if !seen_point => seen_point = true,
                '_' if !digits.is_empty() => {}
                _ => break,
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        let value = BigInt::parse_bytes(digits.as_bytes(), 10)
            .ok_or_else(|| self.wrong("cannot begin a number"))?;
        let (exponent, rest) = exponent(rest)?;
        self.rest = rest;
        let shift = exponent - places;
        if exponent.unsigned_abs() > MAX_DIGITS {
            return Err(too_big());
        }
        Number::exact(BigRational::from_integer(value) * power_of_ten(shift)?)
    }

    fn close(&mut self) -> Result<()> {
        if self.eat(&[")"]) {
            return Ok(());
        }
        Err(match self.peek() {
            None => Failure::told("A bracket is opened and not closed."),
            Some(_) => self.wrong("was not expected inside the brackets"),
        })
    }

    fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Failure::told(format!(
                "The expression nests more than {MAX_DEPTH} levels deep; work it out in parts."
            )));
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn eat(&mut self, words: &[&str]) -> bool {
        self.rest = self.rest.trim_start();
        // `**` is a power, not a product of a product.
        if self.rest.starts_with("**") && !words.contains(&"**") {
            return false;
        }
        let rest = words.iter().find_map(|word| self.rest.strip_prefix(word));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn eat_word(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        let found = starts_with_word(self.rest, word);
        if found {
            self.rest = self.rest.get(word.len()..).unwrap_or_default();
        }
        found
    }

    fn wrong(&self, what: &str) -> Failure {
        let at = self.text.chars().count() - self.rest.chars().count() + 1;
        let piece: String = self.rest.chars().take(10).collect();
        Failure::told(format!("“{piece}” at character {at} {what}."))
    }
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
        && !text
            .chars()
            .nth(word.len())
            .is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// `e-3` and what follows; 0 if none is there.
fn exponent(text: &str) -> Result<(i64, &str)> {
    let none = Ok((0, text));
    let Some(rest) = text.strip_prefix(['e', 'E']) else {
        return none;
    };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, after) = digits.split_at(end);
    if digits.is_empty() {
        return none;
    }
    let size: i64 = digits.parse().map_err(|_| too_big())?;
    Ok((if rest.starts_with('-') { -size } else { size }, after))
}
