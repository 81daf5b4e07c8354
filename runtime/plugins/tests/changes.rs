//! What an update asks for in addition is found, whatever way it asks.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use vale_plugins::{Change, Manifest, Version, changes};

const BASE: &str = r#"
id = "org.example.x"
name = "X"
version = "1.0.0"
world = "valechat:provider/provider-plugin@0.1.0"
[settings.properties.base_url]
type = "string"
format = "uri"
default = "https://api.example.com/v1"
[[credentials]]
name = "api-key"
header = "authorization"
template = "Bearer {key}"
origins = ["{settings.base_url}"]
[[egress]]
origin = "{settings.base_url}"
methods = ["GET", "POST"]
paths = ["/chat", "/models"]
[limits]
memory_mib = 64
"#;

fn imports(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| format!("valechat:{name}"))
        .collect()
}

fn between(before: &str, after: &str) -> Vec<Change> {
    let (before, after) = (
        Manifest::parse(before).unwrap(),
        Manifest::parse(after).unwrap(),
    );
    let imports = imports(&["host/http@0.1.0"]);
    changes(
        Version {
            manifest: &before,
            imports: &imports,
        },
        Version {
            manifest: &after,
            imports: &imports,
        },
    )
}

fn replaced(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replace(from, to)
}

#[test]
fn a_new_version_alone_asks_for_nothing() {
    assert!(between(BASE, &replaced("1.0.0", "2.0.0")).is_empty());
}

#[test]
fn every_way_of_asking_for_more_widens_and_taking_it_back_does_not() {
    let key = "[[credentials]]\nname = \"second\"\nheader = \"x-second\"\ntemplate = \"{key}\"\n\
        origins = [\"{settings.base_url}\"]\n[[egress]]\norigin = \"{settings.base_url}\"";
    for (after, words) in [
        (
            format!(
                "{BASE}\n[[egress]]\norigin = \"https://tracker.example\"\nmethods = [\"POST\"]\n"
            )
            .replace("[limits]\nmemory_mib = 64\n", ""),
            "may also reach https://tracker.example",
        ),
        (
            replaced("\"GET\", \"POST\"", "\"GET\", \"POST\", \"DELETE\""),
            "may do more at https://api.example.com",
        ),
        (
            replaced(
                "\"/chat\", \"/models\"",
                "\"/chat\", \"/models\", \"/files\"",
            ),
            "may do more at",
        ),
        (
            replaced("paths = [\"/chat\", \"/models\"]\n", ""),
            "may do more at",
        ),
        // A prefix of a path is not a prefix by segments.
        (replaced("\"/chat\", ", "\"/chats\", "), "may do more at"),
        // The address moves with the default of a setting.
        (
            replaced("api.example.com", "api.examp1e.com"),
            "may also reach https://api.examp1e.com",
        ),
        (
            replaced("[[egress]]\norigin = \"{settings.base_url}\"", key),
            "asks for a key “second”",
        ),
        (
            replaced("Bearer {key}", "{key}"),
            "sends the key “api-key” differently",
        ),
        (
            replaced("\"authorization\"", "\"x-key\""),
            "sends the key “api-key” differently",
        ),
        (
            replaced("memory_mib = 64", "memory_mib = 512"),
            "may use more memory",
        ),
    ] {
        let found = between(BASE, &after);
        let first = found.first().unwrap();
        assert!(
            first.widens && first.words.contains(words),
            "{words}: {found:?}"
        );
        assert!(!first.detail.is_empty());
    }
    let less = between(BASE, &replaced("\"GET\", \"POST\"", "\"GET\""));
    assert!(
        !less.is_empty() && less.iter().all(|change| !change.widens),
        "{less:?}"
    );
    let less = between(&replaced("memory_mib = 64", "memory_mib = 512"), BASE);
    assert!(less.iter().all(|change| !change.widens), "{less:?}");
}

#[test]
fn what_the_component_newly_imports_counts_and_a_patch_of_the_contract_does_not() {
    let manifest = Manifest::parse(BASE).unwrap();
    let before = imports(&["host/http@0.1.0", "types/chat@0.1.0"]);
    let after = imports(&["host/http@0.1.1", "types/chat@0.1.1", "types/errors@0.1.1"]);
    let version = |imports| Version {
        manifest: &manifest,
        imports,
    };
    assert!(changes(version(&before), version(&after)).is_empty());
    let after = imports(&["host/http@0.1.0", "host/kv@0.1.0"]);
    let found = changes(version(&before), version(&after));
    assert!(
        found[0].widens && found[0].words.contains("keep small notes"),
        "{found:?}"
    );
}

#[test]
fn a_right_at_the_default_through_another_rule_is_none_at_the_address_that_a_person_typed() {
    let fixed =
        "[[egress]]\norigin = \"https://api.example.com\"\nmethods = [\"DELETE\"]\n[limits]";
    let before = replaced("[limits]", fixed);
    let typed = "[[egress]]\norigin = \"{settings.base_url}\"\nmethods = [\"DELETE\"]\n[limits]";
    let found = between(&before, &before.replacen("[limits]", typed, 1));
    assert!(
        found
            .iter()
            .any(|change| change.widens && change.words.contains("{settings.base_url}")),
        "{found:?}"
    );
}
