//! Tokens to text.

use html5gum::emitters::callback::CallbackEvent;
use url::Url;

use super::Readable;
use super::attributes::Attributes;
use super::elements::{Role, ends_itself, is_void, role};
use super::writer::Writer;

/// Deepest nesting of lists that is indented.
const MAX_LISTS: usize = 8;
/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// Longest address of a link, in bytes; the text of a longer one stays.
const MAX_LINK: usize = 1_000;
/// Longest text of a link, in bytes: one that is not closed would take the page.
const MAX_LINK_TEXT: usize = 500;

pub(super) struct Extractor {
    base: Url,
    has_base: bool,
    with_links: bool,
    /// Whether menus and what is hidden are left out.
    leaves_out: bool,
    writer: Writer,
    title: String,
    in_title: bool,
    has_title: bool,
    /// The start tag that is being read.
    tag: Vec<u8>,
    attributes: Attributes,
    /// The element that is left out, and how many of its kind are open in it.
    skipped: Option<(Vec<u8>, u32, Role)>,
    /// For each open list the number of its next item; none = a list without numbers.
    lists: Vec<Option<u32>>,
    pre_depth: u32,
    /// A line break right after `<pre>` is none.
    at_pre_start: bool,
    is_in_row: bool,
    /// Where the open link points, and where its text begins.
    link: Option<String>,
    link_start: usize,
}

impl Extractor {
    pub(super) fn new(address: &Url, with_links: bool, leaves_out: bool) -> Self {
        Self {
            base: address.clone(),
            has_base: false,
            with_links,
            leaves_out,
            writer: Writer::default(),
            title: String::new(),
            in_title: false,
            has_title: false,
            tag: Vec::new(),
            attributes: Attributes::default(),
            skipped: None,
            lists: Vec::new(),
            pre_depth: 0,
            at_pre_start: false,
            is_in_row: false,
            link: None,
            link_start: 0,
        }
    }

