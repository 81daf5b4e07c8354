//! What may be shown to somebody else.
//!
//! By what is known to be harmless, not by what is known to be secret: a text that nobody has
//! looked at is replaced by its length.

use serde_json::{Map, Value};

/// Fields of a log line whose values ValeChat itself makes: names, ids, numbers, states.
const HARMLESS: &[&str] = &[
    "timestamp",
    "level",
    "target",
    "id",
    "model",
    "number",
    "seconds",
    "first_content_s",
    "ok",
    "state",
    "child",
    "path",
    "after",
    "wait",
    "plugin",
    "provider",
    "method",
    "status",
    "hop",
    "upstream_request_id",
    "from",
    "to",
    "name",
    "command",
];
/// Parts of a key's name that say that its value is one.
const SECRET: &[&str] = &[
    "key",
    "token",
    "secret",
    "password",
    "passphrase",
    "credential",
    "auth",
    "pin",
];
/// The shortest run of characters that could be a key.
const MIN_KEY: usize = 20;

/// A line of the log with only what ValeChat wrote itself.
pub(crate) fn log_line(line: &str) -> String {
    match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => Value::Object(log_fields(fields)).to_string(),
        // Not ours, whatever it is.
        _ => Value::String(hidden(line)).to_string(),
    }
}

fn log_fields(fields: Map<String, Value>) -> Map<String, Value> {
    // A plugin's lines are the plugin's words.
    let target = fields
        .get("target")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_ours = target.starts_with("vale_") || target.starts_with("valechat");
    let keep = |(name, value): (String, Value)| {
        let value = match (name.as_str(), value) {
            ("fields" | "span", Value::Object(inner)) => {
                let inner = inner.into_iter().map(|(name, value)| {
                    let shown = name == "message" && is_ours;
                    let value = field(&name, value, shown);
                    (name, value)
                });
                Value::Object(inner.collect())
            }
            ("spans", Value::Array(spans)) => {
                let spans = spans.into_iter().map(|span| match span {
                    Value::Object(inner) => {
                        let inner = inner.into_iter();
                        let inner = inner.map(|(name, value)| {
                            let value = field(&name, value, false);
                            (name, value)
                        });
                        Value::Object(inner.collect())
                    }
                    _ => Value::Null,
                });
                Value::Array(spans.collect())
            }
            (_, value) => field(&name, value, false),
        };
        (name, value)
    };
    fields.into_iter().map(keep).collect()
}

fn field(name: &str, value: Value, shown: bool) -> Value {
    match value {
        Value::String(text) if HARMLESS.contains(&name) => Value::String(text),
        Value::String(text) if shown => Value::String(scrub(&text)),
        Value::String(text) => Value::String(hidden(&text)),
        Value::Array(_) | Value::Object(_) => Value::Null,
        number => number,
    }
}

fn hidden(text: &str) -> String {
    format!("[{} characters]", text.chars().count())
}

/// A JSON document of ours without what could be a key or somebody's name in a path.
pub(crate) fn scrubbed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(scrub(&without_home(&text))),
        Value::Array(items) => Value::Array(items.into_iter().map(scrubbed).collect()),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                // The upstream's words may quote the conversation.
                let quotes = matches!(
                    name.as_str(),
                    "last_error" | "attention" | "failure" | "message"
                );
                let value = match value {
                    Value::String(text) if quotes => Value::String(hidden(&text)),
                    Value::Object(_) if quotes => Value::Null,
                    value => scrubbed(value),
                };
                (name, value)
            });
            Value::Object(fields.collect())
        }
        value => value,
    }
}

fn without_home(text: &str) -> String {
    match std::env::var("HOME") {
        Ok(home) if home.len() > 1 => text.replace(&home, "~"),
        _ => text.to_owned(),
    }
}

/// A text without runs that could be keys: long, without blanks, letters and digits mixed.
fn scrub(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        out.push_str(if could_be_key(word) { "[hidden]" } else { word });
        let next = after.chars().next().map_or(0, char::len_utf8);
        let (separator, after) = after.split_at(next);
        out.push_str(separator);
        rest = after;
    }
    out
}

fn could_be_key(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|c| kind(&c));
    word.len() >= MIN_KEY
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
        // Ids of ours and of upstreams are asked for by support.
        && !is_id(word)
}

/// A UUID, or an upstream's request id.
fn is_id(word: &str) -> bool {
    let is_uuid = word.len() == 36
        && word.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    is_uuid || word.starts_with("req_") || word.starts_with("req-")
}

/// Settings with their structure, numbers and switches; texts only where they are harmless.
pub(crate) fn settings(text: &str) -> String {
    match text.parse::<toml_edit::DocumentMut>() {
        Err(_) => "# the settings have a mistake and are not shown\n".to_owned(),
        Ok(document) => {
            // Made anew of names and values: comments may say anything.
            toml_edit::DocumentMut::from(bare(document.as_table(), false)).to_string()
        }
    }
}

fn bare(table: &toml_edit::Table, is_secret: bool) -> toml_edit::Table {
    let mut made = toml_edit::Table::new();
    made.set_implicit(table.is_implicit());
    for (name, item) in table {
        made.insert(name, bare_item(item, is_secret || names_secret(name)));
    }
    made
}

