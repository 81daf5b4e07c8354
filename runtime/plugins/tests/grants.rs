//! Settings, placeholders, consent and ceilings: what a plugin gets of what it asks for.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use serde_json::{Map, Value, json};
use url::Url;
use vale_plugins::{
    Ceiling, DropReason, Effective, Grant, HostVars, LimitsSpec, Manifest, Method, OriginSource,
    effective,
};

const OPENAI: &str = include_str!("fixtures/openai.toml");
const LOCAL: &str = include_str!("fixtures/local.toml");
const LMSTUDIO: &str = include_str!("fixtures/lmstudio.toml");

fn settings(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn infer() -> HostVars {
    HostVars {
        infer: Some(Url::parse("http://127.0.0.1:49152").unwrap()),
    }
}

fn granted(manifest: &str, given: Value, grant: &Grant) -> Effective {
    granted_under(manifest, given, grant, &Ceiling::default())
}

fn granted_under(manifest: &str, given: Value, grant: &Grant, ceiling: &Ceiling) -> Effective {
    let manifest = Manifest::parse(manifest).unwrap();
    let resolved = manifest.resolve(&settings(given), &infer()).unwrap();
    effective(&resolved, grant, ceiling)
}

fn agreed(origin: &str) -> Grant {
    Grant {
        origins: [origin.parse().unwrap()].into(),
        ..Grant::default()
    }
}

fn local(origin: &str) -> Grant {
    Grant {
        local_server: Some(origin.parse().unwrap()),
        ..Grant::default()
    }
}

fn only_reason(outcome: &Effective) -> &DropReason {
    assert!(outcome.rules.is_empty(), "{:?}", outcome.rules);
    assert!(
        outcome.credentials.is_empty(),
        "a credential without a place"
    );
    &outcome.dropped.first().unwrap().reason
}

#[test]
fn a_built_in_default_needs_no_consent_and_keeps_its_path() {
    let outcome = granted(OPENAI, json!({}), &Grant::built_in());
    let rule = &outcome.rules[0];
    assert_eq!(rule.origin.as_str(), "https://api.openai.com");
    assert_eq!(rule.path_prefixes, ["/v1"]);
    assert_eq!(rule.methods, [Method::Get, Method::Post]);
    assert!(!rule.local_server);
    let place = &outcome.credentials[0].origins[0];
    assert_eq!(place.origin, rule.origin);
    assert_eq!(place.path_prefix, "/v1");
}

#[test]
fn another_persons_plugin_gets_nothing_without_consent() {
    let outcome = granted(OPENAI, json!({}), &Grant::default());
    assert_eq!(only_reason(&outcome), &DropReason::NeedsConsent);
    let outcome = granted(OPENAI, json!({}), &agreed("https://api.openai.com"));
    assert_eq!(outcome.rules.len(), 1);
}

#[test]
fn a_changed_setting_needs_consent_to_exactly_that_origin() {
    let given = json!({ "base_url": "https://openrouter.ai/api/v1" });
    let outcome = granted(OPENAI, given.clone(), &Grant::built_in());
    assert_eq!(only_reason(&outcome), &DropReason::NeedsConsent);
    assert!(outcome.dropped[0].to_string().contains("base_url"));

    let other = granted(OPENAI, given.clone(), &agreed("https://openrouter.ai:8443"));
    assert_eq!(only_reason(&other), &DropReason::NeedsConsent);

    let outcome = granted(OPENAI, given, &agreed("https://OpenRouter.ai"));
    assert_eq!(outcome.rules[0].path_prefixes, ["/api/v1"]);
}

#[test]
fn another_path_of_the_default_origin_is_no_change_of_place() {
    let given = json!({ "base_url": "https://api.openai.com/v2/" });
    let outcome = granted(OPENAI, given, &Grant::built_in());
    assert_eq!(outcome.rules[0].path_prefixes, ["/v2"]);
    let source = &outcome.rules[0].source;
    assert!(matches!(source, OriginSource::Default { .. }), "{source:?}");
}

#[test]
fn a_local_address_that_the_person_typed_needs_the_local_server_grant() {
    for address in [
        "http://127.0.0.1:8080",
        "http://localhost:8080",
        "http://192.168.1.5:8000",
        "https://10.0.0.2",
        "http://[fd00::5]:80",
        "http://nas.example:11434",
    ] {
        let given = json!({ "base_url": format!("{address}/v1") });
        let outcome = granted(OPENAI, given.clone(), &agreed(address));
        assert_eq!(
            only_reason(&outcome),
            &DropReason::NeedsLocalServer,
            "{address}"
        );
        let outcome = granted(OPENAI, given.clone(), &local("http://127.0.0.1:9"));
        assert_eq!(
            only_reason(&outcome),
            &DropReason::NeedsLocalServer,
            "{address}"
        );
        let outcome = granted(OPENAI, given.clone(), &local(address));
        assert!(outcome.rules[0].local_server, "{address}");
        let none = Ceiling {
            local_servers: false,
            ..Ceiling::default()
        };
        let outcome = granted_under(OPENAI, given, &local(address), &none);
        assert_eq!(
            only_reason(&outcome),
            &DropReason::CeilingLocal,
            "{address}"
        );
    }
}

#[test]
fn no_consent_opens_metadata_or_a_public_number() {
    for (address, reason) in [
        ("http://169.254.169.254", DropReason::Forbidden),
        ("http://[::ffff:169.254.169.254]", DropReason::Forbidden),
        ("https://[fe80::1]", DropReason::Forbidden),
        ("http://0.0.0.0:80", DropReason::Forbidden),
        ("http://1.1.1.1", DropReason::PublicAddress),
        ("https://1.1.1.1", DropReason::PublicAddress),
    ] {
        let mut grant = local(address);
        grant.built_in = true;
        grant.origins.insert(address.parse().unwrap());
        let outcome = granted(OPENAI, json!({ "base_url": address }), &grant);
        assert_eq!(only_reason(&outcome), &reason, "{address}");
    }
}

#[test]
fn an_https_name_becomes_a_local_server_only_by_the_persons_word() {
    let given = json!({ "base_url": "https://nas.example/v1" });
    let plain = granted(OPENAI, given.clone(), &agreed("https://nas.example"));
    assert!(!plain.rules[0].local_server);
    let private = granted(OPENAI, given, &local("https://nas.example"));
    assert!(private.rules[0].local_server);
}

#[test]
fn a_local_default_is_granted_to_what_came_along_and_to_nobody_else() {
    let outcome = granted(LMSTUDIO, json!({}), &Grant::default());
    assert_eq!(only_reason(&outcome), &DropReason::NeedsLocalServer);
    let outcome = granted(LMSTUDIO, json!({}), &Grant::built_in());
    assert_eq!(outcome.rules[0].origin.as_str(), "http://localhost:1234");
    assert!(outcome.rules[0].local_server);
    // Another address than the default is the person's to allow, also there.
    let elsewhere = json!({ "base_url": "http://localhost:9999/v1" });
    let outcome = granted(LMSTUDIO, elsewhere, &Grant::built_in());
    assert_eq!(only_reason(&outcome), &DropReason::NeedsLocalServer);
    let outcome = granted(LMSTUDIO, json!({}), &local("http://localhost:1234"));
    let paths = ["/v1/models", "/v1/chat/completions"];
    assert_eq!(outcome.rules[0].path_prefixes, paths);
}

#[test]
fn the_hosts_own_model_needs_no_consent_and_keeps_its_token() {
    let outcome = granted(LOCAL, json!({}), &Grant::default());
    let rule = &outcome.rules[0];
    assert_eq!(rule.origin.as_str(), "http://127.0.0.1:49152");
    assert!(rule.local_server);
    assert_eq!(rule.source, OriginSource::HostInfer);
    assert!(outcome.credentials[0].origins[0].is_host_infer);

    let manifest = Manifest::parse(LOCAL).unwrap();
    let resolved = manifest.resolve(&Map::new(), &infer()).unwrap();
    assert_eq!(resolved.settings["base_url"], "http://127.0.0.1:49152/v1");
}

#[test]
fn the_hosts_token_goes_nowhere_else() {
    let text = LOCAL
        .replace(
            "origins = [\"{host.infer}\"]",
            "origins = [\"{settings.base_url}\"]",
        )
        .replace(
            "origin = \"{host.infer}\"",
            "origin = \"{settings.base_url}\"",
        );
    let manifest = Manifest::parse(&text).unwrap();
    assert!(manifest.resolve(&Map::new(), &infer()).is_ok());
    let given = settings(json!({ "base_url": "https://evil.example/v1" }));
    let error = manifest.resolve(&given, &infer()).unwrap_err();
    assert!(error.to_string().contains("own token"), "{error}");
}

#[test]
fn a_credential_stays_where_the_plugin_may_go() {
    let given = settings(json!({ "base_url": "https://elsewhere.example/v1" }));
    let text = OPENAI.replace(
        "origin = \"{settings.base_url}\"\nmethods",
        "origin = \"https://api.openai.com\"\nmethods",
    );
    let manifest = Manifest::parse(&text).unwrap();
    let error = manifest.resolve(&given, &infer()).unwrap_err();
    assert!(
        error.to_string().contains("does not ask to reach"),
        "{error}"
    );
}

#[test]
fn a_model_that_is_off_is_named_as_such() {
    let manifest = Manifest::parse(LOCAL).unwrap();
    let error = manifest
        .resolve(&Map::new(), &HostVars::default())
        .unwrap_err();
    assert!(error.to_string().contains("not running"), "{error}");
}

#[test]
fn a_setting_inside_an_address_cannot_move_the_host() {
    let text = OPENAI
        .replace("format = \"uri\"\n", "")
        .replace("default = \"https://api.openai.com/v1\"\n", "")
        .replace(
            "{settings.base_url}",
            "https://{settings.base_url}.azure.example/openai",
        );
    let manifest = Manifest::parse(&text).unwrap();
    for bad in [
        "evil.example/",
        "evil.example#",
        "a@evil",
        "evil:80",
        "",
        "..",
        "a..b",
        "é",
        "a\n",
    ] {
        let given = settings(json!({ "base_url": bad }));
        assert!(manifest.resolve(&given, &infer()).is_err(), "{bad:?}");
    }
    let given = settings(json!({ "base_url": "my-team" }));
    let resolved = manifest.resolve(&given, &infer()).unwrap();
    assert_eq!(
        resolved.egress[0].origin.as_str(),
        "https://my-team.azure.example"
    );
    assert!(matches!(
        resolved.egress[0].source,
        OriginSource::Setting { .. }
    ));
    assert!(manifest.resolve(&Map::new(), &infer()).is_err());
}

#[test]
fn the_ceiling_cuts_methods_origins_and_limits() {
    let ceiling = Ceiling {
        methods: [Method::Get].into(),
        ..Ceiling::default()
    };
    let outcome = granted_under(OPENAI, json!({}), &Grant::built_in(), &ceiling);
    assert_eq!(outcome.rules[0].methods, [Method::Get]);

    let ceiling = Ceiling {
        methods: [Method::Put].into(),
        ..Ceiling::default()
    };
    let outcome = granted_under(OPENAI, json!({}), &Grant::built_in(), &ceiling);
    assert_eq!(only_reason(&outcome), &DropReason::CeilingMethods);

    let ceiling = Ceiling {
        only: Some(["https://a.example".parse().unwrap()].into()),
        ..Ceiling::default()
    };
    let outcome = granted_under(OPENAI, json!({}), &Grant::built_in(), &ceiling);
    assert_eq!(only_reason(&outcome), &DropReason::CeilingOrigin);
    let outcome = granted_under(LOCAL, json!({}), &Grant::default(), &ceiling);
    assert_eq!(
        outcome.rules.len(),
        1,
        "the host's own model is not the world"
    );

    let mut ceiling = Ceiling::default();
    ceiling.limits.wall_s = 30;
    let mut grant = Grant::built_in();
    grant.limits = LimitsSpec {
        memory_mib: Some(128),
        cpu_ms: Some(0),
        ..LimitsSpec::default()
    };
    let limits = granted_under(OPENAI, json!({}), &grant, &ceiling).limits;
    assert_eq!((limits.memory_mib, limits.cpu_ms), (128, 1));
    assert_eq!((limits.wall_s, limits.response_mib), (30, 64));
}

#[test]
fn a_grant_survives_its_file_and_cannot_call_itself_built_in() {
    let mut grant = agreed("https://a.example");
    grant.local_server = Some("http://localhost:1234".parse().unwrap());
    grant.limits.wall_s = Some(5);
    let text = serde_json::to_string(&grant).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), grant);
    let same = "origins = [\"https://a.example:443\"]\n\
                local_server = \"http://localhost:1234\"\nlimits = { wall_s = 5 }";
    assert_eq!(toml::from_str::<Grant>(same).unwrap(), grant);
    assert!(toml::from_str::<Grant>("built_in = true").is_err());
    assert!(toml::from_str::<Grant>("origins = [\"https://a.example/path\"]").is_err());
    assert_eq!(toml::from_str::<Grant>("").unwrap(), Grant::default());
}

