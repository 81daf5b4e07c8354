//! Settings that are lists: what a manifest may say and what a person may give.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use serde_json::{Map, Value, json};
use vale_plugins::Manifest;

const SITES: &str = include_str!("fixtures/sites.toml");
const DEFAULT: &str = "default = [\"https://a.example/docs\", \"https://b.example\"]";

fn settings(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn replaced(from: &str, to: &str) -> String {
    assert!(SITES.contains(from), "{from}");
    SITES.replacen(from, to, 1)
}

fn with_default(default: &str) -> String {
    replaced(DEFAULT, &format!("default = {default}"))
}

#[test]
fn a_list_is_read_with_its_rules_and_always_has_an_end() {
    let manifest = Manifest::parse(SITES).unwrap();
    let properties = &manifest.settings["properties"];
    assert_eq!(
        properties["sites"],
        json!({
            "type": "array",
            "items": { "type": "string", "format": "uri" },
            "minItems": 0,
            "maxItems": 16,
            "uniqueItems": true,
            "default": ["https://a.example/docs", "https://b.example"],
        })
    );
    assert_eq!(properties["tags"]["maxItems"], 32);
    let filled = manifest.validate_settings(&Map::new()).unwrap();
    let expected = json!({
        "sites": ["https://a.example/docs", "https://b.example"],
        "modes": ["fast"],
    });
    assert_eq!(Value::Object(filled), expected);
}

#[test]
fn each_mistake_of_a_manifest_names_its_place_and_its_fix() {
    let items = "items = { type = \"string\", format = \"uri\" }";
    let cases: &[(&str, &str, &[&str])] = &[
        (items, "", &["`settings.properties.sites.items` is missing"]),
        (
            items,
            "items = \"string\"",
            &["items` is a text", "a table"],
        ),
        (
            items,
            "items = { format = \"uri\" }",
            &["sites.items.type` is missing", "a list holds texts"],
        ),
        (
            items,
            "items = { type = \"integer\" }",
            &["sites.items.type` is `integer`", "`string`"],
        ),
        (
            items,
            "items = { type = \"string\", format = \"uri\", minimum = 3 }",
            &["sites.items.minimum`", "not a key"],
        ),
        (
            items,
            "format = \"uri\"\nitems = { type = \"string\", format = \"uri\" }",
            &[
                "sites.format` says nothing about a setting of type array",
                "Write it in items",
            ],
        ),
        (
            items,
            "items = { type = \"string\" }",
            &[
                "egress[0].origin` begins with the setting `sites`, which is no address",
                "[settings.properties.sites.items]",
            ],
        ),
        (
            "maxItems = 16",
            "maxItems = 33",
            &["sites.maxItems` is 33", "0 to 32 items"],
        ),
        (
            "maxItems = 16",
            "maxItems = 1000000000000",
            &["0 to 32 items"],
        ),
        (
            "minItems = 0",
            "minItems = 17",
            &["sites.minItems` is above maxItems"],
        ),
        (
            "minItems = 0",
            "minItems = 3",
            &["sites.default` has 2 items"],
        ),
        (
            "maxItems = 16",
            "maxItems = 1",
            &["sites.default` has 2 items"],
        ),
        (
            "uniqueItems = true",
            "uniqueItems = 1",
            &["sites.uniqueItems` is a whole number"],
        ),
        (
            "\"https://b.example\"]",
            "\"https://A.example:443/docs/\"]",
            &[
                "line 12, column 38",
                "sites.default[1]` is the same as the one at [0]",
            ],
        ),
        (
            "\"https://b.example\"]",
            "\"b.example\"]",
            &["sites.default[1]`", "not a web address"],
        ),
        (
            "\"https://b.example\"]",
            "7]",
            &["sites.default[1]` is a number, not a text"],
        ),
        (
            "\"https://b.example\"]",
            "[\"https://b.example\"]]",
            &["sites.default[1]` is a list, not a text"],
        ),
        (
            "\"https://b.example\"]",
            "\"{host.infer}/v1\"]",
            &["sites.default[1]` is {host.infer}, which cannot stand in a list"],
        ),
        // Without anybody having typed anything, what an author may not reach is refused.
        (
            "\"https://b.example\"]",
            "\"http://169.254.169.254\"]",
            &["egress[0].origin` reaches http://169.254.169.254/, which no plugin may reach"],
        ),
        (
            "\"https://b.example\"]",
            "\"https://192.168.1.5\"]",
            &["egress[0].origin`", "in the private network"],
        ),
        (
            "\"https://b.example\"]",
            "\"http://b.example\"]",
            &["without encryption"],
        ),
        (
            "\"^[a-z]+$\"",
            "\"^[a-z\"",
            &["tags.items.pattern`", "regular expression"],
        ),
        (
            "minLength = 2",
            "minLength = 9",
            &["tags.items.minLength` is above maxLength"],
        ),
        (
            "\"fast\", \"whole\"",
            "\"fast\", 3",
            &["modes.items.enum` holds a value of another type"],
        ),
        (
            "default = [\"fast\"]",
            "default = [\"slow\"]",
            &["modes.default[0]` is `slow`"],
        ),
        (
            "default = [\"fast\"]",
            "default = []",
            &["modes.default` has no items"],
        ),
        (
            "default = [\"fast\"]",
            "default = \"fast\"",
            &["is a text, not a list of texts"],
        ),
        (
            "origin = \"{settings.sites}\"\n",
            "origin = \"https://x.example/{settings.sites}\"\n",
            &["egress[0].origin` has the list `sites` in the middle"],
        ),
        (
            "origin = \"{settings.sites}\"\n",
            "origin = \"{settings.sites}/{settings.sites}\"\n",
            &["egress[0].origin` has the list `sites` in the middle"],
        ),
        (
            "origin = \"{settings.sites}\"\n",
            "origin = \"https://a.example\"\n",
            &["credentials[0].origins[0]` is `{settings.sites}`, which no [[egress]] reaches"],
        ),
        (
            "required = false",
            "source = \"host.infer\"",
            &["would send the local model server's token"],
        ),
    ];
    for (from, to, expected) in cases {
        let text = Manifest::parse(&replaced(from, to))
            .unwrap_err()
            .to_string();
        for part in *expected {
            assert!(text.contains(part), "{to}\nlacks {part:?}:\n{text}");
        }
    }
    let empty = with_default("[]").replace("required = false", "source = \"host.infer\"");
    let text = Manifest::parse(&empty).unwrap_err().to_string();
    assert!(text.contains("local model server's token"), "{text}");
}

#[test]
fn each_mistake_of_a_person_names_the_item() {
    let manifest = Manifest::parse(SITES).unwrap();
    let many: Vec<String> = (0..1000).map(|n| format!("https://s{n}.example")).collect();
    let long = format!("https://a.example/{}", "x".repeat(3000));
    let cases = [
        (
            json!({ "sites": "https://a.example" }),
            "settings.sites",
            "is a text, not a list",
        ),
        (
            json!({ "sites": null }),
            "settings.sites",
            "is empty, not a list",
        ),
        (
            json!({ "sites": { "0": "x" } }),
            "settings.sites",
            "is a table, not a list",
        ),
        (
            json!({ "sites": many }),
            "settings.sites",
            "has 1000 items. At most 16 fit.",
        ),
        (
            json!({ "tags": vec!["ab"; 33] }),
            "settings.tags",
            "At most 32 fit.",
        ),
        (
            json!({ "modes": [] }),
            "settings.modes",
            "has no items. Give 1 or more.",
        ),
        (
            json!({ "sites": ["https://a.example", 3] }),
            "settings.sites[1]",
            "is a number, not a text",
        ),
        (
            json!({ "sites": ["https://a.example", "https://b.example", "https://a.example/"] }),
            "settings.sites[2]",
            "is the same as the one at [0]. Leave it out.",
        ),
        (
            json!({ "sites": ["a.example"] }),
            "settings.sites[0]",
            "not a web address",
        ),
        (
            json!({ "sites": [""] }),
            "settings.sites[0]",
            "not a web address",
        ),
        (
            json!({ "sites": ["https://a.example?q=1"] }),
            "settings.sites[0]",
            "a query",
        ),
        (
            json!({ "sites": ["https://me@a.example"] }),
            "settings.sites[0]",
            "user name",
        ),
        (
            json!({ "sites": ["file:///etc/passwd"] }),
            "settings.sites[0]",
            "not an https://",
        ),
        (
            json!({ "sites": ["{host.infer}"] }),
            "settings.sites[0]",
            "cannot stand in a list",
        ),
        (
            json!({ "sites": [long] }),
            "settings.sites[0]",
            "At most 2048 fit.",
        ),
        (
            json!({ "tags": ["ok", "x"] }),
            "settings.tags[1]",
            "1 characters. Give 2 or more.",
        ),
        (
            json!({ "tags": ["ok", "abcdefghi"] }),
            "settings.tags[1]",
            "Give 8 or fewer.",
        ),
        (
            json!({ "tags": ["Ok"] }),
            "settings.tags[0]",
            "must match the pattern",
        ),
        (
            json!({ "modes": ["fast", "hole"] }),
            "settings.modes[1]",
            "Did you mean `whole`?",
        ),
    ];
    for (given, key, expected) in cases {
        let error = manifest.validate_settings(&settings(given)).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        assert_eq!(error.problems()[0].key, key);
        assert!(
            error.to_string().contains(expected),
            "{error}\nlacks {expected}"
        );
    }
    let two = settings(json!({ "sites": ["x", "https://a.example", "y\u{1b}[2J"] }));
    let error = manifest.validate_settings(&two).unwrap_err();
    let keys: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| &problem.key)
        .collect();
    assert_eq!(keys, ["settings.sites[0]", "settings.sites[2]"]);
    assert!(!error.to_string().contains('\u{1b}'));
    // Where nothing says otherwise, texts may come twice.
    let twice = settings(json!({ "tags": ["ab", "ab"] }));
    assert!(manifest.validate_settings(&twice).is_ok());
}