/// Whether what has this name is not shown at all; what is below it neither.
fn names_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|part| name.contains(part)) && name != "keys"
}

fn bare_item(item: &toml_edit::Item, is_secret: bool) -> toml_edit::Item {
    use toml_edit::Item;
    match item {
        Item::None => Item::None,
        Item::Value(value) => Item::Value(bare_value(value, is_secret)),
        Item::Table(table) => Item::Table(bare(table, is_secret)),
        Item::ArrayOfTables(tables) => {
            Item::ArrayOfTables(tables.iter().map(|table| bare(table, is_secret)).collect())
        }
    }
}

fn bare_value(value: &toml_edit::Value, is_secret: bool) -> toml_edit::Value {
    use toml_edit::Value;
    match value {
        Value::String(text) if is_secret => hidden(text.value()).into(),
        Value::String(text) => shown(text.value()).into(),
        Value::Array(items) => {
            let items = items.iter().map(|item| bare_value(item, is_secret));
            Value::Array(items.collect())
        }
        Value::InlineTable(table) => {
            let mut made = toml_edit::InlineTable::new();
            for (name, value) in table {
                made.insert(name, bare_value(value, is_secret || names_secret(name)));
            }
            Value::InlineTable(made)
        }
        // A pin is a secret too.
        _ if is_secret => "[hidden]".into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(switch) => (*switch.value()).into(),
        Value::Datetime(time) => (*time.value()).into(),
    }
}

/// An address by its scheme, host and port; a short word as it is; anything else by its length.
fn shown(text: &str) -> String {
    if let Ok(url) = url::Url::parse(text)
        && url.has_host()
    {
        return url.origin().ascii_serialization();
    }
    let is_word = text.len() <= 64
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':'));
    if is_word { scrub(text) } else { hidden(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7";

    #[test]
    fn of_a_log_line_only_what_we_wrote_stays() {
        let line = serde_json::json!({
            "timestamp": "2026-11-25T08:00:00Z", "level": "INFO", "target": "vale_host::turn",
            "fields": {"message": "retrying", "model": "acme/x", "failure": "you said: my secret diary", "after": "0.5s"},
            "spans": [{"name": "turn", "id": "0190a0d0-0000-7000-8000-000000000001", "question": "my secret diary"}],
        });
        let shown = log_line(&line.to_string());
        assert!(!shown.contains("diary"), "{shown}");
        for kept in [
            "retrying",
            "acme/x",
            "0.5s",
            "0190a0d0-0000-7000-8000-000000000001",
            "[25 characters]",
        ] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
        let plugin =
            serde_json::json!({"target": "plugin", "fields": {"message": "my secret diary"}});
        assert!(!log_line(&plugin.to_string()).contains("diary"));
        assert!(!log_line("my secret diary").contains("diary"));
        let leaked = serde_json::json!({"target": "vale_host", "fields": {"message": format!("with {KEY} in it")}});
        assert!(!log_line(&leaked.to_string()).contains("aB3dE6"));
    }

    #[test]
    fn of_settings_addresses_lose_names_passwords_and_paths_and_texts_their_words() {
        let text = format!(
            "# call mum\ndefault_model = \"openai/gpt-5\"\n[network]\nproxy = \"http://me:{KEY}@proxy.example:8080/x?y={KEY}\"\n[providers.lan]\nplugin = \"openai\"\n[providers.lan.settings]\nbase_url = \"https://lan.example/v1?api-key={KEY}\" # mine\nnote = \"my secret diary\"\nkey_id = \"short\"\nretries = 3\n"
        );
        let shown = settings(&text);
        for gone in ["mum", "mine", "diary", "aB3dE6", "me:", "short"] {
            assert!(!shown.contains(gone), "{gone}: {shown}");
        }
        for kept in [
            "openai/gpt-5",
            "http://proxy.example:8080",
            "https://lan.example",
            "retries = 3",
            "[providers.lan]",
        ] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
        assert!(!settings("broken = ").contains("broken"));
        let shown = settings(
            "[providers.lan] # my employer\ngrants = [\n  \"chat\", # ask Bob\n  # sk-1\n]\nx = { a = 1 } # sk-2\nmore = true # sk-3\n[providers.lan.settings.token]\nvalue = \"hunter2\"\npin = 4711\n[[list]] # sk-4\na = 1\n",
        );
        for gone in ["employer", "Bob", "sk-", "hunter2", "4711"] {
            assert!(!shown.contains(gone), "{gone}: {shown}");
        }
        for kept in ["grants = [\"chat\"]", "a = 1", "more = true", "[[list]]"] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }

    #[test]
    fn documents_lose_keys_quotes_and_the_home_folder() {
        let value = serde_json::json!({"sentence": format!("it has {KEY}"), "vitals": {"last_error": "you said: diary"}, "n": 3});
        let shown = scrubbed(value).to_string();
        assert!(
            !shown.contains("aB3dE6") && !shown.contains("diary"),
            "{shown}"
        );
        assert!(
            shown.contains("[hidden]") && shown.contains("\"n\":3"),
            "{shown}"
        );
    }
}
