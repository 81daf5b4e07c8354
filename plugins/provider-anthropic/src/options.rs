//! The person's own options, merged into the body.

use vale_sdk::Error;
use vale_sdk::json::{Json, Value};

use crate::request::refused;

/// Members that options may not set: they are the request itself.
const RESERVED: &[&str] = &["model", "system", "messages", "stream"];
/// Members whose own members are merged: an option beside what the request says must not undo it.
const MERGED: &[&str] = &["thinking", "output_config", "tool_choice"];

/// Merges this JSON object: options win over what this plugin sets, but for the request itself.
/// Tools (those that the server runs) are added to the request's.
///
/// # Errors
/// `invalid-request` for options that are no object or set what they may not.
pub(crate) fn merge(body: &mut Json, options: &str) -> Result<(), Error> {
    let options = Value::parse(options.as_bytes()).filter(Value::is_object);
    let options =
        options.ok_or_else(|| refused("options", "The options are not a JSON object".into()))?;
    for (name, value) in options.members() {
        let name = String::from_utf8_lossy(name);
        if RESERVED.contains(&name.as_ref()) {
            let why = format!("\"{name}\" cannot be set through options");
            return Err(refused(&name, why));
        }
        if MERGED.contains(&name.as_ref()) && value.is_object() {
            for (key, value) in value.members() {
                set_in(body, &name, &String::from_utf8_lossy(key), value);
            }
        } else if name == "tools" && value.is_array() {
            let added = value.items().iter().map(Json::from);
            match member(body, "tools") {
                Some(Json::Array(tools)) => tools.extend(added),
                _ => body.set("tools", added.collect::<Vec<Json>>()),
            }
        } else {
            body.set(&name, value);
        }
    }
    Ok(())
}

/// Sets a member of the body's member `name`, beside those that are there.
pub(crate) fn set_in(body: &mut Json, name: &str, key: &str, value: impl Into<Json>) {
    match member(body, name) {
        Some(object @ Json::Object(_)) => object.set(key, value),
        _ => body.set(name, Json::object().with(key, value)),
    }
}

fn member<'a>(body: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    let Json::Object(members) = body else {
        return None;
    };
    let found = members.iter_mut().find(|(key, _)| key == name);
    found.map(|(_, value)| value)
}