    pub(super) fn on(&mut self, event: &CallbackEvent<'_>) {
        if self.writer.is_full() {
            return;
        }
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.tag.clear();
                self.tag.extend_from_slice(name);
                self.attributes.clear();
            }
            CallbackEvent::AttributeName { name } => self.attributes.name(name),
            CallbackEvent::AttributeValue { value } => self.attributes.value(value),
            CallbackEvent::CloseStartTag { self_closing } => self.start(*self_closing),
            CallbackEvent::EndTag { name } => self.end(name),
            CallbackEvent::String { value } => self.text(&String::from_utf8_lossy(value)),
            CallbackEvent::Comment { .. }
            | CallbackEvent::Doctype { .. }
            | CallbackEvent::Error(_) => {}
        }
    }

    /// The text, and whether something was left out until the end.
    pub(super) fn finish(mut self) -> (Readable, bool) {
        self.end_link();
        if self.pre_depth > 0 {
            self.pre_depth = 1;
            self.end(b"pre");
        }
        let left_out = self.skipped.is_some();
        let title = one_line(&self.title, MAX_TITLE);
        let (text, is_cut) = self.writer.finish();
        let readable = Readable {
            title: (!title.is_empty()).then_some(title),
            text,
            is_cut,
        };
        (readable, left_out)
    }

    fn start(&mut self, self_closing: bool) {
        let tag = std::mem::take(&mut self.tag);
        let role = role(&tag);
        if !self.stays_skipped(&tag, role, self_closing) {
            let is_left_out = role == Role::Never
                || self.leaves_out && (role == Role::Aside || self.attributes.hides());
            if is_left_out && role != Role::Body {
                // `<svg/>` has no end tag; on an HTML element the slash means nothing.
                let is_foreign = matches!(tag.as_slice(), b"svg" | b"math");
                let is_empty = is_void(&tag) || self_closing && is_foreign;
                if !is_empty {
                    self.skipped = Some((tag.clone(), 1, role));
                }
            } else {
                self.open(role);
            }
        }
        self.tag = tag;
    }

    /// Whether a start tag belongs to what is left out.
    fn stays_skipped(&mut self, tag: &[u8], role: Role, self_closing: bool) -> bool {
        let Some((name, depth, _)) = &mut self.skipped else {
            return false;
        };
        let ends_it = ends_itself(name)
            && (name == tag || name == b"p" && matches!(role, Role::Paragraph | Role::Heading(_)));
        if ends_it {
            self.skipped = None;
            return false;
        }
        if name == tag && !self_closing {
            *depth += 1;
        }
        true
    }

    fn open(&mut self, role: Role) {
        match role {
            Role::Heading(level) => {
                self.end_link();
                self.writer.paragraph();
                let mark = "#".repeat(usize::from(level)) + " ";
                self.writer.prefix(&mark);
            }
            Role::Paragraph | Role::Aside | Role::Never => self.writer.paragraph(),
            Role::Line | Role::Break | Role::Body => self.writer.line(),
            Role::Rule => self.writer.paragraph(),
            Role::List { is_ordered } => {
                self.writer.drop_prefix();
                if self.lists.is_empty() {
                    self.writer.paragraph();
                } else {
                    self.writer.line();
                }
                if self.lists.len() < MAX_LISTS {
                    self.lists.push(is_ordered.then_some(1));
                }
            }
            Role::Item => self.item(),
            Role::Row => {
                self.end_link();
                if self.is_in_row {
                    self.writer.next_row();
                } else {
                    self.writer.line();
                }
                self.is_in_row = false;
            }
            Role::Cell => {
                self.end_link();
                if self.is_in_row {
                    self.writer.next_cell();
                } else {
                    self.writer.prefix("");
                }
                self.is_in_row = true;
            }
            Role::Pre => {
                self.pre_depth += 1;
                if self.pre_depth == 1 {
                    self.writer.paragraph();
                    self.writer.prefix("```\n");
                    self.at_pre_start = true;
                }
            }
            Role::Code if self.pre_depth == 0 => self.writer.open('`'),
            Role::Link => self.open_link(),
            Role::Image => {
                let alt = one_line(&String::from_utf8_lossy(&self.attributes.alt), MAX_TITLE);
                if !alt.is_empty() {
                    self.writer.flowing(&format!("[image: {alt}]"));
                }
            }
            Role::Title => self.in_title = true,
            Role::Base if !self.has_base => {
                if let Some(base) = self.target() {
                    self.base = base;
                    self.has_base = true;
                }
            }
            Role::Code | Role::Base | Role::Meta | Role::Inline => {}
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some((skipped, depth, _)) = &mut self.skipped {
            if skipped == name {
                *depth -= 1;
            }
            // What is left out ends with the page's body at the latest.
            if *depth == 0 || name == b"body" {
                self.skipped = None;
            }
            return;
        }
        match role(name) {
            Role::Heading(_) => {
                self.writer.drop_prefix();
                self.writer.paragraph();
            }
            Role::Item => {
                self.writer.drop_prefix();
                self.writer.line();
            }
            Role::Paragraph => {
                if name == b"table" {
                    self.is_in_row = false;
                    self.writer.drop_prefix();
                }
                self.writer.paragraph();
            }
            Role::Row => {
                self.writer.drop_prefix();
                self.writer.line();
            }
            Role::Line => self.writer.line(),
            Role::List { .. } => {
                self.writer.drop_prefix();
                self.lists.pop();
                if self.lists.is_empty() {
                    self.writer.paragraph();
                } else {
                    self.writer.line();
                }
            }
            Role::Pre if self.pre_depth > 0 => {
                self.pre_depth -= 1;
                if self.pre_depth == 0 {
                    if !self.writer.drop_prefix() {
                        self.writer.end_verbatim("```");
                    }
                    self.writer.paragraph();
                }
            }
            Role::Code if self.pre_depth == 0 => {
                self.writer.close('`', "`");
            }
            Role::Link => self.end_link(),
            Role::Title => {
                self.in_title = false;
                self.has_title |= !self.title.is_empty();
            }
            Role::Break => self.writer.line(),
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            // The first title counts.
            if !self.has_title && self.title.len() < MAX_TITLE * 8 {
                self.title.push_str(text);
            }
        } else if self.skipped.is_some() {
            // Left out.
        } else if self.pre_depth > 0 {
            let text = if std::mem::take(&mut self.at_pre_start) {
                text.strip_prefix('\n').unwrap_or(text)
            } else {
                text
            };
            self.writer.verbatim(text);
        } else {
            self.writer.flowing(text);
            if self.writer.len() > self.link_start + MAX_LINK_TEXT {
                self.end_link();
            }
        }
    }

    fn item(&mut self) {
        self.end_link();
        self.writer.drop_prefix();
        self.writer.line();
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "- ".into(),
        };
        self.writer.prefix(&(indent + &mark));
    }

    fn open_link(&mut self) {
        self.end_link();
        if !self.with_links || self.pre_depth > 0 || self.attributes.href.starts_with(b"#") {
            return;
        }
        let Some(target) = self.target() else {
            return;
        };
        let target = String::from(target);
        if target.len() <= MAX_LINK {
            self.link = Some(target);
            self.link_start = self.writer.len();
            self.writer.open('[');
            self.writer.together(true);
        }
    }

    fn end_link(&mut self) {
        if let Some(target) = self.link.take() {
            self.writer.close('[', &format!("]({target})"));
            self.writer.together(false);
        }
    }

    /// Where the tag's `href` points, if it is a place that can be fetched or written to.
    fn target(&self) -> Option<Url> {
        let href = std::str::from_utf8(&self.attributes.href).ok()?.trim();
        if href.is_empty() {
            return None;
        }
        let url = self.base.join(href).ok()?;
        matches!(url.scheme(), "http" | "https" | "mailto").then_some(url)
    }
}

/// Blanks collapsed, at most `max` characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let words: Vec<_> = text.split_whitespace().take(max).collect();
    words.join(" ").chars().take(max).collect()
}
