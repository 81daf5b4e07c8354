//! The part of JSON Schema that `[settings]` may use: one flat object of texts, numbers, switches and
//! lists of texts, because every face must be able to draw a form from it.

use serde_json::{Map, Value, json};

use crate::list::MAX_ITEMS;
use crate::manifest::MAX_LINE;
use crate::reader::Table;
use crate::settings::{self, Kind};
use crate::text::{is_setting_name, printable};
use crate::text_rule::{MAX_TEXT_BYTES, pattern};

/// Most settings of one plugin.
const MAX_SETTINGS: usize = 64;
/// Most choices of an `enum`.
const MAX_CHOICES: usize = 100;
/// Longest `pattern`, characters.
const MAX_PATTERN: usize = 500;

const SETTINGS_KEYS: [&str; 5] = ["type", "title", "description", "properties", "required"];
const PROPERTY_KEYS: [&str; 15] = [
    "type",
    "format",
    "default",
    "title",
    "description",
    "enum",
    "minimum",
    "maximum",
    "pattern",
    "minLength",
    "maxLength",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
];
const ITEM_KEYS: [&str; 6] = [
    "type",
    "format",
    "pattern",
    "enum",
    "minLength",
    "maxLength",
];
/// Settings are shown, logged and handed to the plugin; what these names promise must not be.
const SECRET_NAMES: [&str; 6] = ["api_key", "apikey", "key", "password", "secret", "token"];

/// The schema of a manifest without settings.
pub(crate) fn empty() -> Value {
    json!({ "type": "object", "properties": {} })
}

/// Reads `[settings]`: the schema and the names in the order of the file.
pub(crate) fn read(table: &Table<'_, '_>) -> (Value, Vec<String>) {
    table.only(&SETTINGS_KEYS);
    if table.has("type") {
        table.one_of("type", &["object"]);
    }
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    for key in ["title", "description"] {
        if let Some(text) = table.text(key, MAX_LINE) {
            schema.insert(key.to_owned(), Value::String(text));
        }
    }

    let mut properties = Map::new();
    let mut order = Vec::new();
    if let Some(inner) = table.table("properties") {
        let keys = inner.keys();
        if keys.len() > MAX_SETTINGS {
            table.say(
                "properties",
                format!("has {} settings", keys.len()),
                format!("At most {MAX_SETTINGS} fit."),
            );
        }
        for key in keys.into_iter().take(MAX_SETTINGS) {
            if !name_is_good(&inner, &key.value) {
                continue;
            }
            let Some(property) = inner.table(&key.value) else {
                continue;
            };
            properties.insert(key.value.clone(), Value::Object(read_property(&property)));
            order.push(key.value);
        }
    }

    let required = read_required(table, &properties);
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    (Value::Object(schema), order)
}

fn name_is_good(table: &Table<'_, '_>, name: &str) -> bool {
    if SECRET_NAMES.contains(&name) {
        table.say(
            name,
            "would be a secret in plain sight: settings are shown and reach the plugin",
            "Declare it under [[credentials]]; the host keeps it and attaches it.",
        );
        return false;
    }
    if !is_setting_name(name) {
        table.say(
            name,
            "cannot be the name of a setting",
            "Use lower-case letters, digits and underscores, beginning with a letter, at most 64.",
        );
        return false;
    }
    true
}

fn read_required(table: &Table<'_, '_>, properties: &Map<String, Value>) -> Vec<String> {
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mut required = Vec::new();
    for (index, name) in table
        .texts("required", MAX_SETTINGS, 64)
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        if properties.contains_key(&name.value) {
            required.push(name.value);
        } else {
            table.say(
                &format!("required[{index}]"),
                format!(
                    "names `{}`, which is not a setting",
                    printable(&name.value, 64)
                ),
                crate::text::did_you_mean(&name.value, &names),
            );
        }
    }
    required
}

fn read_property(table: &Table<'_, '_>) -> Map<String, Value> {
    table.only(&PROPERTY_KEYS);
    let mut schema = Map::new();
    let Some(kind) = read_kind(table) else {
        return schema;
    };
    schema.insert("type".to_owned(), json!(kind.as_str()));
    for key in ["title", "description"] {
        if let Some(text) = table.text(key, MAX_LINE) {
            schema.insert(key.to_owned(), Value::String(text));
        }
    }
    read_text_rules(table, kind, &mut schema);
    read_bounds(table, kind, &mut schema);
    read_choices(table, kind, &mut schema);
    read_list(table, kind, &mut schema);
    read_default(table, &mut schema);
    schema
}

/// What a text must be like: of a setting, or of the items of a list.
fn read_text_rules(table: &Table<'_, '_>, kind: Kind, schema: &mut Map<String, Value>) {
    let is_text = kind == Kind::String;
    if belongs(table, "format", kind, is_text)
        && let Some(format) = table.one_of("format", &["uri"])
    {
        schema.insert("format".to_owned(), json!(format));
    }
    if belongs(table, "pattern", kind, is_text)
        && let Some(text) = table.text("pattern", MAX_PATTERN)
    {
        match pattern(&text) {
            Ok(_) => drop(schema.insert("pattern".to_owned(), Value::String(text))),
            Err(why) => table.say(
                "pattern",
                format!("is not a usable regular expression ({why})"),
                "Look-around and back-references are not offered; keep it short.",
            ),
        }
    }
    let keys = ["minLength", "maxLength"];
    read_range(table, kind, is_text, (keys, MAX_TEXT_BYTES as u64), schema);
}

