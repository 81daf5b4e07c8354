//! Placeholders in addresses: `{settings.NAME}` and `{host.infer}`.
//!
//! A whole address (`{host.infer}`, a setting of format `uri`) may only stand at the beginning
//! and only a path may follow it. Anywhere else a setting fills in one name of letters, digits,
//! dashes and dots, so that no setting can move the slash or the colon that ends a host.

use std::fmt;

use serde_json::{Map, Value};
use url::Url;

use crate::origin::base_url;
use crate::text::{did_you_mean, is_setting_name, printable};

const INFER: &str = "{host.infer}";

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Itself.
    Text(String),
    /// `{settings.NAME}`.
    Setting(String),
    /// `{host.infer}`: the address of the host's own model server.
    HostInfer,
}

/// An address with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Parses `text`. The error completes "`key` …".
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, from_brace) = rest.split_at(open);
            push_text(&mut pieces, before)?;
            let Some((inside, after)) =
                from_brace.strip_prefix('{').and_then(|s| s.split_once('}'))
            else {
                return Err("has a `{` without its `}`".to_owned());
            };
            pieces.push(placeholder(inside)?);
            rest = after;
        }
        push_text(&mut pieces, rest)?;
        let template = Self { pieces };
        template.check_order()?;
        Ok(template)
    }

    fn check_order(&self) -> Result<(), String> {
        match self.pieces.first() {
            None => return Err("is empty".to_owned()),
            Some(Piece::Text(text))
                if !text.starts_with("https://") && !text.starts_with("http://") =>
            {
                return Err(format!(
                    "begins with `{}`: an address begins with https://, http:// or a placeholder",
                    printable(text, 40)
                ));
            }
            Some(Piece::Text(_)) => {}
            Some(Piece::Setting(_) | Piece::HostInfer) => {
                let followed_by_path = match self.pieces.get(1) {
                    None => true,
                    Some(Piece::Text(text)) => text.starts_with('/'),
                    Some(_) => false,
                };
                if !followed_by_path {
                    return Err("continues an address with something other than a path".to_owned());
                }
            }
        }
        if self
            .pieces
            .iter()
            .skip(1)
            .any(|piece| *piece == Piece::HostInfer)
        {
            return Err("uses {host.infer}, a whole address, in the middle".to_owned());
        }
        Ok(())
    }

    /// The parts in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The names of the settings it uses.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Setting(name) => Some(name.as_str()),
            Piece::Text(_) | Piece::HostInfer => None,
        })
    }

    /// The setting that gives the whole address, if one does.
    pub fn leading_setting(&self) -> Option<&str> {
        match self.pieces.first() {
            Some(Piece::Setting(name)) => Some(name),
            _ => None,
        }
    }

    /// The address with `settings` (checked, defaults filled in) and the host's values put in.
    /// The error completes "`key` …".
    pub(crate) fn expand(
        &self,
        settings: &Map<String, Value>,
        infer: Option<&Url>,
    ) -> Result<Expanded, String> {
        let mut text = String::new();
        let mut from_infer = false;
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::HostInfer => {
                    from_infer = true;
                    text.push_str(&infer_address(infer)?);
                }
                Piece::Setting(name) => {
                    let value = setting_text(settings, name)?;
                    if index == 0 {
                        from_infer = mentions_infer(&value);
                        text.push_str(expand_uri(&value, infer)?.trim_end_matches('/'));
                    } else {
                        text.push_str(&one_name(name, value)?);
                    }
                }
            }
        }
        let url = base_url(&text)?;
        Ok(Expanded { url, from_infer })
    }
}

/// The result of filling in a template.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) url: Url,
    /// The address is the host's own model server.
    pub(crate) from_infer: bool,
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Setting(name) => write!(f, "{{settings.{name}}}")?,
                Piece::HostInfer => f.write_str(INFER)?,
            }
        }
        Ok(())
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if text.contains('}') {
        return Err("has a `}` without its `{`".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(())
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    if inside == "host.infer" {
        return Ok(Piece::HostInfer);
    }
    match inside.strip_prefix("settings.") {
        Some(name) if is_setting_name(name) => Ok(Piece::Setting(name.to_owned())),
        Some(name) => Err(format!(
            "names the setting `{}`, which cannot be a setting's name",
            printable(name, 60)
        )),
        None => Err(format!(
            "has the unknown placeholder `{{{}}}`: {}",
            printable(inside, 60),
            did_you_mean(inside, &["host.infer", "settings.NAME"])
        )),
    }
}

fn infer_address(infer: Option<&Url>) -> Result<String, String> {
    infer
        .map(|url| url.as_str().trim_end_matches('/').to_owned())
        .ok_or_else(|| "needs the local model server {host.infer}, which is not running".to_owned())
}

fn setting_text(settings: &Map<String, Value>, name: &str) -> Result<String, String> {
    match settings.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) | None => Err(format!("needs the setting `{name}`, which has no value")),
    }
}

fn one_name(setting: &str, value: String) -> Result<String, String> {
    let ok = (1..=128).contains(&value.len())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !value.starts_with(['.', '-'])
        && !value.ends_with('.')
        && !value.contains("..");
    if ok {
        Ok(value)
    } else {
        Err(format!(
            "puts the setting `{setting}` into an address, and `{}` is not one name of letters, digits, dashes and dots",
            printable(&value, 60)
        ))
    }
}

/// True when a setting's value begins with the host's own address.
pub(crate) fn mentions_infer(value: &str) -> bool {
    value.starts_with(INFER)
}

/// A setting of format `uri` with `{host.infer}` filled in. The error completes "`key` …".
pub(crate) fn expand_uri(value: &str, infer: Option<&Url>) -> Result<String, String> {
    match value.strip_prefix(INFER) {
        None => Ok(value.to_owned()),
        Some(path) if path.is_empty() || path.starts_with('/') => {
            Ok(format!("{}{path}", infer_address(infer)?))
        }
        Some(_) => Err("continues {host.infer} with something other than a path".to_owned()),
    }
}
