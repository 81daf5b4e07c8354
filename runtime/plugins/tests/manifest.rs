//! What a manifest may say, what it may not, and how a mistake reads.

use vale_plugins::{CredentialSource, Described, Manifest, Method, PluginKind};

const OPENAI: &str = include_str!("fixtures/openai.toml");
const LOCAL: &str = include_str!("fixtures/local.toml");
const LMSTUDIO: &str = include_str!("fixtures/lmstudio.toml");

#[test]
fn the_manifest_of_the_design_is_read_whole() {
    let manifest = Manifest::parse(OPENAI).unwrap();
    assert_eq!(manifest.id.as_str(), "openai");
    assert_eq!(manifest.world.kind, PluginKind::Provider);
    assert_eq!(
        manifest.world.to_string(),
        "valechat:provider/provider-plugin@0.1.0"
    );
    assert_eq!(manifest.settings_order, ["base_url"]);
    assert_eq!(manifest.egress[0].methods, [Method::Get, Method::Post]);
    assert!(!manifest.egress[0].local_server);
    assert_eq!(manifest.credentials[0].header, "authorization");
    assert!(manifest.credentials[0].required);
    assert_eq!(manifest.credentials[0].source, CredentialSource::Person);
    assert_eq!(manifest.limits.cpu_ms, Some(10_000));
}

#[test]
fn the_local_manifest_borrows_a_component_and_the_hosts_token() {
    let manifest = Manifest::parse(LOCAL).unwrap();
    assert_eq!(manifest.component.as_deref(), Some("provider-openai"));
    assert_eq!(manifest.credentials[0].source, CredentialSource::HostInfer);
    assert!(manifest.egress[0].local_server);
}

#[test]
fn settings_keep_the_order_of_the_file() {
    let manifest = Manifest::parse(LMSTUDIO).unwrap();
    let names = ["base_url", "style", "temperature", "user"];
    assert_eq!(manifest.settings_order, names);
}

