//! Placeholders in addresses: `{settings.NAME}` and `{host.infer}`.
//!
//! A whole address (`{host.infer}`, a setting of format `uri`) may only stand at the beginning
//! and only a path may follow it. Anywhere else a setting fills in one name of letters, digits,
//! dashes and dots, so that no setting can move the slash or the colon that ends a host.
//!
//! A setting that is a list may stand only at the beginning: the template is then one address for
//! each of its items.

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

    /// The addresses with `settings` (checked, defaults filled in) and the host's values put in: one,
    /// or as many as the list has that it begins with. The error completes "`key` …".
    pub(crate) fn expand(
        &self,
        settings: &Map<String, Value>,
        infer: Option<&Url>,
    ) -> Result<Vec<Expanded>, String> {
        let Some(name) = self.leading_setting() else {
            return Ok(vec![self.fill(None, "", settings, infer)?]);
        };
        let Some(Value::Array(items)) = settings.get(name) else {
            let lead = setting_text(settings, name)?;
            return Ok(vec![self.fill(None, &lead, settings, infer)?]);
        };
        let of_item = |(index, item): (usize, &Value)| {
            let lead = item
                .as_str()
                .ok_or_else(|| format!("needs texts in the list `{name}`"))?;
            self.fill(Some(index), lead, settings, infer)
        };
        items.iter().enumerate().map(of_item).collect()
    }

    /// One address; `lead` is the text of the setting that it begins with.
    fn fill(
        &self,
        item: Option<usize>,
        lead: &str,
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
                Piece::Setting(_) if index == 0 => {
                    from_infer = mentions_infer(lead);
                    text.push_str(expand_uri(lead, infer)?.trim_end_matches('/'));
                }
                Piece::Setting(name) => {
                    text.push_str(&one_name(name, setting_text(settings, name)?)?);
                }
            }
        }
        Ok(Expanded {
            url: base_url(&text)?,
            from_infer,
            item,
        })
    }
}

/// The result of filling in a template.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) url: Url,
    /// The address is the host's own model server.
    pub(crate) from_infer: bool,
    /// Which item of the list it is that the template begins with, from 0.
    pub(crate) item: Option<usize>,
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
        Some(Value::Array(_)) => Err(format!(
            "has the list `{name}` in the middle, where one name belongs"
        )),
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
