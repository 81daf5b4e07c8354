//! The merge of what provider, book and person say; what a person may write; what a filter shows.
#![expect(clippy::unwrap_used, reason = "tests: helpers unwrap too")]

use rust_decimal::Decimal;
use vale_billing::catalogue::{Capability, Entry, Filter, Overrides, Source, Sourced, merge};
use vale_billing::{BookPrice, Cost, PriceBook};
use vale_types::{Capabilities, Model, ModelRef, Money, Price, Usage};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn model_ref() -> ModelRef {
    "google/gemini-2.5-pro".parse().unwrap()
}

fn book() -> BookPrice {
    let at = "2026-11-25".parse().unwrap();
    let book = PriceBook::built_in().unwrap();
    book.lookup(None, Some("google"), "gemini-2.5-pro", at)
        .unwrap()
}

fn row(currency: &str, input: Option<&str>, output: Option<&str>) -> Price {
    Price {
        currency: currency.to_owned(),
        above_input_tokens: 0,
        input: input.map(decimal),
        cache_read: None,
        cache_write_5m: None,
        cache_write_1h: None,
        output: output.map(decimal),
        reasoning: None,
        extras: Vec::new(),
    }
}

fn reported(prices: Vec<Price>) -> Model {
    Model {
        id: "gemini-2.5-pro".to_owned(),
        display_name: Some("By provider".to_owned()),
        capabilities: Some(Capabilities {
            tools: true,
            ..Capabilities::default()
        }),
        context_window: Some(5000),
        max_output: None,
        prices,
        options_schema: None,
        deprecated_on: Some("2027-01-01".to_owned()),
        loaded: None,
        extras: Vec::new(),
    }
}

fn overrides(toml: &str) -> Overrides {
    toml::from_str(&format!("[models.\"google/gemini-2.5-pro\"]\n{toml}")).unwrap()
}

fn merged(reported: Option<&Model>, book: Option<&BookPrice>, toml: &str) -> Entry {
    let overrides = overrides(toml);
    merge(
        model_ref(),
        reported,
        book,
        overrides.models.get(&model_ref()),
    )
}

fn by_book<T>(value: T) -> Sourced<T> {
    Sourced {
        value,
        source: Source::PriceBook {
            version: book().version,
        },
    }
}

fn by_provider<T>(value: T) -> Sourced<T> {
    Sourced {
        value,
        source: Source::Provider,
    }
}

fn by_person<T>(value: T) -> Sourced<T> {
    Sourced {
        value,
        source: Source::Person,
    }
}

#[test]
fn each_value_is_the_persons_then_the_providers_then_the_books() {
    let (book, reported) = (book(), reported(vec![row("USD", None, Some("7"))]));
    let entry = merged(
        Some(&reported),
        Some(&book),
        "input_per_million = \"3\"\nmax_output = 900\nimages = true",
    );
    assert_eq!(entry.name, Some(by_provider("By provider".to_owned())));
    assert_eq!(entry.context_window, Some(by_provider(5000)));
    assert_eq!(entry.max_output, Some(by_person(900)));
    assert_eq!(
        entry.deprecated_on,
        Some(by_provider("2027-01-01".to_owned()))
    );
    assert_eq!(entry.capabilities[&Capability::ImagesIn], by_person(true));
    assert_eq!(entry.capabilities[&Capability::Tools], by_provider(true));
    assert_eq!(
        entry.capabilities[&Capability::Thinking],
        by_provider(false)
    );
    // The book's tier stays for what only the book prices.
    let [small, large] = &*entry.prices else {
        panic!("{:?}", entry.prices)
    };
    for row in [small, large] {
        assert_eq!(row.input, Some(by_person(decimal("3"))));
        assert_eq!(row.output, Some(by_provider(decimal("7"))));
        assert_eq!(row.reasoning, None);
    }
    assert_eq!(large.above_input_tokens, 200_000);
    assert_eq!(small.cache_read, Some(by_book(decimal("0.125"))));
    assert_eq!(large.cache_read, Some(by_book(decimal("0.25"))));

    let entry = merged(None, Some(&book), "");
    assert_eq!(entry.context_window, book.context_window.map(by_book));
    assert_eq!(entry.prices[0].input, Some(by_book(decimal("1.25"))));
    assert_eq!(entry.plain_prices(), book.tiers);
    assert!(
        entry.capabilities.is_empty(),
        "the book says nothing of capabilities, so none is known"
    );

    let entry = merged(None, None, "");
    assert_eq!(
        (entry.name, entry.context_window, entry.prices.len()),
        (None, None, 0)
    );
}

#[test]
fn a_tier_that_changes_nothing_is_dropped_and_a_price_that_varies_is_unknown() {
    let mut flat = book();
    flat.tiers.iter_mut().for_each(|row| row.cache_read = None);
    let varies = Model {
        prices: vec![row("USD", Some("-1"), Some("9"))],
        ..reported(Vec::new())
    };
    let entry = merged(Some(&varies), Some(&flat), "input_per_million = \"3\"");
    assert_eq!(entry.prices.len(), 1);
    assert_eq!(entry.prices[0].output, Some(by_provider(decimal("9"))));
    let entry = merged(Some(&varies), None, "");
    assert_eq!(entry.prices[0].input, None);
}

#[test]
fn currencies_are_never_mixed() {
    let reported = reported(vec![row("USD", Some("1"), Some("2"))]);
    let entry = merged(
        Some(&reported),
        Some(&book()),
        "currency = \"EUR\"\noutput_per_million = \"9\"",
    );
    let [only] = &*entry.prices else {
        panic!("{:?}", entry.prices)
    };
    assert_eq!((only.currency.as_str(), &only.input), ("EUR", &None));
    assert_eq!(only.output, Some(by_person(decimal("9"))));
}