/// A least and a most, both whole numbers.
fn read_range(
    table: &Table<'_, '_>,
    kind: Kind,
    makes_sense: bool,
    (keys, ceiling): ([&str; 2], u64),
    schema: &mut Map<String, Value>,
) {
    let unit = if kind == Kind::Array {
        "items"
    } else {
        "characters"
    };
    let [least_key, most_key] = keys;
    let [least, most] = keys.map(|key| {
        let number = belongs(table, key, kind, makes_sense)
            .then(|| table.integer(key, 0..=ceiling, unit))
            .flatten()?;
        schema.insert(key.to_owned(), json!(number));
        Some(number)
    });
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        let what = format!("is above {most_key}, so no value fits");
        table.say(least_key, what, "Exchange the two.");
    }
}

/// The items of a list and how many of them.
fn read_list(table: &Table<'_, '_>, kind: Kind, schema: &mut Map<String, Value>) {
    let is_list = kind == Kind::Array;
    if is_list && !table.has("items") {
        table.missing("items", "Write items = { type = \"string\" }.");
    }
    let keys = ["minItems", "maxItems"];
    read_range(table, kind, is_list, (keys, MAX_ITEMS), schema);
    if belongs(table, "uniqueItems", kind, is_list)
        && let Some(unique) = table.boolean("uniqueItems")
    {
        schema.insert("uniqueItems".to_owned(), json!(unique));
    }
    if is_list {
        // Said in the schema, so that every form keeps to it.
        schema.entry("maxItems").or_insert_with(|| json!(MAX_ITEMS));
    }
    if !belongs(table, "items", kind, is_list) {
        return;
    }
    let Some(inner) = table.table("items") else {
        return;
    };
    inner.only(&ITEM_KEYS);
    if !inner.has("type") {
        inner.missing("type", "Write type = \"string\": a list holds texts.");
    }
    let mut items = Map::new();
    if inner.one_of("type", &["string"]).is_some() {
        items.insert("type".to_owned(), json!("string"));
    }
    read_text_rules(&inner, Kind::String, &mut items);
    read_choices(&inner, Kind::String, &mut items);
    schema.insert("items".to_owned(), Value::Object(items));
}

fn read_kind(table: &Table<'_, '_>) -> Option<Kind> {
    if !table.has("type") {
        table.missing(
            "type",
            "Write type = \"string\", \"integer\", \"number\", \"boolean\" or \"array\".",
        );
        return None;
    }
    Kind::parse(table.one_of("type", &Kind::NAMES)?)
}

/// Whether `key` is there and makes sense for a setting of this type; a mistake if it is there and
/// does not.
fn belongs(table: &Table<'_, '_>, key: &str, kind: Kind, makes_sense: bool) -> bool {
    if table.has(key) && !makes_sense {
        table.say(
            key,
            format!("says nothing about a setting of type {}", kind.as_str()),
            if kind == Kind::Array && ITEM_KEYS.contains(&key) {
                "Write it in items, where it is about each text."
            } else {
                "Remove it."
            },
        );
    }
    table.has(key) && makes_sense
}

fn read_bounds(table: &Table<'_, '_>, kind: Kind, schema: &mut Map<String, Value>) {
    for key in ["minimum", "maximum"] {
        if !belongs(
            table,
            key,
            kind,
            matches!(kind, Kind::Integer | Kind::Number),
        ) {
            continue;
        }
        match table.json(key) {
            Some(value) if kind.holds(&value) => drop(schema.insert(key.to_owned(), value)),
            Some(_) => table.say(
                key,
                format!("is not of the setting's type {}", kind.as_str()),
                "Write a number of that type.",
            ),
            None => {}
        }
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    if let (Some(minimum), Some(maximum)) = (bound("minimum"), bound("maximum"))
        && minimum > maximum
    {
        table.say(
            "minimum",
            "is above the maximum, so no value fits",
            "Exchange the two.",
        );
    }
}

fn read_choices(table: &Table<'_, '_>, kind: Kind, schema: &mut Map<String, Value>) {
    let has_choices = !matches!(kind, Kind::Boolean | Kind::Array);
    if !belongs(table, "enum", kind, has_choices) {
        return;
    }
    let Some(value) = table.json("enum") else {
        return;
    };
    let fix = format!(
        "List 1 to {MAX_CHOICES} different values of type {}.",
        kind.as_str()
    );
    let Some(choices) = value.as_array() else {
        table.say("enum", "is not a list", fix);
        return;
    };
    let unique = choices
        .iter()
        .enumerate()
        .all(|(index, choice)| !choices.iter().take(index).any(|earlier| earlier == choice));
    if choices.is_empty() || choices.len() > MAX_CHOICES {
        table.say("enum", format!("has {} values", choices.len()), fix);
    } else if !choices.iter().all(|choice| kind.holds(choice)) {
        table.say("enum", "holds a value of another type", fix);
    } else if !unique {
        table.say("enum", "holds a value twice", fix);
    } else if choices
        .iter()
        .filter_map(Value::as_str)
        .any(|text| text.chars().count() > MAX_LINE || text.chars().any(crate::text::is_deceptive))
    {
        table.say("enum", "holds a text that a form cannot show", fix);
    } else {
        schema.insert("enum".to_owned(), value);
    }
}

fn read_default(table: &Table<'_, '_>, schema: &mut Map<String, Value>) {
    let Some(value) = table.json("default") else {
        return;
    };
    match settings::check(schema, &value) {
        Ok(()) => drop(schema.insert("default".to_owned(), value)),
        Err(mistakes) => {
            for mistake in mistakes {
                table.say_item(
                    "default",
                    mistake.item,
                    mistake.what,
                    "A default must be a value that the person could type.",
                );
            }
        }
    }
}
