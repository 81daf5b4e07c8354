//! Refreshes the price book's data (`runtime/billing/data`) from the newest genai-prices wheel.
//!
//! The wheel holds its data as Python source: constructor calls with literal arguments. It is read as a syntax
//! tree and never run, so that neither its dependencies nor its code are needed. Prices stay the decimal text
//! that the source has; no number passes through a float. What is kept of it: [`PROVIDER_KEYS`], [`MODEL_KEYS`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::model::hex;
use crate::workspace::Workspace;
use crate::{fetch, files, process, say};

const PACKAGE: &str = "genai-prices";
/// What of a provider is used: how it is recognised; and its models.
const PROVIDER_KEYS: &str =
    "api_pattern fallback_model_providers id model_match name provider_match";
/// What of a model is used: all but the prose.
const MODEL_KEYS: &str = "context_window deprecated id match name price_variants prices";
/// Reads the wheel's data as a syntax tree and prints it as JSON; refuses whatever is no literal.
const CONVERT: &str = include_str!("../../billing/data/convert.py");

/// Downloads the newest price data, checks it against what is there, and replaces it.
///
/// # Errors
/// When the wheel cannot be fetched or read, or its data is not plausible: nothing is written then.
pub(crate) fn refresh(ws: &Workspace) -> Result<()> {
    let folder = ws.root.join("runtime/billing/data");
    let wheel = ws.target.join("prices-wheel");
    say("fetching the newest genai-prices wheel");
    fetch::unpack_wheel(PACKAGE, &wheel)?;
    let version = version(&wheel)?;
    let source = wheel.join("genai_prices/data.py");
    let source_text = std::fs::read(&source)
        .context("the wheel holds no genai_prices/data.py: its layout has changed")?;
    let mut convert = process::command(python()?);
    convert.args(["-I", "-c", CONVERT]).arg(&source);
    let converted: Value = serde_json::from_str(&process::read(&mut convert)?)
        .context("the converted data is not JSON")?;
    let providers = slim(field(&converted, "providers")?)?;

    let data_path = folder.join("genai-prices.json");
    let old: Value = match std::fs::read(&data_path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).context("the present genai-prices.json is damaged")?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
        Err(error) => return Err(error).context("the present genai-prices.json cannot be read"),
    };
    let present = old.get("providers").cloned().unwrap_or_default();
    check_plausible(&prices(&present), &prices(&providers))?;
    print!("{}", summary(&present, &providers));
    if present == providers && old.get("version").and_then(Value::as_str) == Some(&version) {
        println!("the price data is already that of {PACKAGE} {version}");
        return Ok(());
    }
    let today = text(&converted, "today")?;
    let data = render(&version, today, &providers)?;
    let readme = readme(
        &version,
        today,
        &sha256(&source_text),
        &sha256(data.as_bytes()),
    );
    let license = std::fs::read(
        wheel
            .join(format!("genai_prices-{version}.dist-info"))
            .join("licenses/LICENSE"),
    )
    .context("the wheel holds no licence: ask its keeper before its data is used")?;
    files::write_if_changed(&folder.join("genai-prices.LICENSE"), &license)?;
    files::write_if_changed(&data_path, data.as_bytes())?;
    files::write_if_changed(&folder.join("README.md"), readme.as_bytes())?;
    println!("wrote {}", data_path.display());
    Ok(())
}

fn python() -> Result<&'static str> {
    ["python3", "python", "py"]
        .into_iter()
        .find(|python| process::succeeds(process::command(python).arg("--version")))
        .context("the price data is converted with Python 3, and none was found")
}

/// The version that the unpacked wheel says it is.
fn version(wheel: &Path) -> Result<String> {
    let entries = std::fs::read_dir(wheel).context("the unpacked wheel cannot be read")?;
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find_map(|name| {
            name.strip_prefix("genai_prices-")?
                .strip_suffix(".dist-info")
                .map(str::to_owned)
        })
        .context("the wheel does not say its version")
}

