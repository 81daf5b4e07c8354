//! A web page where JSON should be: name it by its title, never show it.

/// How much of a body is looked at for a title, in bytes.
const LOOKED_AT: usize = 8192;

/// A sentence about the page, if the body is one.
pub(super) fn hint(body: &[u8]) -> Option<String> {
    let body = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    if body.first() != Some(&b'<') {
        return None;
    }
    let text = String::from_utf8_lossy(body.get(..LOOKED_AT).unwrap_or(body));
    let title = inside(&text, "title").or_else(|| inside(&text, "h1"));
    let named = match title {
        Some(title) if !title.is_empty() => format!(" (\"{title}\")"),
        _ => String::new(),
    };
    Some(format!(
        "The server answered with a web page{named} instead of JSON. The address in the settings \
         may be wrong, or a proxy or sign-in page stands in between."
    ))
}

/// The text of the first element of this name, as one short line.
fn inside(text: &str, tag: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let open = lower.find(&format!("<{tag}"))?;
    let start = open + lower.get(open..)?.find('>')? + 1;
    let end = start + lower.get(start..)?.find("</")?;
    Some(one_line(text.get(start..end)?, 80))
}

/// `text` on one line without control characters and tags, at most `max` characters.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
            length += 1;
        }
        for c in word.chars().filter(|c| !matches!(c, '<' | '>')) {
            if length >= max {
                line.push('…');
                return line;
            }
            line.push(c);
            length += 1;
        }
    }
    line
}
