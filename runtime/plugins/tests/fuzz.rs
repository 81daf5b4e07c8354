//! No text makes the manifest reader panic, and whatever it accepts can be used without panic.
//! `VALECHAT_FULL=1` runs a hundred times as many cases.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Map;
use url::Url;
use vale_plugins::{CardContext, Ceiling, Grant, HostVars, Manifest, PermissionCard, effective};

const SEEDS: [&str; 4] = [
    include_str!("fixtures/openai.toml"),
    include_str!("fixtures/local.toml"),
    include_str!("fixtures/lmstudio.toml"),
    include_str!("fixtures/sites.toml"),
];

/// Pieces that matter to the reader, for mutations that get past the first check.
const PIECES: [&str; 40] = [
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    "\n",
    ".",
    ",",
    "#",
    "\\u202E",
    "\u{0}",
    "é",
    "{key}",
    "{settings.base_url}",
    "{settings.style}",
    "{settings.sites}",
    "array",
    "default = []\n",
    "items = { type = \"string\" }\n",
    "{host.infer}",
    "/",
    "..",
    "@",
    ":99999",
    "http://",
    "https://",
    "[::1]",
    "169.254.169.254",
    "0x7f.1",
    "-1",
    "99999999999999999999",
    "nan",
    "1979-05-27",
    "true",
    "[settings.properties.x]\n",
    "pattern = \"(a\"\n",
];

fn cases(base: u32) -> ProptestConfig {
    let full = std::env::var_os("VALECHAT_FULL").is_some_and(|value| value == "1");
    ProptestConfig {
        cases: if full { base * 100 } else { base },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Reads `text`; a refusal must say something, an acceptance must be usable to the end.
fn exercise(text: &str) -> bool {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                assert!(
                    !problem.what.is_empty() && !problem.fix.is_empty(),
                    "{problem:?}"
                );
                let line = problem.at.map_or(1, |at| at.line);
                assert!(line <= text.lines().count() + 1, "{problem:?}");
                assert!(!problem.to_string().contains('\u{1b}'));
            }
            return false;
        }
    };
    let empty = Map::new();
    for infer in [None, Url::parse("http://127.0.0.1:4567").ok()] {
        let host = HostVars { infer };
        let grant = Grant::built_in();
        let ceiling = Ceiling::default();
        if let Ok(resolved) = manifest.resolve(&empty, &host) {
            let outcome = effective(&resolved, &grant, &ceiling);
            let rules = outcome.rules.iter().map(|rule| &rule.key);
            let keys: Vec<_> = rules
                .chain(outcome.dropped.iter().map(|rule| &rule.key))
                .collect();
            assert!(keys.len() <= 128, "{}", keys.len());
            let different: BTreeSet<_> = keys.iter().collect();
            assert_eq!(different.len(), keys.len(), "{keys:?}");
            for credential in &outcome.credentials {
                for place in &credential.origins {
                    assert!(outcome.rules.iter().any(|rule| rule.origin == place.origin));
                }
            }
            // Nobody typed anything: of somebody else's plugin no local address but the host's own
            // may be open.
            let outcome = effective(&resolved, &Grant::default(), &ceiling);
            for rule in outcome.rules.iter().filter(|rule| rule.local_server) {
                assert_eq!(rule.origin.as_str(), "http://127.0.0.1:4567");
            }
        }
        let card = PermissionCard::new(
            &manifest,
            &CardContext {
                settings: &empty,
                host: &host,
                grant: &grant,
                ceiling: &ceiling,
                imports: &[],
                differences: &[],
            },
        );
        let shown = card.to_string();
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?}"
        );
        assert!(serde_json::to_string(&card).is_ok());
    }
    true
}

fn mutate(seed: &str, edits: &[(Index, usize, Index)]) -> String {
    let mut text: Vec<char> = seed.chars().collect();
    for (place, length, piece) in edits {
        let start = place.index(text.len() + 1);
        let end = (start + length).min(text.len());
        let piece = piece.get(&PIECES);
        text.splice(start..end, piece.chars());
    }
    text.into_iter().collect()
}

#[test]
fn the_seeds_are_accepted() {
    for seed in SEEDS {
        assert!(exercise(seed));
    }
}

#[test]
fn a_manifest_cut_off_anywhere_never_panics() {
    for seed in SEEDS {
        // Cuts at line ends leave valid TOML: some are whole manifests, the others lack something.
        let accepted = (0..seed.len())
            .filter(|end| seed.is_char_boundary(*end))
            .filter(|end| exercise(&seed[..*end]))
            .count();
        assert!((1..seed.len() / 2).contains(&accepted), "{accepted}");
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_tokens_never_panic(
        tokens in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60)
    ) {
        exercise(&tokens.concat());
    }

    #[test]
    fn mutated_manifests_never_panic(
        seed in proptest::sample::select(&SEEDS[..]),
        edits in proptest::collection::vec((any::<Index>(), 0usize..12, any::<Index>()), 1..4),
    ) {
        exercise(&mutate(seed, &edits));
    }

    #[test]
    fn random_values_in_the_right_places_never_panic(
        origin in "(https?://)?[a-z0-9.:@/{}\\[\\]%#?_-]{0,40}",
        template in ".{0,20}\\{key\\}.{0,10}",
        path in "/?[a-z./%\\\\-]{0,20}",
        pattern in "[a-z(){}\\[\\]*+?|^$\\\\.0-9]{0,30}",
    ) {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let text = SEEDS[2]
            .replace("\"{settings.base_url}\"", &quoted(&origin))
            .replace("\"/models\"", &quoted(&path))
            .replace("\"^[a-z]+$\"", &quoted(&pattern));
        exercise(&text);
        let text = SEEDS[0].replace("\"Bearer {key}\"", &quoted(&template));
        exercise(&text);
    }
}