/// Replaces `from` in `text` (which must hold it) and returns the only mistake as text.
fn mistake(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "fixture lacks {from:?}");
    let changed = text.replacen(from, to, 1);
    let outcome = Manifest::parse(&changed);
    assert!(outcome.is_err(), "accepted: {to}");
    outcome.map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn each_mistake_names_key_place_and_remedy() {
    let origin = "origin = \"{settings.base_url}\"";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "\"https://api.openai.com/v1\"",
            "\"http://api.openai.com/v1\"",
            &["egress[0].origin", "without encryption"],
        ),
        (
            "id = \"openai\"",
            "id = \"Open AI\"",
            &["line 1, column 6", "`id`", "reverse DNS"],
        ),
        (
            "id = \"openai\"",
            "id = 7",
            &["`id` is a whole number", "text in quotes"],
        ),
        (
            "name = \"OpenAI\"",
            "nam = \"OpenAI\"",
            &["`nam`", "Did you mean `name`?", "`name` is missing"],
        ),
        ("name = \"OpenAI\"", "name = \"a\\u202Eb\"", &["invisible"]),
        (
            "0.1.0\"",
            "1.0\"",
            &["line 3", "`version`", "semantic version"],
        ),
        (
            "provider/provider-plugin@0.1.0",
            "provider/provider-plugin",
            &["`world`", "world@version"],
        ),
        (
            "valechat:provider/",
            "wasi:http/",
            &["`world`", "valechat:provider"],
        ),
        (
            "type = \"string\"",
            "type = \"text\"",
            &["settings.properties.base_url.type", "line 8"],
        ),
        (
            "type = \"string\"",
            "type = \"integer\"",
            &["format", "says nothing"],
        ),
        (
            "format = \"uri\"",
            "fromat = \"uri\"",
            &["Did you mean `format`?"],
        ),
        (
            "\"https://api.openai.com/v1\"",
            "\"api.openai.com\"",
            &["default", "not a web address"],
        ),
        (
            "\"https://api.openai.com/v1\"",
            "\"http://localhost:1/v1\"",
            &["egress[0].origin", "local_server = true"],
        ),
        (
            "\"https://api.openai.com/v1\"",
            "\"http://1.1.1.1\"",
            &["by its number"],
        ),
        (
            "\"https://api.openai.com/v1\"",
            "\"http://169.254.169.254\"",
            &["no plugin may reach"],
        ),
        (
            "properties.base_url",
            "properties.api_key",
            &["[[credentials]]"],
        ),
        (
            "Bearer {key}",
            "Bearer",
            &["credentials[0].template", "line 15", "no {key}"],
        ),
        ("Bearer {key}", "{key} {key}", &["2 times"]),
        (
            "\"authorization\"",
            "\"Authorization\"",
            &["lower case", "\"authorization\""],
        ),
        (
            "\"authorization\"",
            "\"proxy-authorization\"",
            &["belongs to the connection"],
        ),
        (
            "\"authorization\"",
            "\"host\"",
            &["belongs to the connection"],
        ),
        (
            "origins = [\"{settings.base_url}\"]",
            "origins = [\"https://evil.example\"]",
            &["credentials[0].origins[0]", "no [[egress]] reaches"],
        ),
        (
            "origins = [\"{settings.base_url}\"]",
            "origins = []",
            &["names no address"],
        ),
        (
            "help =",
            "source = \"host.infer\"\nhelp =",
            &["goes only to {host.infer}"],
        ),
        ("help =", "source = \"env\"\nhelp =", &["host.infer"]),
        (
            origin,
            "origin = \"{settings.base_ur}\"",
            &["`base_ur`", "Did you mean `base_url`?"],
        ),
        (
            origin,
            "origin = \"{setting.base_url}\"",
            &["unknown placeholder"],
        ),
        (
            origin,
            "origin = \"{settings.base_url}.evil.example\"",
            &["other than a path"],
        ),
        (
            origin,
            "origin = \"https://a.example/{host.infer}\"",
            &["in the middle"],
        ),
        (
            origin,
            "origin = \"https://u:p@a.example\"",
            &["user name or password"],
        ),
        (
            origin,
            "origin = \"ftp://a.example\"",
            &["begins with `ftp://a.example`"],
        ),
        (
            origin,
            "origin = \"https://a.example/{\"",
            &["without its `}`"],
        ),
        (
            origin,
            "orgin = \"{settings.base_url}\"",
            &["Did you mean `origin`?", "`egress[0].origin` is missing"],
        ),
        (
            "[\"GET\", \"POST\"]",
            "[\"get\"]",
            &["egress[0].methods[0]", "Did you mean `GET`?"],
        ),
        (
            "[\"GET\", \"POST\"]",
            "[\"CONNECT\"]",
            &["not a method a plugin can have"],
        ),
        (
            "[\"GET\", \"POST\"]",
            "\"GET\"",
            &["is a text", "square brackets"],
        ),
        (
            "methods =",
            "paths = [\"/a/../b\"]\nmethods =",
            &["egress[0].paths[0]", "not a plain path"],
        ),
        (
            "methods =",
            "paths = [\"/%2e%2e/b\"]\nmethods =",
            &["not a plain path"],
        ),
        (
            "memory_mib = 64",
            "memory_mib = 99999",
            &["limits.memory_mib", "1 to 1024 MiB"],
        ),
        ("memory_mib = 64", "memory_mib = -1", &["out of range"]),
        ("memory_mib = 64", "memory = 64", &["`limits.memory`"]),
        (
            "[limits]",
            "[[limits]]",
            &["`limits` is a list", "`[limits]`"],
        ),
        ("[limits]", "[limits", &["not valid TOML", "line 23"]),
    ];
    for (from, to, expected) in cases {
        let text = mistake(OPENAI, from, to);
        for part in *expected {
            assert!(text.contains(part), "{to}\nlacks {part:?}:\n{text}");
        }
    }
}

