//! Functions and constants of expressions.

use num_rational::BigRational;
use vale_sdk::tool::Failure;

use crate::number::{Number, half_away, power_of_ten};

/// What an expression may call, for the model.
pub(crate) const NAMES: &str = "abs(x), min(a, b, …), max(a, b, …), sum(a, b, …), mean(a, b, …), \
     round(x, places), floor(x), ceil(x), trunc(x), sqrt(x), mod(a, b), pi";

/// π to 60 places: 3.14159…
const PI: &str = "3141592653589793238462643383279502884197169399375105820974944";
const PI_PLACES: i64 = 60;
/// How far `round` may move the point.
const MAX_PLACES: i32 = 1_000;

type Result<T> = std::result::Result<T, Failure>;

/// A constant by its name, lower case.
pub(crate) fn constant(name: &str) -> Result<Number> {
    match name {
        "pi" | "π" => {
            let digits = PI.parse().map_err(|_| unknown(name))?;
            let value = BigRational::from_integer(digits) * power_of_ten(-PI_PLACES)?;
            Number::rounded(value, -PI_PLACES)
        }
        _ => Err(unknown(name)),
    }
}

/// A function by its name, lower case.
pub(crate) fn apply(name: &str, arguments: &[Number]) -> Result<Number> {
    match (name, arguments) {
        ("abs", [x]) => Ok(x.clone().abs()),
        ("sqrt", [x]) => x.root(),
        ("floor", [x]) => x.rounded_by(0, BigRational::floor),
        ("ceil", [x]) => x.rounded_by(0, BigRational::ceil),
        ("trunc", [x]) => x.rounded_by(0, BigRational::trunc),
        ("round", [x]) => x.rounded_by(0, half_away),
        ("round", [x, places]) => {
            let places = places.small(-MAX_PLACES..=MAX_PLACES).ok_or_else(|| {
                Failure::told(format!(
                    "round rounds to a whole number of places from -{MAX_PLACES} to {MAX_PLACES}."
                ))
            })?;
            x.rounded_by(places, half_away)
        }
        ("mod", [a, b]) => a.modulo(b),
        ("min", [first, rest @ ..]) => Ok(pick(first, rest, |a, b| a.is_less_than(b))),
        ("max", [first, rest @ ..]) => Ok(pick(first, rest, |a, b| b.is_less_than(a))),
        ("sum", all) => total(all),
        ("mean", all) => {
            let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
            total(all)?.over(&Number::integer(count))
        }
        ("abs" | "sqrt" | "floor" | "ceil" | "trunc" | "round" | "mod", _) => Err(Failure::told(
            format!("{name} takes another number of arguments. The functions: {NAMES}."),
        )),
        _ => Err(unknown(name)),
    }
}

fn pick(first: &Number, rest: &[Number], is_better: fn(&Number, &Number) -> bool) -> Number {
    let best = rest.iter().fold(
        first,
        |best, next| {
            if is_better(next, best) { next } else { best }
        },
    );
    best.clone()
}

fn total(all: &[Number]) -> Result<Number> {
    all.iter()
        .try_fold(Number::integer(0), |total, next| total.plus(next))
}

fn unknown(name: &str) -> Failure {
    let name: String = name.chars().take(30).collect();
    Failure::told(format!(
        "“{name}” is not known here. Known are {NAMES}; units belong to the tool convert."
    ))
}
