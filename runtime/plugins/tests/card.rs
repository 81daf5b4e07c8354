//! The permission card says everything, says who says it, and never fails to be drawn.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use serde_json::{Map, Value, json};
use url::Url;
use vale_plugins::{
    CardContext, Ceiling, Described, Grant, HostState, HostVars, Manifest, PermissionCard, Said,
};

const OPENAI: &str = include_str!("fixtures/openai.toml");
const LOCAL: &str = include_str!("fixtures/local.toml");

fn card(manifest: &str, given: Value, grant: &Grant, host: &HostVars) -> PermissionCard {
    let imports = [
        "valechat:host/http@0.1.0".to_owned(),
        "valechat:types/chat@0.1.0".to_owned(),
        "wasi:filesystem/types@0.2.0".to_owned(),
    ];
    let manifest = Manifest::parse(manifest).unwrap();
    let described = Described {
        name: "Something else".to_owned(),
        homepage: None,
    };
    PermissionCard::new(
        &manifest,
        &CardContext {
            settings: given.as_object().unwrap(),
            host,
            grant,
            ceiling: &Ceiling::default(),
            imports: &imports,
            differences: &manifest.differences(&described),
        },
    )
}

#[test]
fn the_openai_card_in_full() {
    let card = card(OPENAI, json!({}), &Grant::built_in(), &HostVars::default());
    let expected = "\
OpenAI 0.1.0 (openai)
  license: MIT OR Apache-2.0 [manifest]
  contract: valechat:provider/provider-plugin@0.1.0 [manifest]
May reach
  https://api.openai.com: GET, POST below /v1 [manifest, default of setting base_url; egress[0].origin]: allowed
Keys
  api-key (required, yours): header authorization to https://api.openai.com; ValeChat attaches it, the plugin never sees it [manifest]
    get one: https://platform.openai.com/api-keys
Uses of this computer, through ValeChat
  valechat:host/http@0.1.0: send requests to the hosts on this card, and nowhere else [component]
  valechat:types/chat@0.1.0: data types; does nothing [component]
  wasi:filesystem/types@0.2.0: not offered by ValeChat: a component that uses this is refused before it runs [component]
Limits of one call
  memory_mib: 64 MiB [manifest]
  cpu_ms: 10000 ms [manifest]
  wall_s: 600 s [manifest]
  response_mib: 64 MiB [manifest]
Settings
  base_url: https://api.openai.com/v1 [manifest]
Note: the component calls its name “Something else”; the manifest says “OpenAI”, and that is used.
";
    assert_eq!(card.to_string(), expected);
}

#[test]
fn the_local_card_is_drawn_while_the_model_is_off() {
    let off = card(LOCAL, json!({}), &Grant::default(), &HostVars::default());
    let on = HostVars {
        infer: Some(Url::parse("http://127.0.0.1:5555").unwrap()),
    };
    assert_eq!(off, card(LOCAL, json!({}), &Grant::default(), &on));
    let text = off.to_string();
    assert!(text.contains("ValeChat's own model on this machine: GET, POST any path [ValeChat; egress[0].origin]: allowed, local server"), "{text}");
    assert!(text.contains("made by ValeChat for each run"), "{text}");
    assert!(!text.contains("127.0.0.1"), "{text}");
}

#[test]
fn a_place_without_consent_says_so_and_a_mistake_does_not_hide_the_card() {
    let given = json!({ "base_url": "https://openrouter.ai/api/v1" });
    let waiting = card(OPENAI, given, &Grant::built_in(), &HostVars::default());
    let setting = "base_url".to_owned();
    assert_eq!(waiting.hosts[0].said, Said::Setting { setting });
    assert!(matches!(&waiting.hosts[0].state, HostState::Refused { why } if why.contains("Agree")));

    let wrong = card(
        OPENAI,
        json!({ "base_url": 3 }),
        &Grant::built_in(),
        &HostVars::default(),
    );
    assert_eq!(wrong.problems.len(), 1);
    assert_eq!(wrong.hosts[0].address, "https://api.openai.com");
    assert!(wrong.to_string().contains("Mistake: `settings.base_url`"));

    let open = OPENAI.replace("default = \"https://api.openai.com/v1\"\n", "");
    let open = card(&open, json!({}), &Grant::built_in(), &HostVars::default());
    assert!(matches!(open.hosts[0].state, HostState::Open { .. }));
    assert_eq!(open.hosts[0].address, "{settings.base_url}");
    assert_eq!(open.credentials[0].origins, ["{settings.base_url}"]);
}

#[test]
fn changed_limits_name_the_person_and_json_has_it_all() {
    let mut grant = Grant::built_in();
    grant.limits.wall_s = Some(60);
    let card = card(OPENAI, json!({}), &grant, &HostVars::default());
    let value = serde_json::to_value(&card).unwrap();
    assert_eq!(value["limits"][2]["said"], json!({ "by": "person" }));
    assert_eq!(value["hosts"][0]["state"], "allowed");
    assert_eq!(value["hosts"][0]["said"]["by"], "default");
    assert_eq!(value["imports"][0]["said"]["by"], "component");
    assert_eq!(value["credentials"][0]["header"], "authorization");
}

#[test]
fn nothing_a_plugin_writes_reaches_the_terminal_raw() {
    let given = json!({ "base_url": "https://api.openai.com/v1" });
    let manifest = Manifest::parse(OPENAI).unwrap();
    let empty = Map::new();
    let imports = ["evil\u{1b}[2J\u{202e}".to_owned()];
    let card = PermissionCard::new(
        &manifest,
        &CardContext {
            settings: given.as_object().unwrap_or(&empty),
            host: &HostVars::default(),
            grant: &Grant::built_in(),
            ceiling: &Ceiling::default(),
            imports: &imports,
            differences: &[],
        },
    );
    let text = card.to_string();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
}
