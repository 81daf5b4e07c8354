//! Settings that are lists of texts: how many, each of them, none twice.

use serde_json::{Map, Value};

use crate::origin::base_url;
use crate::settings::{Mistake, check_scalar};
use crate::text_rule::TextRule;

/// Most items of one list, whatever the manifest says: each may be a place to reach.
pub(crate) const MAX_ITEMS: u64 = 32;

/// The most items that a list of this schema may have.
pub(crate) fn most_items(schema: &Map<String, Value>) -> u64 {
    let stated = schema.get("maxItems").and_then(Value::as_u64);
    stated.map_or(MAX_ITEMS, |most| most.min(MAX_ITEMS))
}

/// The items of a list against its schema.
pub(crate) fn check(schema: &Map<String, Value>, items: &[Value]) -> Result<(), Vec<Mistake>> {
    let count = items.len() as u64;
    let most = most_items(schema);
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let what = format!("has {}", counted(count));
    if count > most {
        // The items of a list that is too long are not looked at: there may be any number.
        let fix = format!("At most {most} fit.");
        return Err(vec![Mistake::of_value(what, fix)]);
    }
    if count < least {
        let fix = format!("Give {least} or more.");
        return Err(vec![Mistake::of_value(what, fix)]);
    }
    let none = Map::new();
    let inner = schema.get("items").and_then(Value::as_object);
    let inner = inner.unwrap_or(&none);
    let rule = TextRule::of_items(inner);
    let must_differ = schema.get("uniqueItems") == Some(&Value::Bool(true));
    let mut mistakes = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if let Err((what, fix)) = check_scalar(inner, &rule, item) {
            mistakes.push(Mistake::of_item(index, what, fix));
        }
        let same = same_as(&rule, item);
        if must_differ && let Some(earlier) = seen.iter().position(|known| *known == same) {
            let what = format!("is the same as the one at [{earlier}]");
            mistakes.push(Mistake::of_item(index, what, "Leave it out.".to_owned()));
        }
        seen.push(same);
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}

fn counted(count: u64) -> String {
    match count {
        0 => "no items".to_owned(),
        1 => "1 item".to_owned(),
        _ => format!("{count} items"),
    }
}

/// What two items have in common when they are the same: of addresses not the spelling.
fn same_as(rule: &TextRule<'_>, item: &Value) -> String {
    match item {
        Value::String(text) if rule.is_uri() => base_url(text).map_or_else(
            |_| text.clone(),
            |url| url.as_str().trim_end_matches('/').to_owned(),
        ),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
