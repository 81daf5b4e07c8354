//! The built-in data and the look-up in it.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vale_billing::{BookPrice, Cost, Moment, PriceBook, parse_decimal};
use vale_types::Usage;

const DATA: &str = include_str!("../data/genai-prices.json");
const ANTHROPIC: Option<&str> = Some("https://api.anthropic.com/v1/messages");

fn book() -> &'static PriceBook {
    PriceBook::built_in().unwrap()
}

fn moment(text: &str) -> Moment {
    text.parse().unwrap()
}

fn now() -> Moment {
    moment("2026-11-25")
}

fn hinted(hint: &str, model: &str) -> Option<BookPrice> {
    book().lookup(None, Some(hint), model, now())
}

#[test]
fn every_entry_of_the_data_is_read_and_every_rule_compiles() {
    let (providers, models) = book().size();
    assert!(providers >= 40 && models >= 2000, "{providers} {models}");
    assert_eq!(book().entries(now()).count(), models);
    assert_eq!(book().broken_rules(), Vec::<String>::new());
}

#[test]
fn the_data_is_the_one_that_its_readme_names() {
    let hash = Sha256::digest(DATA.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let readme = include_str!("../data/README.md");
    assert!(
        readme.contains(&hash),
        "the data was edited by hand: run `cargo xtask prices`"
    );
    assert!(readme.contains(book().version()));
}

/// Every price of the data, as its text.
fn price_texts(value: &Value, inside: bool, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let prices = key == "prices" && value.is_object();
                // `start` counts tokens; `constraint` and `when` hold no price.
                if !(inside && key == "start") && key != "constraint" && key != "when" {
                    price_texts(value, inside || prices, out);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| price_texts(item, inside, out)),
        Value::String(text) if inside => out.push(text.clone()),
        other => assert!(!inside, "a price is no text: {other}"),
    }
}

#[test]
fn every_price_keeps_the_decimal_text_of_the_data() {
    let mut texts = Vec::new();
    price_texts(&serde_json::from_str(DATA).unwrap(), false, &mut texts);
    assert!(texts.len() > 7000, "{}", texts.len());
    for text in texts {
        assert_eq!(parse_decimal(&text).unwrap().to_string(), text);
    }
}

#[test]
fn look_ups_and_costs_are_those_of_the_library_whose_data_it_is() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("fixtures/oracle.json")).unwrap();
    let mut priced = 0;
    for case in &cases {
        let text = |key: &str| case[key].as_str();
        let count = |key: &str| case["usage"][key].as_u64();
        let found = book().lookup(
            text("url"),
            text("hint"),
            text("model").unwrap(),
            moment(text("at").unwrap()),
        );
        let name = found
            .as_ref()
            .map(|found| format!("{}|{}", found.provider, found.model));
        assert_eq!(name.as_deref(), text("found"), "{case}");
        if let Some(cost) = text("cost") {
            let usage = Usage {
                input: count("input"),
                cache_read: count("cache_read"),
                output: count("output"),
                ..Usage::default()
            };
            let Cost::Exact(money) = found.unwrap().cost(&usage) else {
                panic!("not exact: {case}");
            };
            assert_eq!(money.amount, parse_decimal(cost).unwrap(), "{case}");
            priced += 1;
        }
    }
    assert!(
        cases.len() >= 500 && priced >= 100,
        "{} {priced}",
        cases.len()
    );
}

#[test]
fn what_the_book_does_not_know_is_none() {
    let lookup = |url, hint, model| book().lookup(url, hint, model, now());
    assert_eq!(lookup(None, None, "no-such-model"), None);
    assert_eq!(lookup(ANTHROPIC, None, "no-such-model"), None);
    assert_eq!(lookup(None, Some("no-such-provider"), "gpt-5.6"), None);
    assert_eq!(lookup(None, Some("anthropic"), ""), None);
}

#[test]
fn the_address_outranks_the_hint_so_a_local_server_has_no_price() {
    let at = |url, hint| book().lookup(Some(url), Some(hint), "gpt-5.6", now());
    assert_eq!(at("http://127.0.0.1:8081/v1", "openai"), None);
    assert_eq!(at("https://api.anthropic.com/v1", "openai"), None);
    assert_eq!(
        at("https://api.openai.com/v1", "anthropic")
            .unwrap()
            .provider,
        "openai"
    );
    let by_name = book().lookup(None, None, "gpt-5.6", now()).unwrap();
    assert_eq!(by_name.model, "gpt-5.6-sol");
}

