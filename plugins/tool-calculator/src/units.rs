//! Units and their exact factors.
//!
//! Sources: the international yard and pound agreement of 1959 (inch = 0.0254 m, pound =
//! 0.45359237 kg) and what follows from it; the SI brochure, 9th edition, with its table 8 of
//! units accepted beside the SI (minute, hour, day, litre, tonne, hectare); NIST Handbook 44,
//! appendix C (US liquid measures: gallon = 231 cubic inches; acre = 43,560 square feet); the UK's
//! Units of Measurement Regulations 1995 (imperial gallon = 4.54609 l); IEC 80000-13 (KiB and its
//! like). The kelvin, Celsius and Fahrenheit scales as NIST SP 811 has them.

use num_bigint::BigInt;
use num_rational::BigRational;
use vale_sdk::tool::Failure;

use Dimension::{Area, Data, Length, Mass, Speed, Temperature, Time, Volume};

/// What a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    Length,
    Mass,
    Temperature,
    Volume,
    Speed,
    Area,
    Data,
    Time,
}

/// A unit: value in the base unit = (value + offset) × factor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    pub(crate) dimension: Dimension,
    /// The first is shown, the others are understood too.
    pub(crate) names: &'static [&'static str],
    factor: Factor,
    offset: &'static str,
}

/// A factor as an exact fraction of two decimals.
type Factor = (&'static str, &'static str);

const fn unit(dimension: Dimension, names: &'static [&'static str], factor: Factor) -> Unit {
    Unit {
        dimension,
        names,
        factor,
        offset: "0",
    }
}