#[test]
fn an_entry_costs_what_its_prices_say_and_another_service_only_where_its_price_is_known() {
    let book = book();
    let usage = |tier: &str| Usage {
        input: Some(1_000_000),
        output: Some(0),
        service_tier: Some(tier.to_owned()),
        ..Usage::default()
    };
    let usd = |amount| {
        Cost::Exact(Money {
            currency: "USD".to_owned(),
            amount: decimal(amount),
        })
    };
    let by_the_book = merged(None, Some(&book), "");
    assert_eq!(
        by_the_book.cost(&usage("standard"), Some(&book)),
        usd("2.5")
    );
    assert_eq!(by_the_book.cost(&usage("batch"), Some(&book)), usd("1.25"));
    let listed = reported(vec![row("USD", Some("4"), Some("4"))]);
    let listed = merged(Some(&listed), Some(&book), "");
    assert_eq!(listed.cost(&usage("default"), Some(&book)), usd("4"));
    assert_eq!(listed.cost(&usage("batch"), Some(&book)), Cost::Unknown);
    let own = merged(
        None,
        None,
        "input_per_million = \"6\"\noutput_per_million = \"6\"",
    );
    assert_eq!(own.cost(&usage("batch"), None), usd("6"));
    assert_eq!(
        merged(None, None, "").cost(&usage("standard"), None),
        Cost::Unknown
    );
}

#[test]
fn overrides_survive_toml_and_an_entry_survives_json() {
    let toml = "name = \"Mine\"\ncontext_window = 8192\nmax_output = 1024\ncurrency = \"EUR\"\n\
        input_per_million = \"1.250\"\ncache_read_per_million = \"0\"\ncache_write_5m_per_million = \"1.5\"\n\
        cache_write_1h_per_million = \"2\"\noutput_per_million = \"10\"\nreasoning_per_million = \"3\"\n\
        tools = true\nimages = false\nthinking = true\nsystem_role = false\nprompt_cache = true\n";
    let first = overrides(toml);
    let again: Overrides = toml::from_str(&toml::to_string(&first).unwrap()).unwrap();
    assert_eq!(again, first);
    let price = first.models[&model_ref()].price();
    assert_eq!(price.input.unwrap().to_string(), "1.250");
    assert_eq!(price.cache_read, Some(Decimal::ZERO));
    assert_eq!(
        toml::from_str::<Overrides>("").unwrap(),
        Overrides::default()
    );

    let entry = merged(Some(&reported(Vec::new())), Some(&book()), toml);
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
}

#[test]
fn a_filter_shows_only_what_is_known_to_fit() {
    let full = merged(
        Some(&Model {
            loaded: Some(false),
            ..reported(Vec::new())
        }),
        Some(&book()),
        "thinking = true",
    );
    let free = merged(
        None,
        None,
        "input_per_million = \"0\"\noutput_per_million = \"0\"",
    );
    let euro = merged(None, None, "currency = \"EUR\"\ninput_per_million = \"1\"");
    let nothing = merged(None, None, "");
    let price = |text| Some(decimal(text));
    let text = |text: &str| Filter {
        text: Some(text.to_owned()),
        ..Filter::default()
    };
    for (name, filter, wanted) in [
        ("all", Filter::default(), [true, true, true, true]),
        (
            "free",
            Filter {
                free: true,
                ..Filter::default()
            },
            [false, true, false, false],
        ),
        (
            "local",
            Filter {
                local: true,
                ..Filter::default()
            },
            [true, false, false, false],
        ),
        (
            "loaded",
            Filter {
                loaded: true,
                ..Filter::default()
            },
            [false; 4],
        ),
        (
            "tools",
            Filter {
                tools: true,
                ..Filter::default()
            },
            [true, false, false, false],
        ),
        (
            "images",
            Filter {
                images: true,
                ..Filter::default()
            },
            [false; 4],
        ),
        (
            "thinking",
            Filter {
                thinking: true,
                ..Filter::default()
            },
            [true, false, false, false],
        ),
        (
            "context",
            Filter {
                min_context: Some(5000),
                ..Filter::default()
            },
            [true, false, false, false],
        ),
        (
            "more context",
            Filter {
                min_context: Some(5001),
                ..Filter::default()
            },
            [false; 4],
        ),
        // The dearest tier counts: 2.5 for a long input.
        (
            "price",
            Filter {
                max_input_price: price("2.5"),
                ..Filter::default()
            },
            [true, true, false, false],
        ),
        (
            "cheaper",
            Filter {
                max_input_price: price("2.4"),
                ..Filter::default()
            },
            [false, true, false, false],
        ),
        (
            "euros",
            Filter {
                max_input_price: price("1"),
                currency: Some("EUR".to_owned()),
                ..Filter::default()
            },
            [false, false, true, false],
        ),
        (
            "output",
            Filter {
                max_output_price: price("15"),
                ..Filter::default()
            },
            [true, true, false, false],
        ),
        (
            "provider",
            Filter {
                provider: Some("google".parse().unwrap()),
                ..Filter::default()
            },
            [true; 4],
        ),
        (
            "other provider",
            Filter {
                provider: Some("openai".parse().unwrap()),
                ..Filter::default()
            },
            [false; 4],
        ),
        ("words", text(" PRO  google "), [true; 4]),
        (
            "words of the name",
            text("by gemini"),
            [true, false, false, false],
        ),
        ("no word", text("claude"), [false; 4]),
    ] {
        let seen = [&full, &free, &euro, &nothing].map(|entry| filter.matches(entry));
        assert_eq!(seen, wanted, "{name}");
        let json = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), filter);
    }
}
