//! Arithmetic, units and dates for models, which are bad at all three. No floats anywhere: a
//! result is exact, or it says to how many digits it was rounded.

mod dates;
mod expression;
mod functions;
mod number;
mod units;

use vale_sdk::Context;
use vale_sdk::tool::{Answer, Arguments, Failure, Hints, Host, Param, ToolSpec, Tools};

use number::Number;

/// Significant digits of a rounded result, unless the call asks for others.
const DIGITS: u32 = 28;
/// Most significant digits that a call may ask for; a root is worked out to 60.
const MAX_DIGITS: i64 = 50;

/// The tools `calculate`, `convert` and `date`.
#[derive(Clone, Copy, Debug)]
pub struct Calculator;

impl Tools for Calculator {
    fn list(_: &Context) -> Vec<ToolSpec> {
        vec![calculate_spec(), convert_spec(), date_spec()]
    }

    async fn invoke<H: Host>(
        host: &H,
        name: &str,
        arguments: &Arguments,
    ) -> Result<Answer, Failure> {
        match name {
            "calculate" => calculate(arguments),
            "convert" => convert(arguments),
            _ => dates::answer(arguments, host.now_unix_ms()).map(Answer::text),
        }
    }
}

fn calculate_spec() -> ToolSpec {
    let description = format!(
        "Works out an expression exactly: + - * / ^, brackets, a % b or mod (the remainder has b's \
         sign), 15% = 0.15 and “15% of 80”. Functions: {}. round goes to the nearest, halves away \
         from zero. Fractions stay exact until the result, which says whether it was rounded. \
         A % with + or - behind it is a percentage: 200 + 10% is 200.1.",
        functions::NAMES
    );
    let expression = "Such as (19.99 * 3) * (1 + 20%) or round(2/3, 4)";
    ToolSpec::new("calculate", description)
        .title("Calculate")
        .hints(Hints::pure())
        .param(
            Param::text("expression", expression)
                .required()
                .max_chars(expression::MAX_CHARS),
        )
        .param(digits_param())
}

fn convert_spec() -> ToolSpec {
    ToolSpec::new(
        "convert",
        "Converts between units of length, mass, temperature, volume, speed, area, data and time \
         with exact factors. gal, qt, pt and cup are the US ones; write imperial gallons for the \
         others. MB is 1000² bytes, MiB 1024², Mb megabits.",
    )
    .title("Convert units")
    .hints(Hints::pure())
    .param(
        Param::text(
            "value",
            "A number or an expression, such as 5.5 or 12 + 1/2",
        )
        .required()
        .max_chars(expression::MAX_CHARS),
    )
    .param(Param::text("from", "The unit of the value, such as mi or °F").required())
    .param(Param::text("to", "The wanted unit, such as km or °C").required())
    .param(digits_param())
}

fn date_spec() -> ToolSpec {
    let step = |name, what: &str| {
        let text = format!("For add: {what} to add, below zero to subtract");
        Param::integer(name, text, -dates::MAX_STEP..=dates::MAX_STEP)
    };
    ToolSpec::new(
        "date",
        "Reckons with dates of the Gregorian calendar. describe: weekday, ISO week, day of the year. \
         difference: from date to `to` in days, weeks, months, years and business days. add: \
         years, months, weeks, days or business days to date (31 January + 1 month is the last of \
         February). to_unix and from_unix: Unix time in seconds and back. Everything in UTC.",
    )
    .title("Reckon with dates")
    .hints(Hints {
        // Today is another day tomorrow.
        idempotent: None,
        ..Hints::pure()
    })
    .param(Param::choice("operation", "What to do", dates::OPERATIONS).required())
    .param(Param::text(
        "date",
        "2024-02-29, 2024-02-29T12:00:00Z, today or now; today in UTC if left out",
    ))
    .param(Param::text("to", "For difference: the later date, as date"))
    .param(step("years", "years"))
    .param(step("months", "months"))
    .param(step("weeks", "weeks"))
    .param(step("days", "days"))
    .param(step("business_days", "Mondays to Fridays"))
    .param(Param::integer(
        "unix",
        "For from_unix: seconds since 1970",
        -1_000_000_000_000_000..=1_000_000_000_000_000,
    ))
}

fn digits_param() -> Param {
    let text = format!("Significant digits of a rounded result; {DIGITS} if left out");
    Param::integer("digits", text, 1..=MAX_DIGITS)
}

fn digits(arguments: &Arguments) -> u32 {
    let asked = arguments.integer("digits");
    asked
        .and_then(|digits| digits.try_into().ok())
        .unwrap_or(DIGITS)
}

fn calculate(arguments: &Arguments) -> Result<Answer, Failure> {
    let text = arguments.need_text("expression")?;
    let result = expression::evaluate(text)?;
    Ok(Answer::text(result.told(digits(arguments))))
}

fn convert(arguments: &Arguments) -> Result<Answer, Failure> {
    let value = expression::evaluate(arguments.need_text("value")?)?;
    let from = units::find(arguments.need_text("from")?)?;
    let to = units::find(arguments.need_text("to")?)?;
    let converted = Number::exact(units::convert(value.fraction()?, from, to)?)?;
    let digits = digits(arguments);
    Ok(Answer::text(format!(
        "{} {} = {} {}",
        value.told(digits),
        from.shown(),
        converted.told(digits),
        to.shown()
    )))
}

vale_sdk::export_tool!(Calculator);
