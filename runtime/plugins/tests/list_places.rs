//! Addresses out of lists: one rule for each, in what is granted, on the card and in updates.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use serde_json::{Map, Value, json};
use vale_plugins::{
    CardContext, Ceiling, Change, DropReason, Effective, Grant, HostState, HostVars, Manifest,
    OriginSource, PermissionCard, Said, Version, changes, effective,
};

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

fn granted(given: &Value, grant: &Grant) -> Effective {
    let manifest = Manifest::parse(SITES).unwrap();
    let given = settings(json!({ "sites": given }));
    let resolved = manifest.resolve(&given, &HostVars::default()).unwrap();
    effective(&resolved, grant, &Ceiling::default())
}

fn agreed(origins: &[&str]) -> Grant {
    Grant {
        origins: origins.iter().map(|text| text.parse().unwrap()).collect(),
        ..Grant::default()
    }
}

fn card(manifest: &str, given: Value, grant: &Grant) -> PermissionCard {
    PermissionCard::new(
        &Manifest::parse(manifest).unwrap(),
        &CardContext {
            settings: &settings(given),
            host: &HostVars::default(),
            grant,
            ceiling: &Ceiling::default(),
            imports: &[],
            differences: &[],
        },
    )
}

fn setting() -> String {
    "sites".to_owned()
}

#[test]
fn each_address_is_a_rule_of_its_own_with_its_own_path_and_its_own_consent() {
    let given = json!([
        "https://b.example",
        "https://c.example/docs/",
        "https://d.example"
    ]);
    let outcome = granted(&given, &agreed(&["https://c.example"]));
    assert_eq!(outcome.rules.len(), 1);
    let rule = &outcome.rules[0];
    assert_eq!(rule.key, "egress[0].origin[1]");
    assert_eq!(rule.origin.as_str(), "https://c.example");
    assert_eq!(rule.path_prefixes, ["/docs"]);
    assert_eq!(rule.source, OriginSource::Setting { setting: setting() });
    let dropped: Vec<_> = outcome
        .dropped
        .iter()
        .map(|dropped| {
            (
                dropped.key.as_str(),
                dropped.origin.as_str(),
                &dropped.source,
            )
        })
        .collect();
    let default = OriginSource::Default { setting: setting() };
    let typed = OriginSource::Setting { setting: setting() };
    assert_eq!(
        dropped,
        [
            ("egress[0].origin[0]", "https://b.example", &default),
            ("egress[0].origin[2]", "https://d.example", &typed),
        ]
    );
    assert!(
        outcome.dropped[1]
            .to_string()
            .contains("the setting `sites`")
    );
    // The key goes only to the address that is reached, and only below its path.
    let places = &outcome.credentials[0].origins;
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].origin, rule.origin);
    assert_eq!(places[0].path_prefix, "/docs");
}

#[test]
fn of_what_came_along_the_default_addresses_are_open_and_typed_ones_are_not() {
    // The first moved to another place of the list and below another path: the same origin.
    let given = json!(["https://e.example", "https://a.example/other"]);
    let outcome = granted(&given, &Grant::built_in());
    assert_eq!(outcome.rules.len(), 1);
    let rule = &outcome.rules[0];
    assert_eq!(rule.key, "egress[0].origin[1]");
    assert_eq!(rule.source, OriginSource::Default { setting: setting() });
    assert_eq!(outcome.dropped.len(), 1);
    assert_eq!(outcome.dropped[0].reason, DropReason::NeedsConsent);
}

#[test]
fn one_hostile_item_is_refused_and_the_others_stay() {
    let given = json!([
        "https://a.example",
        "http://169.254.169.254/latest",
        "https://[fe80::1]",
        "https://1.1.1.1",
        "http://192.168.1.5:8080",
        "http://localhost",
        "http://f.example",
    ]);
    let mut grant = agreed(&[
        "https://a.example",
        "http://169.254.169.254",
        "https://[fe80::1]",
        "https://1.1.1.1",
        "http://localhost",
        "http://f.example",
    ]);
    grant.local_server = Some("http://192.168.1.5:8080".parse().unwrap());
    let outcome = granted(&given, &grant);
    let open: Vec<_> = outcome
        .rules
        .iter()
        .map(|rule| (rule.key.as_str(), rule.local_server))
        .collect();
    assert_eq!(
        open,
        [
            ("egress[0].origin[0]", false),
            ("egress[0].origin[4]", true)
        ]
    );
    let reasons: Vec<_> = outcome
        .dropped
        .iter()
        .map(|dropped| &dropped.reason)
        .collect();
    assert_eq!(
        reasons,
        [
            &DropReason::Forbidden,
            &DropReason::Forbidden,
            &DropReason::PublicAddress,
            &DropReason::NeedsLocalServer,
            &DropReason::NeedsLocalServer,
        ]
    );
}