/// All units. Base units: metre, kilogram, kelvin, cubic metre, metre a second, square metre,
/// byte, second.
#[rustfmt::skip] // A table reads best with a line a unit.
pub(crate) const UNITS: &[Unit] = &[
    unit(Length, &["metres", "m", "metre", "meter", "meters"], ("1", "1")),
    unit(Length, &["kilometres", "km", "kilometre", "kilometer", "kilometers"], ("1000", "1")),
    unit(Length, &["centimetres", "cm", "centimetre", "centimeter", "centimeters"], ("0.01", "1")),
    unit(Length, &["millimetres", "mm", "millimetre", "millimeter", "millimeters"], ("0.001", "1")),
    unit(Length, &["micrometres", "um", "µm", "μm", "micrometre", "micrometer", "micron", "microns"], ("0.000001", "1")),
    unit(Length, &["nanometres", "nm", "nanometre", "nanometer", "nanometers"], ("0.000000001", "1")),
    unit(Length, &["inches", "in", "inch", "\""], ("0.0254", "1")),
    unit(Length, &["feet", "ft", "foot", "'"], ("0.3048", "1")),
    unit(Length, &["yards", "yd", "yard"], ("0.9144", "1")),
    unit(Length, &["miles", "mi", "mile"], ("1609.344", "1")),
    unit(Length, &["nautical miles", "nmi", "nautical mile"], ("1852", "1")),
    unit(Mass, &["kilograms", "kg", "kilogram", "kilo", "kilos"], ("1", "1")),
    unit(Mass, &["grams", "g", "gram"], ("0.001", "1")),
    unit(Mass, &["milligrams", "mg", "milligram"], ("0.000001", "1")),
    unit(Mass, &["micrograms", "ug", "µg", "μg", "mcg", "microgram"], ("0.000000001", "1")),
    unit(Mass, &["tonnes", "t", "tonne", "metric ton", "metric tons"], ("1000", "1")),
    unit(Mass, &["pounds", "lb", "lbs", "pound"], ("0.45359237", "1")),
    unit(Mass, &["ounces", "oz", "ounce"], ("0.028349523125", "1")),
    unit(Mass, &["stones", "st", "stone"], ("6.35029318", "1")),
    unit(Mass, &["US short tons", "short ton", "short tons", "us ton"], ("907.18474", "1")),
    unit(Mass, &["imperial long tons", "long ton", "long tons"], ("1016.0469088", "1")),
    unit(Temperature, &["kelvins", "K", "kelvin"], ("1", "1")),
    Unit { offset: "273.15", ..unit(Temperature, &["degrees Celsius", "°C", "C", "celsius", "degc"], ("1", "1")) },
    Unit { offset: "459.67", ..unit(Temperature, &["degrees Fahrenheit", "°F", "F", "fahrenheit", "degf"], ("5", "9")) },
    unit(Temperature, &["degrees Rankine", "°R", "rankine"], ("5", "9")),
    unit(Volume, &["cubic metres", "m3", "m³", "cubic metre", "cubic meter", "cubic meters"], ("1", "1")),
    unit(Volume, &["litres", "l", "L", "litre", "liter", "liters"], ("0.001", "1")),
    unit(Volume, &["centilitres", "cl", "cL", "centilitre", "centiliter", "centiliters"], ("0.00001", "1")),
    unit(Volume, &["millilitres", "ml", "mL", "millilitre", "milliliter", "milliliters", "cm3", "cm³"], ("0.000001", "1")),
    unit(Volume, &["cubic inches", "in3", "in³", "cubic inch"], ("0.000016387064", "1")),
    unit(Volume, &["cubic feet", "ft3", "ft³", "cubic foot"], ("0.028316846592", "1")),
    unit(Volume, &["US gallons", "gal", "gallon", "gallons", "us gallon", "us gal"], ("0.003785411784", "1")),
    unit(Volume, &["US quarts", "qt", "quart", "quarts"], ("0.000946352946", "1")),
    unit(Volume, &["US pints", "pt", "pint", "pints", "us pint"], ("0.000473176473", "1")),
    unit(Volume, &["US cups", "cup", "cups"], ("0.0002365882365", "1")),
    unit(Volume, &["US fluid ounces", "fl oz", "floz", "fluid ounce", "fluid ounces"], ("0.0000295735295625", "1")),
    unit(Volume, &["US tablespoons", "tbsp", "tablespoon", "tablespoons"], ("0.00001478676478125", "1")),
    unit(Volume, &["US teaspoons", "tsp", "teaspoon", "teaspoons"], ("0.00000492892159375", "1")),
    unit(Volume, &["imperial gallons", "imp gal", "uk gallon", "uk gallons", "imperial gallon"], ("0.00454609", "1")),
    unit(Volume, &["imperial pints", "imp pt", "uk pint", "uk pints", "imperial pint"], ("0.00056826125", "1")),
    unit(Volume, &["imperial fluid ounces", "imp fl oz", "uk fluid ounce", "imperial fluid ounce"], ("0.0000284130625", "1")),
    unit(Speed, &["metres per second", "m/s", "mps", "meters per second"], ("1", "1")),
    unit(Speed, &["kilometres per hour", "km/h", "kmh", "kph", "kilometers per hour"], ("1000", "3600")),
    unit(Speed, &["miles per hour", "mph", "mi/h"], ("1609.344", "3600")),
    unit(Speed, &["knots", "kn", "kt", "knot"], ("1852", "3600")),
    unit(Speed, &["feet per second", "ft/s", "fps"], ("0.3048", "1")),
    unit(Area, &["square metres", "m2", "m²", "sqm", "square metre", "square meter", "square meters"], ("1", "1")),
    unit(Area, &["square kilometres", "km2", "km²", "square kilometre", "square kilometer", "square kilometers"], ("1000000", "1")),
    unit(Area, &["square centimetres", "cm2", "cm²", "square centimetre", "square centimeter", "square centimeters"], ("0.0001", "1")),
    unit(Area, &["square millimetres", "mm2", "mm²", "square millimetre", "square millimeter"], ("0.000001", "1")),
    unit(Area, &["hectares", "ha", "hectare"], ("10000", "1")),
    unit(Area, &["square inches", "in2", "in²", "square inch"], ("0.00064516", "1")),
    unit(Area, &["square feet", "ft2", "ft²", "sqft", "sq ft", "square foot"], ("0.09290304", "1")),
    unit(Area, &["square yards", "yd2", "yd²", "square yard"], ("0.83612736", "1")),
    unit(Area, &["acres", "ac", "acre"], ("4046.8564224", "1")),
    unit(Area, &["square miles", "mi2", "mi²", "square mile"], ("2589988.110336", "1")),
    unit(Data, &["bytes", "B", "byte"], ("1", "1")),
    unit(Data, &["bits", "bit", "b"], ("1", "8")),
    unit(Data, &["kilobits", "kbit", "kb", "Kb", "kilobit"], ("1000", "8")),
    unit(Data, &["megabits", "Mbit", "Mb", "megabit"], ("1000000", "8")),
    unit(Data, &["gigabits", "Gbit", "Gb", "gigabit"], ("1000000000", "8")),
    unit(Data, &["kilobytes (1000 bytes)", "kB", "KB", "kilobyte", "kilobytes"], ("1000", "1")),
    unit(Data, &["megabytes (1000² bytes)", "MB", "megabyte", "megabytes"], ("1000000", "1")),
    unit(Data, &["gigabytes (1000³ bytes)", "GB", "gigabyte", "gigabytes"], ("1000000000", "1")),
    unit(Data, &["terabytes (1000⁴ bytes)", "TB", "terabyte", "terabytes"], ("1000000000000", "1")),
    unit(Data, &["petabytes (1000⁵ bytes)", "PB", "petabyte", "petabytes"], ("1000000000000000", "1")),
    unit(Data, &["kibibytes (1024 bytes)", "KiB", "kibibyte", "kibibytes"], ("1024", "1")),
    unit(Data, &["mebibytes (1024² bytes)", "MiB", "mebibyte", "mebibytes"], ("1048576", "1")),
    unit(Data, &["gibibytes (1024³ bytes)", "GiB", "gibibyte", "gibibytes"], ("1073741824", "1")),
    unit(Data, &["tebibytes (1024⁴ bytes)", "TiB", "tebibyte", "tebibytes"], ("1099511627776", "1")),
    unit(Time, &["seconds", "s", "sec", "second"], ("1", "1")),
    unit(Time, &["milliseconds", "ms", "millisecond"], ("0.001", "1")),
    unit(Time, &["microseconds", "us", "µs", "μs", "microsecond"], ("0.000001", "1")),
    unit(Time, &["nanoseconds", "ns", "nanosecond"], ("0.000000001", "1")),
    unit(Time, &["minutes", "min", "minute"], ("60", "1")),
    unit(Time, &["hours", "h", "hr", "hrs", "hour"], ("3600", "1")),
    unit(Time, &["days", "d", "day"], ("86400", "1")),
    unit(Time, &["weeks", "wk", "week"], ("604800", "1")),
];