#[test]
fn schema_mistakes_are_the_authors() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "required = [\"base_url\"]",
            "required = [\"base_uri\"]",
            &["settings.required[0]", "Did you mean `base_url`?"],
        ),
        (
            "default = \"short\"",
            "default = \"shor\"",
            &["settings.properties.style.default", "not offered"],
        ),
        ("[\"short\", \"long\"]", "[\"short\", 3]", &["another type"]),
        (
            "[\"short\", \"long\"]",
            "[\"short\", \"short\"]",
            &["twice"],
        ),
        ("minimum = 0.0", "minimum = 3.0", &["above the maximum"]),
        ("minimum = 0.0", "minimum = nan", &["JSON cannot write"]),
        (
            "minimum = 0.0",
            "minimum = 1979-05-27",
            &["JSON cannot write"],
        ),
        ("\"^[a-z]+$\"", "\"^[a-z\"", &["regular expression"]),
        ("\"^[a-z]+$\"", "\"(\\\\w{1,999}){1,999}\"", &["too large"]),
        (
            "properties.user]",
            "properties.\"the user\"]",
            &["cannot be the name of a setting"],
        ),
        (
            "title = \"Address\"",
            "titel = \"Address\"",
            &["Did you mean `title`?"],
        ),
    ];
    for (from, to, expected) in cases {
        let text = mistake(LMSTUDIO, from, to);
        for part in *expected {
            assert!(text.contains(part), "{to}\nlacks {part:?}:\n{text}");
        }
    }
}

#[test]
fn several_mistakes_come_at_once_in_the_order_of_the_file() {
    let text = OPENAI
        .replace("\"openai\"", "\"Open AI\"")
        .replace("Bearer {key}", "Bearer")
        .replace("memory_mib = 64", "memory_mib = 0");
    let error = Manifest::parse(&text).unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["id", "credentials[0].template", "limits.memory_mib"]);
    let places = [(1, 6), (15, 12), (24, 14)];
    for (problem, place) in error.problems().iter().zip(places) {
        let at = problem.at.unwrap();
        assert_eq!((at.line, at.column), place, "{problem}");
    }
}

#[test]
fn columns_count_characters_and_lists_are_cut() {
    let error = Manifest::parse("id = \"a\"\nname = \"ü\"; x").unwrap_err();
    let at = error.problems()[0].at.unwrap();
    assert_eq!((at.line, at.column), (2, 11), "{error}");

    let many: String = (0..100).map(|i| format!("zzzzz{i} = 1\n")).collect();
    let error = Manifest::parse(&many).unwrap_err();
    assert_eq!(error.problems().len(), 20);
    assert!(error.has_more());
    assert!(error.to_string().contains("more mistakes"));
}

#[test]
fn oversized_and_deep_manifests_are_refused() {
    let long = format!("# {}\n{OPENAI}", "x".repeat(64 * 1024));
    assert!(
        Manifest::parse(&long)
            .unwrap_err()
            .to_string()
            .contains("65536")
    );
    let deep = format!("id = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert!(Manifest::parse(&deep).is_err());
    let many = format!("{OPENAI}\n[[egress]]\n").replace(
        "\n[[egress]]\n",
        &"\n[[egress]]\norigin = \"https://a.example\"\nmethods = [\"GET\"]\n".repeat(40),
    );
    assert!(Manifest::parse(&many).is_err());
}

#[test]
fn an_empty_manifest_lists_what_is_needed() {
    let error = Manifest::parse("").unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|p| p.key.as_str()).collect();
    assert_eq!(keys, ["id", "name", "version", "world"]);
}

#[test]
fn the_manifest_wins_over_describe_and_the_difference_is_named() {
    let manifest = Manifest::parse(OPENAI).unwrap();
    let same = Described {
        name: "OpenAI".to_owned(),
        homepage: None,
    };
    assert!(manifest.differences(&same).is_empty());
    let other = Described {
        name: "Your \u{1b}[2JBank".to_owned(),
        homepage: None,
    };
    let found = manifest.differences(&other);
    assert_eq!(found.len(), 1);
    assert!(!found[0].to_string().contains('\u{1b}'));
    assert!(found[0].to_string().contains("OpenAI"));
}