#[test]
fn a_price_of_0_is_free_and_no_price_is_unknown() {
    let usage = Usage {
        input: Some(1000),
        output: Some(1000),
        ..Usage::default()
    };
    let mut unknown = 0;
    for entry in book().entries(now()) {
        let row = &entry.tiers[0];
        if row.input.is_none() && row.output.is_none() && row.extras.is_empty() {
            assert_eq!(entry.cost(&usage), Cost::Unknown, "{entry:?}");
            unknown += 1;
        }
    }
    assert!(unknown > 100, "{unknown}");
    let small = r#"{"version":"1","fetched":"2026-01-01","providers":[{"id":"p","api_pattern":"x","models":[
        {"id":"m","match":{"equals":"m"},"prices":{"input_mtok":"0","output_mtok":"0"}}]}]}"#;
    let small = PriceBook::parse(small).unwrap();
    let free = small.lookup(None, Some("p"), "M", now()).unwrap();
    assert_eq!(free.tiers[0].input, Some(Decimal::ZERO));
    let Cost::Exact(money) = free.cost(&usage) else {
        panic!("{free:?}");
    };
    assert!(money.amount.is_zero());
}

#[test]
fn prices_change_with_the_date_and_with_the_time_of_day() {
    let input = |hint: &str, model: &str, at: &str| {
        book()
            .lookup(None, Some(hint), model, moment(at))
            .unwrap()
            .tiers[0]
            .input
            .unwrap()
            .to_string()
    };
    assert_eq!(input("openai", "gpt-5.6-luna", "2026-07-29T23:59:59Z"), "1");
    assert_eq!(input("openai", "gpt-5.6-luna", "2026-07-30"), "0.2");
    assert_eq!(
        input("deepseek", "deepseek-chat", "2025-05-01T00:29:59Z"),
        "0.135"
    );
    assert_eq!(
        input("deepseek", "deepseek-chat", "2025-05-01T00:30:00Z"),
        "0.27"
    );
}

#[test]
fn a_reseller_has_the_models_of_others_without_their_variants() {
    let resold = hinted("azure", "gpt-5.6").unwrap();
    assert_eq!(
        (resold.provider.as_str(), resold.variants.len()),
        ("openai", 0)
    );
    let own = hinted("openai", "gpt-5.6").unwrap();
    assert_eq!(own.tiers, resold.tiers);
    assert!(!own.variants.is_empty());
}

#[test]
fn a_book_price_survives_json_and_carries_version_and_context() {
    let price = hinted("anthropic", "claude-sonnet-5-5").unwrap();
    assert_eq!(price.version, book().version());
    assert_eq!(price.fetched.len(), 10);
    assert!(price.context_window.is_some());
    let json = serde_json::to_string(&price).unwrap();
    assert_eq!(serde_json::from_str::<BookPrice>(&json).unwrap(), price);
}

#[test]
fn damaged_data_is_refused() {
    for bad in [
        "",
        "{}",
        r#"{"version":"1","fetched":"2026-01-01","providers":[{"id":"x"}]}"#,
    ] {
        assert!(PriceBook::parse(bad).is_err(), "{bad}");
    }
    assert!(PriceBook::parse(&DATA.replacen(r#"_mtok":"0"#, r#"_mtok":"-0"#, 1)).is_err());
}

const SMALL: &str = r#"{"version":"1","fetched":"2026-01-01","providers":[{"id":"p","api_pattern":"x","models":[
    {"id":"dated","match":{"equals":"m-2025-12-11"},"prices":{"input_mtok":"1","cache_write_mtok":"2"}},
    {"id":"compact","match":{"equals":"n-20251211"},"prices":{}},
    {"id":"other","match":{"equals":"n-2025-12-11"},"prices":{}}]}]}"#;

#[test]
fn a_compact_date_finds_the_dashed_name_unless_it_has_its_own() {
    let small = PriceBook::parse(SMALL).unwrap();
    let id = |model| Some(small.lookup(None, Some("p"), model, now())?.model);
    assert_eq!(id("m-20251211").as_deref(), Some("dated"));
    assert_eq!(id("n-20251211").as_deref(), Some("compact"));
    assert_eq!(id("m-20251212"), None);
}

#[test]
fn an_hour_in_the_cache_is_not_priced_as_five_minutes() {
    let small = PriceBook::parse(SMALL).unwrap();
    let price = small
        .lookup(None, Some("p"), "m-2025-12-11", now())
        .unwrap();
    let row = &price.tiers[0];
    assert_eq!(row.cache_write_5m, Some(Decimal::TWO));
    assert_eq!(row.cache_write_1h, None);
}
