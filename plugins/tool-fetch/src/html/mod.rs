//! HTML to readable text, in one pass over the tokens and without a tree: a page nests as deep as
//! it likes and costs no stack.

mod attributes;
mod elements;
mod extractor;
mod writer;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use url::Url;

use extractor::Extractor;

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Readable {
    /// The page's own title, on one line.
    pub(crate) title: Option<String>,
    /// Its text.
    pub(crate) text: String,
    /// Whether the text was longer than what is kept.
    pub(crate) is_cut: bool,
}

/// Reads a page; `address` is what its links are relative to.
pub(crate) fn readable(html: &str, address: &Url, with_links: bool) -> Readable {
    let (readable, left_out_to_the_end) = pass(html, address, with_links, true);
    // A menu that is never closed would hide the page.
    if readable.text.trim().is_empty() && left_out_to_the_end {
        return pass(html, address, with_links, false).0;
    }
    readable
}

fn pass(html: &str, address: &Url, with_links: bool, leaves_out: bool) -> (Readable, bool) {
    let mut extractor = Extractor::new(address, with_links, leaves_out);
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, _: Span<()>| {
        extractor.on(&event);
        None::<std::convert::Infallible>
    });
    // Scripts and styles hold `<` that open nothing.
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(html, emitter).finish();
    extractor.finish()
}