#[test]
fn an_empty_list_reaches_nothing_and_is_no_mistake() {
    let manifest = Manifest::parse(SITES).unwrap();
    let given = settings(json!({ "sites": [] }));
    let resolved = manifest.resolve(&given, &HostVars::default()).unwrap();
    assert!(resolved.egress.is_empty() && resolved.credentials.is_empty());
    assert_eq!(resolved.settings["sites"], json!([]));
    let outcome = effective(&resolved, &Grant::built_in(), &Ceiling::default());
    assert!(outcome.rules.is_empty() && outcome.dropped.is_empty());
    // Without any value it is open, as any other address.
    let open = Manifest::parse(&replaced(DEFAULT, "")).unwrap();
    let error = open.resolve(&Map::new(), &HostVars::default()).unwrap_err();
    assert!(
        error.to_string().contains("needs the setting `sites`"),
        "{error}"
    );
}

#[test]
fn paths_and_other_settings_go_behind_every_address() {
    let text = SITES
        .replace(
            "\"{settings.sites}\"\n",
            "\"{settings.sites}/{settings.team}\"\npaths = [\"/x\"]\n",
        )
        .replace(
            "[[credentials]]",
            "[settings.properties.team]\ntype = \"string\"\ndefault = \"blue\"\n[[credentials]]",
        );
    let manifest = Manifest::parse(&text).unwrap();
    let given = settings(json!({ "sites": ["https://c.example/v1/", "https://d.example"] }));
    let resolved = manifest.resolve(&given, &HostVars::default()).unwrap();
    let paths: Vec<_> = resolved
        .egress
        .iter()
        .map(|rule| &rule.path_prefixes[0])
        .collect();
    assert_eq!(paths, ["/v1/blue/x", "/blue/x"]);
}

#[test]
fn lists_that_could_make_too_many_places_are_the_authors_mistake() {
    let rule = "[[egress]]\norigin = \"{settings.sites}\"\nmethods = [\"POST\"]\n";
    let eight = format!("{SITES}\n{}", rule.repeat(7));
    assert!(Manifest::parse(&eight).is_ok());
    let nine = format!("{SITES}\n{}", rule.repeat(31));
    let error = Manifest::parse(&nine).unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    assert_eq!(error.problems()[0].key, "egress[8].origin");
    assert!(error.to_string().contains("up to 144 places"), "{error}");
    let keys = format!("origins = [{}]", "\"{settings.sites}\", ".repeat(9));
    let error = Manifest::parse(&replaced("origins = [\"{settings.sites}\"]", &keys)).unwrap_err();
    assert_eq!(error.problems()[0].key, "credentials[0].origins[8]");
}

#[test]
fn the_card_has_a_line_for_each_address_and_says_whose_it_is() {
    let given = json!({ "sites": ["https://b.example", "https://c.example/docs"] });
    let drawn = card(SITES, given, &Grant::built_in());
    let lines: Vec<_> = drawn
        .hosts
        .iter()
        .map(|line| (line.key.as_str(), &line.said))
        .collect();
    assert_eq!(
        lines,
        [
            ("egress[0].origin[0]", &Said::Default { setting: setting() }),
            ("egress[0].origin[1]", &Said::Setting { setting: setting() }),
        ]
    );
    let text = drawn.to_string();
    for line in [
        "  https://b.example: GET any path [manifest, default of setting sites; egress[0].origin[0]]: allowed\n",
        "  https://c.example: GET below /docs [your setting sites; egress[0].origin[1]]: NOT allowed: https://c.example comes from the setting `sites`",
        "header x-api-key to https://b.example, https://c.example;",
        "  sites: https://b.example, https://c.example/docs [you]\n",
        "  tags: not set [manifest]\n",
        "  modes: fast [manifest]\n",
    ] {
        assert!(text.contains(line), "lacks {line:?}:\n{text}");
    }
}

#[test]
fn the_card_of_an_empty_list_shows_what_a_list_could_open() {
    for (manifest, given) in [
        (SITES.to_owned(), json!({ "sites": [] })),
        (with_default("[]"), json!({})),
    ] {
        let drawn = card(&manifest, given, &Grant::default());
        assert_eq!(drawn.problems, []);
        let line = &drawn.hosts[0];
        assert_eq!(
            (line.key.as_str(), line.address.as_str()),
            ("egress[0].origin", "{settings.sites}")
        );
        let why = "the setting `sites` lists no address yet.".to_owned();
        assert_eq!(line.state, HostState::Open { why });
        assert_eq!(drawn.credentials[0].origins, ["{settings.sites}"]);
        assert!(drawn.to_string().contains("  sites: none ["), "{drawn}");
    }
}

