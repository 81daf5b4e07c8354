//! The few attributes that matter, collected while a start tag is read.

/// Longest value that is kept, in bytes: a longer address is none that a person would use.
const MAX_VALUE: usize = 4 * 1024;

/// The attributes of the tag that is open.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) href: Vec<u8>,
    pub(super) alt: Vec<u8>,
    style: Vec<u8>,
    aria_hidden: Vec<u8>,
    is_hidden: bool,
    current: Option<Kept>,
}

#[derive(Clone, Copy, Debug)]
enum Kept {
    Href,
    Alt,
    Style,
    AriaHidden,
}

impl Attributes {
    pub(super) fn clear(&mut self) {
        for value in [
            &mut self.href,
            &mut self.alt,
            &mut self.style,
            &mut self.aria_hidden,
        ] {
            value.clear();
        }
        self.is_hidden = false;
        self.current = None;
    }

    pub(super) fn name(&mut self, name: &[u8]) {
        self.current = match name {
            b"href" => Some(Kept::Href),
            b"alt" => Some(Kept::Alt),
            b"style" => Some(Kept::Style),
            b"aria-hidden" => Some(Kept::AriaHidden),
            _ => None,
        };
        self.is_hidden |= name == b"hidden";
        // Of two of one name the first counts.
        if self.kept().is_some_and(|kept| !kept.is_empty()) {
            self.current = None;
        }
    }

    pub(super) fn value(&mut self, value: &[u8]) {
        if let Some(kept) = self.kept() {
            let room = MAX_VALUE.saturating_sub(kept.len());
            kept.extend_from_slice(value.get(..room).unwrap_or(value));
        }
    }

    /// Whether the page itself does not show the element.
    pub(super) fn hides(&self) -> bool {
        let style: Vec<u8> = self
            .style
            .iter()
            .filter(|byte| !byte.is_ascii_whitespace())
            .map(u8::to_ascii_lowercase)
            .collect();
        let says = |rule: &[u8]| style.windows(rule.len()).any(|part| part == rule);
        self.is_hidden
            || self.aria_hidden.eq_ignore_ascii_case(b"true")
            || says(b"display:none")
            || says(b"visibility:hidden")
    }

    fn kept(&mut self) -> Option<&mut Vec<u8>> {
        Some(match self.current? {
            Kept::Href => &mut self.href,
            Kept::Alt => &mut self.alt,
            Kept::Style => &mut self.style,
            Kept::AriaHidden => &mut self.aria_hidden,
        })
    }
}