fn field<'a>(value: &'a Value, key: &str) -> Result<&'a Value> {
    value
        .get(key)
        .with_context(|| format!("the data has no `{key}` where one is needed"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    field(value, key)?
        .as_str()
        .with_context(|| format!("`{key}` of the data is no text"))
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Keeps what is used, and checks that every price is decimal text.
fn slim(providers: &Value) -> Result<Value> {
    let providers = providers
        .as_array()
        .context("the providers are no list")?
        .iter()
        .map(|provider| {
            let id = text(provider, "id")?;
            text(provider, "api_pattern")?;
            let models = list(provider, "models")
                .map(|model| {
                    check_model(model).with_context(|| format!("a model of {id}"))?;
                    Ok(pick(model, MODEL_KEYS))
                })
                .collect::<Result<Vec<_>>>()?;
            let mut kept = pick(provider, PROVIDER_KEYS);
            if let Some(kept) = kept.as_object_mut() {
                kept.insert("models".to_owned(), Value::Array(models));
            }
            Ok(kept)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Value::Array(providers))
}

/// The chosen fields, in the order of their names, which the keys have.
fn pick(value: &Value, keys: &str) -> Value {
    let fields = keys
        .split_whitespace()
        .filter_map(|key| Some((key.to_owned(), value.get(key)?.clone())));
    Value::Object(Map::from_iter(fields))
}

fn check_model(model: &Value) -> Result<()> {
    let id = text(model, "id")?;
    field(model, "match").with_context(|| id.to_owned())?;
    for rates in rate_sets(model) {
        for (key, price) in rates {
            let decimal = |price: &Value| {
                let is_decimal = price.as_str().is_some_and(is_decimal);
                ensure!(is_decimal, "the {key} of {id} is no decimal text: {price}");
                Ok(())
            };
            if price.is_object() {
                decimal(field(price, "base")?)?;
                for tier in list(price, "tiers") {
                    let start = field(tier, "start")?;
                    ensure!(start.is_u64(), "a tier of {id} starts at {start}");
                    decimal(field(tier, "price")?)?;
                }
            } else {
                decimal(price)?;
            }
        }
    }
    Ok(())
}

/// Every set of prices that a model has: its own, the dated ones and the variants.
fn rate_sets(model: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let own = model.get("prices").and_then(Value::as_object);
    let dated = list(model, "prices").chain(list(model, "price_variants"));
    own.into_iter()
        .chain(dated.filter_map(|dated| dated.get("prices")?.as_object()))
}

fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole) && digits(fraction) && text.len() <= 28
}

/// One line a model, so that a refresh shows what changed.
fn render(version: &str, fetched: &str, providers: &Value) -> Result<String> {
    let mut out = format!(
        "{{\"package\":{},\"version\":{},\"fetched\":{},\"providers\":[",
        Value::from(PACKAGE),
        Value::from(version),
        Value::from(fetched)
    );
    for (index, provider) in providers.as_array().into_iter().flatten().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        let head = serde_json::to_string(&pick(provider, PROVIDER_KEYS))?;
        out.push_str(head.strip_suffix('}').unwrap_or(&head));
        out.push_str(",\"models\":[");
        for (index, model) in list(provider, "models").enumerate() {
            out.push_str(if index == 0 { "\n" } else { ",\n" });
            out.push_str(&serde_json::to_string(model)?);
        }
        out.push_str("\n]}");
    }
    out.push_str("\n]}\n");
    Ok(out)
}

/// `provider/model`, and `provider/model price-key` for each price that it has.
struct Prices {
    models: BTreeSet<String>,
    prices: BTreeSet<String>,
}

fn prices(providers: &Value) -> Prices {
    let (mut models, mut prices) = (BTreeSet::new(), BTreeSet::new());
    for provider in providers.as_array().into_iter().flatten() {
        let id = text(provider, "id").unwrap_or_default();
        for model in list(provider, "models") {
            let name = format!("{id}/{}", text(model, "id").unwrap_or_default());
            for rates in rate_sets(model) {
                prices.extend(rates.keys().map(|key| format!("{name} {key}")));
            }
            models.insert(name);
        }
    }
    Prices { models, prices }
}

/// Refuses data that looks like an accident: most models gone, or many prices.
fn check_plausible(old: &Prices, new: &Prices) -> Result<()> {
    let (before, after) = (old.models.len(), new.models.len());
    ensure!(
        after > 0,
        "the new data holds no model; nothing was written"
    );
    if after * 2 < before {
        bail!("the new data has {after} models where {before} were: nothing was written");
    }
    let lost: Vec<_> = old.prices.difference(&new.prices).collect();
    if lost.len() * 20 > old.prices.len() {
        let some: Vec<_> = lost.iter().take(5).map(|name| name.as_str()).collect();
        bail!(
            "{} of {} prices are gone from the new data, such as {}: nothing was written. If that is right, \
             remove genai-prices.json and run this again",
            lost.len(),
            old.prices.len(),
            some.join(", ")
        );
    }
    Ok(())
}

/// What a person reads before they commit the new data.
fn summary(old: &Value, new: &Value) -> String {
    let (before, after) = (by_name(old), by_name(new));
    let not_in = |one: &Models<'_>, other: &Models<'_>| -> Vec<String> {
        let names = one.keys().filter(|name| !other.contains_key(*name));
        names.cloned().collect()
    };
    let changed = after.iter().filter(|(name, prices)| {
        let old = before.get(*name);
        old.is_some_and(|old| old != *prices)
    });
    let mut out = String::new();
    for (sign, models) in [
        ("+ new", not_in(&after, &before)),
        ("- gone", not_in(&before, &after)),
        ("~ changed", changed.map(|(name, _)| name.clone()).collect()),
    ] {
        for name in models.iter().take(40) {
            out.push_str(&format!("{sign} {name}\n"));
        }
        out.push_str(&format!("{sign}: {} models\n", models.len()));
    }
    out
}