#[test]
fn no_item_reaches_the_terminal_raw() {
    let text = replaced("pattern = \"^[a-z]+$\", minLength = 2, maxLength = 8 ", "");
    let text = text.replace("type = \"string\", }", "type = \"string\" }");
    let given = json!({ "tags": ["a\u{202e}b\u{1b}[2J"] });
    let shown = card(&text, given, &Grant::default()).to_string();
    assert!(shown.contains("tags: a\\u{202e}b"), "{shown}");
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
}

fn between(before: &str, after: &str) -> Vec<Change> {
    let [before, after] = [before, after].map(|text| Manifest::parse(text).unwrap());
    let version = |manifest| Version {
        manifest,
        imports: &[],
    };
    changes(version(&before), version(&after))
}

#[test]
fn an_update_that_lists_another_address_asks_and_one_that_lists_fewer_does_not() {
    assert!(between(SITES, &replaced("0.1.0", "0.2.0")).is_empty());
    let more =
        with_default("[\"https://a.example/docs\", \"https://b.example\", \"https://c.example\"]");
    let found = between(SITES, &more);
    let widening: Vec<_> = found
        .iter()
        .filter(|change| change.widens)
        .map(|change| change.words.as_str())
        .collect();
    assert_eq!(
        widening,
        [
            "may also reach https://c.example",
            "sends the key “api-key” differently"
        ]
    );
    let less = between(&more, SITES);
    let words: Vec<_> = less
        .iter()
        .map(|change| (change.widens, change.words.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            (false, "no longer reaches https://c.example"),
            (false, "sends the key “api-key” to fewer places"),
        ]
    );
    // Another path of an address that is there.
    let wider = with_default("[\"https://a.example\", \"https://b.example\"]");
    let found = between(SITES, &wider);
    assert!(
        found[0].widens && found[0].words == "may do more at https://a.example",
        "{found:?}"
    );
}

#[test]
fn what_an_update_may_do_at_the_persons_own_addresses_counts_even_where_no_default_shows_it() {
    let empty = with_default("[]");
    let fixed = empty.replace("\"{settings.sites}\"", "\"https://x.example\"");
    let posts = empty.replace("[\"GET\"]", "[\"GET\", \"POST\"]");
    let local = empty.replace("[\"GET\"]", "[\"GET\"]\nlocal_server = true");
    let place = "every address that {settings.sites} lists";
    for (before, after, words) in [
        (&fixed, &empty, format!("may also reach {place}")),
        (&empty, &posts, format!("may do more at {place}")),
        (&empty, &local, format!("may do more at {place}")),
    ] {
        let found = between(before, after);
        let first = found.first().unwrap();
        assert!(first.widens && first.words == words, "{words}: {found:?}");
        let back = between(after, before);
        assert!(back.iter().any(|change| !change.widens), "{back:?}");
    }
    // The key went to one of the addresses, and now goes to whatever is listed.
    let one = SITES.replace(
        "origins = [\"{settings.sites}\"]",
        "origins = [\"https://a.example/docs\", \"https://b.example\"]",
    );
    let found = between(&one, SITES);
    assert!(
        found
            .iter()
            .any(|change| change.widens && change.detail.contains(place)),
        "{found:?}"
    );
}

#[test]
fn the_tool_that_reads_web_pages_reaches_what_its_list_says() {
    const FETCH: &str = include_str!("../../../plugins/tool-fetch/plugin.toml");
    let manifest = Manifest::parse(FETCH).unwrap();
    let reached = |given: Value, grant: &Grant| {
        let resolved = manifest.resolve(&settings(given), &HostVars::default());
        let outcome = effective(&resolved.unwrap(), grant, &Ceiling::default());
        let origins = outcome.rules.iter().map(|rule| rule.origin.to_string());
        origins.collect::<Vec<_>>()
    };
    let built_in = Grant::built_in();
    assert_eq!(reached(json!({}), &built_in), ["https://en.wikipedia.org"]);
    let typed =
        manifest.setting_from_text("sites", "https://docs.rs, https://example.org/handbook");
    assert!(reached(json!({ "sites": typed }), &built_in).is_empty());
    let agreed = agreed(&["https://docs.rs", "https://example.org"]);
    let both = ["https://docs.rs", "https://example.org"];
    assert_eq!(reached(json!({ "sites": typed }), &agreed), both);
    let empty = settings(json!({ "sites": [] }));
    let error = manifest.resolve(&empty, &HostVars::default()).unwrap_err();
    assert!(
        error.to_string().contains("has no items. Give 1 or more."),
        "{error}"
    );
}