#[test]
fn each_mistake_in_settings_is_a_sentence() {
    let manifest = Manifest::parse(LMSTUDIO).unwrap();
    let cases = [
        (json!({ "base_ur": "x" }), "Did you mean `base_url`?"),
        (json!({ "base_url": 3 }), "is a number, not a text"),
        (
            json!({ "base_url": "localhost:1234" }),
            "not an https:// or http:// address",
        ),
        (json!({ "base_url": "https://a.example?x=1" }), "query"),
        (json!({ "base_url": "{host.infer}x" }), "other than a path"),
        (json!({ "style": "lng" }), "Did you mean `long`?"),
        (json!({ "temperature": 2.5 }), "Give 2 or less"),
        (json!({ "temperature": -1 }), "Give 0 or more"),
        (json!({ "temperature": "1" }), "Give a number."),
        (json!({ "user": "Bob" }), "must match the pattern"),
        (json!({ "user": null }), "is empty, not a text"),
        (json!({ "user": "a".repeat(20_000) }), "At most 16384 fit"),
    ];
    for (given, expected) in cases {
        let error = manifest.validate_settings(&settings(given)).unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "{error}\nlacks {expected}"
        );
        assert!(error.problems()[0].key.starts_with("settings."));
    }
    let two = settings(json!({ "style": "x", "user": "B" }));
    assert_eq!(
        manifest
            .validate_settings(&two)
            .unwrap_err()
            .problems()
            .len(),
        2
    );
}

#[test]
fn defaults_are_filled_in_and_what_is_missing_is_asked_for() {
    let manifest = Manifest::parse(LMSTUDIO).unwrap();
    let filled = manifest.validate_settings(&Map::new()).unwrap();
    let expected = json!({ "base_url": "http://localhost:1234/v1", "style": "short" });
    assert_eq!(Value::Object(filled), expected);

    let text = LMSTUDIO.replace("default = \"http://localhost:1234/v1\"\n", "");
    let manifest = Manifest::parse(&text).unwrap();
    let error = manifest.validate_settings(&Map::new()).unwrap_err();
    assert!(
        error.to_string().contains("`settings.base_url` is missing"),
        "{error}"
    );
}