type Models<'a> = BTreeMap<String, [Option<&'a Value>; 2]>;

fn by_name(providers: &Value) -> Models<'_> {
    let mut all = Models::new();
    for provider in providers.as_array().into_iter().flatten() {
        let id = text(provider, "id").unwrap_or_default();
        for model in list(provider, "models") {
            let name = format!("{id}/{}", text(model, "id").unwrap_or_default());
            all.insert(name, [model.get("prices"), model.get("price_variants")]);
        }
    }
    all
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn readme(version: &str, fetched: &str, source: &str, data: &str) -> String {
    format!(
        "# Price data\n\n\
         Written by `cargo xtask prices`; do not edit by hand.\n\n\
         | | |\n|---|---|\n\
         | package | {PACKAGE} {version} (a Python wheel, MIT: `genai-prices.LICENSE`) |\n\
         | fetched | {fetched} |\n\
         | sha256 of its `genai_prices/data.py` | `{source}` |\n\
         | sha256 of `genai-prices.json` | `{data}` |\n\n\
         `genai-prices.json` holds every provider, every model and every price of the source, one model a line.\n\
         Left out is what the price book does not use: descriptions, comments, links, and the rules that find\n\
         usage in answers. Kept:\n\n\
         - of a provider: `{}`, `models`\n\
         - of a model: `{}`\n\n\
         Prices are the source's own decimal text; times are UTC.\n\n\
         To refresh: `cargo xtask prices`. It needs Python with pip and the network, reads the data without running\n\
         it, refuses data that lost half of the models or a twentieth of the prices, and prints what changed.\n\
         Then renew `../tests/fixtures/oracle.json`: it holds answers of the library of the same version.\n",
        PROVIDER_KEYS.replace(' ', "`, `"),
        MODEL_KEYS.replace(' ', "`, `"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn providers(count: usize, price: &str) -> Value {
        let model = |index| {
            json!({"id": format!("m{index}"), "match": {"equals": "m"}, "description": "prose",
                "prices": {"input_mtok": price, "output_mtok": {"base": "1", "tiers": [{"start": 5, "price": "2"}]}}})
        };
        let models: Vec<_> = (0..count).map(model).collect();
        json!([{"id": "p", "api_pattern": "x", "provider_match": {"or": [{"equals": "p"}]}, "extractors": [], "models": models}])
    }

    #[test]
    fn what_is_rendered_is_json_again_and_keeps_the_decimal_text() {
        let slim = slim(&providers(3, "0.10")).unwrap();
        let text = render("1.2.3", "2026-11-25", &slim).unwrap();
        let again: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(again["providers"], slim);
        assert_eq!(again["version"], "1.2.3");
        assert_eq!(slim[0]["models"][2]["prices"]["input_mtok"], "0.10");
        assert!(
            !text.contains("prose") && !text.contains("extractors"),
            "{text}"
        );
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with(r#"{"id":"m"#))
                .count(),
            3
        );
    }

    #[test]
    fn a_price_that_is_no_decimal_text_is_refused() {
        for bad in ["", "-1", "1e3", ".5", "1.", "1,5", "NaN"] {
            assert!(slim(&providers(1, bad)).is_err(), "{bad}");
        }
        let mut float = providers(1, "1");
        float[0]["models"][0]["prices"]["input_mtok"] = json!(0.1);
        assert!(slim(&float).is_err());
    }

    #[test]
    fn data_that_lost_models_or_prices_is_refused() {
        let sets = |count| prices(&providers(count, "1"));
        assert!(check_plausible(&sets(0), &sets(1)).is_ok());
        assert!(check_plausible(&sets(100), &sets(95)).is_ok());
        assert!(check_plausible(&sets(100), &sets(94)).is_err());
        assert!(check_plausible(&sets(100), &sets(40)).is_err());
        assert!(check_plausible(&sets(0), &sets(0)).is_err());
    }

    #[test]
    fn the_summary_names_what_came_went_and_changed() {
        let said = summary(&providers(2, "1"), &providers(3, "1"));
        assert!(
            said.contains("+ new p/m2") && said.contains("changed: 0"),
            "{said}"
        );
        let said = summary(&providers(2, "1"), &providers(1, "2"));
        assert!(
            said.contains("- gone p/m1") && said.contains("~ changed p/m0"),
            "{said}"
        );
    }
}
