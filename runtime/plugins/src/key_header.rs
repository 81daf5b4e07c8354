//! How a credential is written into a request: its name, header and template.

use crate::manifest::MAX_LINE;
use crate::reader::Table;
use crate::text::{is_kebab, printable};

/// Headers that are the gate's or the connection's own business, with every `proxy-*`.
const RESERVED_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub(crate) fn read_name(table: &Table<'_, '_>) -> Option<String> {
    let name = table.text("name", MAX_LINE)?;
    if is_kebab(&name) {
        return Some(name);
    }
    table.say(
        "name",
        format!("is `{}`", printable(&name, 80)),
        "Use lower-case letters, digits and dashes, such as \"api-key\".",
    );
    None
}

pub(crate) fn read_header(table: &Table<'_, '_>) -> Option<String> {
    let header = table.text("header", 100)?;
    let is_token = header
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if !is_token {
        table.say(
            "header",
            format!(
                "is `{}`, not a header name in lower case",
                printable(&header, 100)
            ),
            format!(
                "Write it like \"{}\".",
                if header.eq_ignore_ascii_case("authorization") {
                    "authorization"
                } else {
                    "x-api-key"
                }
            ),
        );
        return None;
    }
    if RESERVED_HEADERS.contains(&header.as_str()) || header.starts_with("proxy-") {
        table.say(
            "header",
            format!("is `{header}`, which belongs to the connection"),
            "Name the header in which the service expects its key.",
        );
        return None;
    }
    Some(header)
}

pub(crate) fn read_key_template(table: &Table<'_, '_>) -> Option<String> {
    let text = table.text("template", MAX_LINE)?;
    let count = text.matches("{key}").count();
    let rest = text.replace("{key}", "");
    let visible = rest.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if count == 1 && visible && !rest.contains(['{', '}']) {
        return Some(text);
    }
    let what = match count {
        1 => "holds something other than {key} and plain ASCII".to_owned(),
        0 => "has no {key}, so the key would go nowhere".to_owned(),
        _ => format!("has {{key}} {count} times"),
    };
    table.say(
        "template",
        what,
        "Use {key} exactly once: \"Bearer {key}\".",
    );
    None
}