/// A unit by one of its names: as written, else whatever the case if that names only one.
///
/// # Errors
/// A sentence, with the units of the dimension where a hint helps.
pub(crate) fn find(name: &str) -> Result<&'static Unit, Failure> {
    let name = name.trim().trim_end_matches('.');
    let exact = UNITS.iter().find(|unit| unit.names.contains(&name));
    if let Some(unit) = exact {
        return Ok(unit);
    }
    let lower = name.to_lowercase();
    if ["year", "years", "month", "months"].contains(&lower.as_str()) {
        return Err(Failure::told(
            "Months and years differ in length; the tool date reckons with them.",
        ));
    }
    let is_named = |unit: &&Unit| unit.names.iter().any(|name| name.to_lowercase() == lower);
    let mut loose = UNITS.iter().filter(is_named);
    match (loose.next(), loose.next()) {
        (Some(unit), None) => Ok(unit),
        (Some(first), Some(second)) => Err(Failure::told(format!(
            "“{}” may mean {} or {}; write it out.",
            shown(name),
            first.shown(),
            second.shown()
        ))),
        (None, _) => Err(Failure::told(format!(
            "The unit “{}” is not known here. Length, mass, temperature, volume, speed, area, data \
             and time are, in metric, US and imperial units.",
            shown(name)
        ))),
    }
}

/// A value from one unit to another, exactly.
///
/// # Errors
/// A sentence: the two do not measure the same thing, or the value is below absolute zero.
pub(crate) fn convert(value: &BigRational, from: &Unit, to: &Unit) -> Result<BigRational, Failure> {
    if from.dimension != to.dimension {
        return Err(Failure::told(format!(
            "{} measure {:?} and {} measure {:?}, so one does not convert to the other.",
            from.shown(),
            from.dimension,
            to.shown(),
            to.dimension
        )));
    }
    let base = (value + decimal(from.offset)?) * from.factor()?;
    if from.dimension == Temperature && base < BigRational::from_integer(0.into()) {
        return Err(Failure::told("That is below absolute zero."));
    }
    Ok(base / to.factor()? - decimal(to.offset)?)
}

impl Unit {
    pub(crate) fn shown(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    fn factor(&self) -> Result<BigRational, Failure> {
        Ok(decimal(self.factor.0)? / decimal(self.factor.1)?)
    }
}

/// A decimal of the table.
fn decimal(text: &str) -> Result<BigRational, Failure> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = BigInt::parse_bytes(format!("{whole}{part}").as_bytes(), 10);
    let places = u32::try_from(part.len()).unwrap_or(0);
    digits
        .map(|digits| BigRational::new(digits, crate::number::ten_to(places)))
        .ok_or_else(|| Failure::told("A factor of the table of units cannot be read."))
}

fn shown(name: &str) -> String {
    name.chars().take(30).collect()
}
