//! JSON for provider plugins: [`Value`] reads what servers send, [`Json`] writes what they want.
//!
//! Why not `serde_json`: a component with it is twice as large, and this data has needs of its
//! own. Texts arrive cut between surrogates or inside UTF-8, prices must not pass a float, the
//! upstream's own text of a value is kept for the bill, and attachments are spliced by the host.
//! `serde_json` is the oracle in the tests, and nothing keeps a plugin from using it.

mod read;
mod write;

pub use read::{MAX_DEPTH, Value};
pub use write::Json;

/// `text` as a JSON string, quotes included.
pub fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                json.push_str("\\u00");
                json.push(if u32::from(c) < 0x10 { '0' } else { '1' });
                json.extend(char::from_digit(u32::from(c) & 0xf, 16));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
