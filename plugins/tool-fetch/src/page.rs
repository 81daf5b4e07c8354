//! What came: is it text, in which encoding, and what does it say?

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use url::Url;
use vale_sdk::HttpReply;

use crate::html;

/// How far into a page its own word about its encoding is looked for, in bytes (as browsers do).
const PRESCAN_BYTES: usize = 1024;

/// A page as text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    /// The page's own title.
    pub(crate) title: Option<String>,
    pub(crate) text: String,
    /// The media type, as the server says.
    pub(crate) media_type: String,
    pub(crate) encoding: &'static str,
    /// Bytes that the encoding does not know were replaced.
    pub(crate) has_replacements: bool,
    /// The text was longer than what is kept.
    pub(crate) is_cut: bool,
}

/// Reads a reply as text. The error is a sentence.
pub(crate) fn read(reply: &HttpReply, address: &Url, with_links: bool) -> Result<Page, String> {
    let content_type = reply.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default();
    let media_type: String = media_type
        .trim()
        .to_ascii_lowercase()
        .chars()
        .take(100)
        .collect();
    if let Some(what) = not_text(&media_type, &reply.body) {
        return Err(format!(
            "The address holds {what}, and this tool reads text only (web pages, plain text, JSON, XML)."
        ));
    }
    let (text, encoding, has_replacements) = decoded(content_type, &reply.body);
    let is_html = matches!(media_type.as_str(), "text/html" | "application/xhtml+xml")
        || media_type.is_empty() && looks_like_html(&text);
    let (title, text, is_cut) = if is_html {
        let readable = html::readable(&text, address, with_links);
        (readable.title, readable.text, readable.is_cut)
    } else {
        (None, text.into_owned(), false)
    };
    Ok(Page {
        title,
        text,
        media_type,
        encoding: encoding.name(),
        has_replacements,
        is_cut,
    })
}

/// What it is, if it is no text. Servers lie about types, so the bytes are asked too.
fn not_text(media_type: &str, body: &[u8]) -> Option<String> {
    const MAGIC: [(&[u8], &str); 8] = [
        (b"%PDF-", "a PDF"),
        (b"\x89PNG", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"GIF8", "a picture"),
        (b"RIFF", "a picture or a sound"),
        (b"PK\x03\x04", "an archive or an office document"),
        (b"\x1f\x8b", "compressed data"),
        (b"\x28\xb5\x2f\xfd", "compressed data"),
    ];
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| body.starts_with(magic)) {
        return Some((*what).to_string());
    }
    let is_named = !media_type.is_empty() && media_type != "application/octet-stream";
    let is_text = media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || matches!(
            media_type,
            "application/json"
                | "application/xml"
                | "application/javascript"
                | "application/x-ndjson"
                | "application/yaml"
                | "application/toml"
        );
    if is_named && !is_text {
        return Some(format!("data of the type {media_type}"));
    }
    let head = body.get(..PRESCAN_BYTES).unwrap_or(body);
    let is_utf16 = Encoding::for_bom(head).is_some_and(|(encoding, _)| encoding != UTF_8);
    (!is_utf16 && head.contains(&0) && !is_utf16_by_pattern(head))
        .then(|| "binary data".to_string())
}

/// UTF-16 without a mark: every other byte of Western text is zero.
fn is_utf16_by_pattern(head: &[u8]) -> bool {
    let zeros = |parity: usize| {
        let bytes = head.iter().skip(parity).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let most = head.len() * 2 / 5;
    even.min(odd) == 0 && even.max(odd) > most && head.len() > 8
}

/// The text: by its mark, by what the server or the page says if that fits, else as UTF-8, and as
/// Western European where even that does not fit.
fn decoded<'a>(
    content_type: &str,
    body: &'a [u8],
) -> (std::borrow::Cow<'a, str>, &'static Encoding, bool) {
    if Encoding::for_bom(body).is_some() {
        return UTF_8.decode(body);
    }
    let head = body.get(..PRESCAN_BYTES).unwrap_or(body);
    let by_server = charset_in(content_type.as_bytes());
    let by_page = charset_in(head);
    let utf16 = is_utf16_by_pattern(head).then(|| {
        let starts_with_zero = head.first() == Some(&0);
        if starts_with_zero {
            encoding_rs::UTF_16BE
        } else {
            encoding_rs::UTF_16LE
        }
    });
    let said = [by_server, by_page, utf16, Some(UTF_8)];
    for encoding in said.into_iter().flatten() {
        let decoded = encoding.decode(body);
        if !decoded.2 {
            return decoded;
        }
    }
    // Nothing fits. A page that is almost what it says, or was cut inside a character, is that.
    let encoding = by_server.or(by_page).unwrap_or(WINDOWS_1252);
    encoding.decode(body)
}

/// The encoding behind the first `charset=` that names one.
fn charset_in(head: &[u8]) -> Option<&'static Encoding> {
    const KEY: &[u8] = b"charset";
    let lower = head.to_ascii_lowercase();
    let mut rest = lower.as_slice();
    while let Some(at) = rest.windows(KEY.len()).position(|part| part == KEY) {
        rest = rest.get(at + KEY.len()..).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b"=");
        let Some(value) = value.map(<[u8]>::trim_ascii_start) else {
            continue;
        };
        let value = value
            .strip_prefix(b"\"")
            .or(value.strip_prefix(b"'"))
            .unwrap_or(value);
        let end = value
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\'' | b';' | b'>' | b' ' | b'/'))
            .unwrap_or(value.len());
        let label = value.get(..end).unwrap_or_default();
        if let Some(encoding) = Encoding::for_label_no_replacement(label) {
            return Some(encoding);
        }
    }
    None
}

fn looks_like_html(text: &str) -> bool {
    let head: String = text.trim_start().chars().take(100).collect();
    let head = head.to_ascii_lowercase();
    head.starts_with("<!doctype html") || head.starts_with("<html") || head.starts_with("<head")
}
