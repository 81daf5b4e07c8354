//! What the elements of HTML mean for its text.

/// What to do at an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing of it is text: code, forms, pictures.
    Never,
    /// Text, but not what the page is about: left out unless nothing else is there.
    Aside,
    Heading(u8),
    Paragraph,
    /// A line of its own, without a blank one around it.
    Line,
    List {
        is_ordered: bool,
    },
    Item,
    Row,
    Cell,
    Pre,
    Code,
    Link,
    Break,
    Rule,
    Image,
    Title,
    Meta,
    Base,
    Body,
    Inline,
}

pub(super) fn role(name: &[u8]) -> Role {
    match name {
        b"script" | b"style" | b"noscript" | b"template" | b"svg" | b"math" | b"iframe"
        | b"object" | b"embed" | b"canvas" | b"audio" | b"video" | b"select" | b"datalist"
        | b"textarea" | b"button" | b"noembed" | b"noframes" => Role::Never,
        b"nav" => Role::Aside,
        b"h1" => Role::Heading(1),
        b"h2" => Role::Heading(2),
        b"h3" => Role::Heading(3),
        b"h4" => Role::Heading(4),
        b"h5" => Role::Heading(5),
        b"h6" => Role::Heading(6),
        b"p" | b"blockquote" | b"table" | b"dl" | b"figure" | b"section" | b"article" | b"main"
        | b"header" | b"footer" | b"aside" | b"form" | b"fieldset" | b"details" => Role::Paragraph,
        b"div" | b"dt" | b"dd" | b"figcaption" | b"caption" | b"summary" | b"address"
        | b"legend" | b"center" | b"hgroup" | b"search" | b"dialog" | b"option" => Role::Line,
        b"ul" | b"menu" | b"dir" => Role::List { is_ordered: false },
        b"ol" => Role::List { is_ordered: true },
        b"li" => Role::Item,
        b"tr" => Role::Row,
        b"td" | b"th" => Role::Cell,
        b"pre" | b"listing" | b"xmp" | b"plaintext" => Role::Pre,
        b"code" | b"kbd" | b"samp" => Role::Code,
        b"a" => Role::Link,
        b"br" => Role::Break,
        b"hr" => Role::Rule,
        b"img" => Role::Image,
        b"title" => Role::Title,
        b"meta" => Role::Meta,
        b"base" => Role::Base,
        b"body" | b"html" => Role::Body,
        _ => Role::Inline,
    }
}

/// Elements without content: they open nothing.
pub(super) fn is_void(name: &[u8]) -> bool {
    matches!(
        name,
        b"area"
            | b"base"
            | b"br"
            | b"col"
            | b"embed"
            | b"hr"
            | b"img"
            | b"input"
            | b"link"
            | b"meta"
            | b"source"
            | b"track"
            | b"wbr"
    )
}

/// Elements whose end tag may be missing: the next of the kind ends them.
pub(super) fn ends_itself(name: &[u8]) -> bool {
    matches!(
        name,
        b"p" | b"li" | b"dt" | b"dd" | b"tr" | b"td" | b"th" | b"option"
    )
}