#[test]
fn a_typed_list_is_cut_at_its_commas_and_other_types_are_as_they_were() {
    let manifest = Manifest::parse(SITES).unwrap();
    for (text, expected) in [
        ("", json!([])),
        ("  ", json!([])),
        ("https://a.example", json!(["https://a.example"])),
        (
            "https://a.example, https://b.example/docs",
            json!(["https://a.example", "https://b.example/docs"]),
        ),
        ("a,,b", json!(["a", "", "b"])),
    ] {
        assert_eq!(
            manifest.setting_from_text("sites", text),
            expected,
            "{text}"
        );
    }
    let manifest = include_str!("fixtures/lmstudio.toml");
    let manifest = manifest.replace(
        "[settings.properties.user]",
        "[settings.properties.count]\ntype = \"integer\"\n\
         [settings.properties.loud]\ntype = \"boolean\"\n[settings.properties.user]",
    );
    let manifest = Manifest::parse(&manifest).unwrap();
    for (name, text, expected) in [
        ("temperature", "0.5", json!(0.5)),
        ("temperature", "NaN", json!("NaN")),
        ("count", "7", json!(7)),
        ("count", "7.5", json!("7.5")),
        ("loud", "true", json!(true)),
        ("loud", "yes", json!("yes")),
        ("user", "a,b", json!("a,b")),
        ("nobody", "a,b", json!("a,b")),
    ] {
        assert_eq!(manifest.setting_from_text(name, text), expected, "{name}");
    }
}
