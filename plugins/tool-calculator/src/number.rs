//! Numbers: exact fractions, and for what no fraction is (√2) a fraction with a bound on its error.

use num_bigint::{BigInt, Sign};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};
use vale_sdk::tool::Failure;

/// Longest numerator and denominator, in digits: beyond it one operation costs milliseconds.
pub(crate) const MAX_DIGITS: u64 = 2_000;
const MAX_BITS: u64 = MAX_DIGITS * 3322 / 1000;
/// To how many significant digits a root is worked out.
pub(crate) const ROOT_DIGITS: i64 = 60;
/// An exact decimal of at most this many places is shown in full; a longer one is rounded.
const MAX_PLACES: u64 = 100;

/// A number with what is known about its error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Number {
    value: BigRational,
    /// The true value is nearer than ten to this power; none = `value` is exact.
    error: Option<i64>,
}

type Result<T> = std::result::Result<T, Failure>;

impl Number {
    pub(crate) fn exact(value: BigRational) -> Result<Self> {
        Self::new(value, None)
    }

    pub(crate) fn integer(value: i64) -> Self {
        Self {
            value: BigRational::from_integer(value.into()),
            error: None,
        }
    }

    /// A value of which only these places are known.
    pub(crate) fn rounded(value: BigRational, error: i64) -> Result<Self> {
        Self::new(value, Some(error))
    }

    fn new(value: BigRational, error: Option<i64>) -> Result<Self> {
        if value.numer().bits().max(value.denom().bits()) > MAX_BITS {
            return Err(too_big());
        }
        Ok(Self { value, error })
    }

    pub(crate) fn negated(self) -> Self {
        Self {
            value: -self.value,
            error: self.error,
        }
    }

    pub(crate) fn abs(self) -> Self {
        Self {
            value: self.value.abs(),
            error: self.error,
        }
    }

    pub(crate) fn plus(&self, other: &Self) -> Result<Self> {
        let error = self.error.max(other.error);
        // Two errors of this size are less than one ten times as large.
        let both = self.error.is_some() && other.error.is_some();
        let error = error.map(|error| error + i64::from(both));
        Self::new(&self.value + &other.value, error)
    }

    pub(crate) fn minus(&self, other: &Self) -> Result<Self> {
        self.plus(&other.clone().negated())
    }

    pub(crate) fn times(&self, other: &Self) -> Result<Self> {
        if other.is_exactly_zero() || self.is_exactly_zero() {
            return Ok(Self::integer(0));
        }
        let from_self = self.error.map(|error| error + magnitude(&other.value));
        let from_other = other.error.map(|error| error + magnitude(&self.value));
        let product = self.error.zip(other.error).map(|(a, b)| a + b);
        let error = from_self.max(from_other).max(product);
        // Three errors of this size are less than one ten times as large.
        let several = self.error.is_some() && other.error.is_some();
        Self::new(
            &self.value * &other.value,
            error.map(|error| error + i64::from(several)),
        )
    }

    pub(crate) fn over(&self, other: &Self) -> Result<Self> {
        if other.value.is_zero() || other.is_within_error_of_zero() {
            return Err(Failure::told(if other.error.is_none() {
                "Division by zero has no result."
            } else {
                "The divisor was rounded and may be zero, so the division has no result."
            }));
        }
        let inverse = other.value.recip();
        // |1/b - 1/b'| = |b - b'| / (b b'), and b' is at least half of b or the check above failed.
        let error = other.error.map(|error| error + 2 * magnitude(&inverse) + 1);
        self.times(&Self::new(inverse, error)?)
    }

    /// The number to a whole or half power.
    pub(crate) fn power(&self, exponent: &Self) -> Result<Self> {
        let refused = || Failure::told("An exponent must be a whole number or a half of one.");
        if exponent.error.is_some() {
            return Err(refused());
        }
        let doubled = &exponent.value * BigInt::from(2);
        if exponent.value.is_integer() {
            let exponent = exponent.value.to_integer();
            return self.whole_power(&exponent);
        }
        if !doubled.is_integer() {
            return Err(refused());
        }
        self.whole_power(&doubled.to_integer())?.root()
    }

    fn whole_power(&self, exponent: &BigInt) -> Result<Self> {
        if exponent.is_zero() {
            return Ok(Self::integer(1));
        }
        if exponent.is_negative() {
            let inverse = Self::integer(1).over(self)?;
            return inverse.whole_power(&-exponent);
        }
        if self.error.is_none() && (self.value.is_zero() || self.value.is_one()) {
            return Ok(self.clone());
        }
        if self.error.is_none() && (-&self.value).is_one() {
            return Ok(Self::integer(if exponent.is_even() { 1 } else { -1 }));
        }
        let bits = self.value.numer().bits().max(self.value.denom().bits());
        let exponent = u32::try_from(exponent).map_err(|_| too_big())?;
        // A number of n bits is at least 2^(n-1), so this refuses nothing that would fit.
        if bits.saturating_sub(1).saturating_mul(exponent.into()) > MAX_BITS {
            return Err(too_big());
        }
        let value = BigRational::new_raw(
            self.value.numer().pow(exponent),
            self.value.denom().pow(exponent),
        );
        let error = match self.error {
            None => None,
            // |aⁿ - bⁿ| ≤ n |a - b| (|a| + |a - b|)ⁿ⁻¹.
            Some(error) => {
                let error = power_of_ten(error)?;
                let base = self.value.abs() + &error;
                let (above, below) = (
                    base.numer().pow(exponent - 1),
                    base.denom().pow(exponent - 1),
                );
                let bound = BigRational::new_raw(above, below) * error * BigInt::from(exponent);
                Some(magnitude(&bound))
            }
        };
        Self::new(value, error)
    }

    pub(crate) fn root(&self) -> Result<Self> {
        if self.is_within_error_of_zero() && !self.is_exactly_zero() {
            return Err(Failure::told(
                "The number under the root was rounded and may be below zero.",
            ));
        }
        if self.value.is_negative() {
            return Err(Failure::told(
                "The root of a number below zero is no real number.",
            ));
        }
        let (above, below) = (self.value.numer().sqrt(), self.value.denom().sqrt());
        let root = BigRational::new(above, below);
        if self.error.is_none() && &root * &root == self.value {
            return Self::exact(root);
        }
        // Enough places that the root has ROOT_DIGITS digits, whatever its size, and that it is known
        // ten times better than the number under it.
        let size = magnitude(&self.value).div_euclid(2);
        let wanted = self.error.map_or(0, |error| 1 - error);
        let places = (ROOT_DIGITS - size).max(wanted).max(0);
        let scale = ten_to(u32::try_from(places).map_err(|_| too_big())?);
        let scaled = (&self.value * (&scale * &scale)).to_integer().sqrt();
        let root = BigRational::new(scaled, scale);
        // |√a - √b| = |a - b| / (√a + √b), and b is more than half of a or the check above failed:
        // for a from 1 up the error shrinks to six tenths, and the root's own tenth fits beside it.
        // Below 1, a is at least ten to the power of its magnitude less two.
        let error = self.error.map_or(-places, |error| {
            if self.value >= BigRational::one() {
                error
            } else {
                error - (magnitude(&self.value) - 2).div_euclid(2)
            }
        });
        Self::rounded(root, error)
    }

    /// A rounding to whole numbers (`floor`, `ceil` and their like) after shifting the point.
    pub(crate) fn rounded_by(
        &self,
        places: i32,
        round: impl Fn(&BigRational) -> BigRational,
    ) -> Result<Self> {
        let shift = BigRational::from_integer(ten_to(places.unsigned_abs()));
        let (up, down) = if places < 0 {
            (shift.recip(), shift)
        } else {
            let down = shift.recip();
            (shift, down)
        };
        let rounded = |value: &BigRational| round(&(value * &up)) * &down;
        let result = rounded(&self.value);
        if let Some(error) = self.error {
            let error = power_of_ten(error)?;
            if rounded(&(&self.value - &error)) != rounded(&(&self.value + &error)) {
                return Err(Failure::told(
                    "The number was rounded before and lies so near the limit that it cannot be said to which side it belongs.",
                ));
            }
        }
        Self::exact(result)
    }

    /// The remainder of a division, with the divisor's sign (`-7 mod 3` is 2).
    pub(crate) fn modulo(&self, other: &Self) -> Result<Self> {
        let quotient = self.over(other)?.rounded_by(0, BigRational::floor)?;
        self.minus(&other.times(&quotient)?)
    }

    pub(crate) fn is_less_than(&self, other: &Self) -> bool {
        self.value < other.value
    }

    /// A whole number of this range, for functions that count places.
    pub(crate) fn small(&self, range: std::ops::RangeInclusive<i32>) -> Option<i32> {
        if self.error.is_some() || !self.value.is_integer() {
            return None;
        }
        let number = i32::try_from(self.value.to_integer()).ok()?;
        range.contains(&number).then_some(number)
    }

    /// The value, if it is exact.
    pub(crate) fn fraction(&self) -> Result<&BigRational> {
        match self.error {
            None => Ok(&self.value),
            Some(_) => Err(Failure::told(
                "Only exact values are converted; round(…, places) makes this one exact.",
            )),
        }
    }

    fn is_exactly_zero(&self) -> bool {
        self.error.is_none() && self.value.is_zero()
    }

    /// Whether the error is more than half of the number.
    fn is_within_error_of_zero(&self) -> bool {
        self.error.is_some_and(|error| {
            power_of_ten(error).is_ok_and(|error| self.value.abs() <= error * BigInt::from(2))
        })
    }

    /// The number for people: in full where that is short, else rounded to `digits` significant
    /// digits, and whether it is rounded is said.
    pub(crate) fn told(&self, digits: u32) -> String {
        if let Some(error) = self.error {
            return self.told_rounded(digits, error);
        }
        if let Some(places) = decimal_places(self.value.denom()) {
            return plain(&self.value, places);
        }
        let text = plain(&self.value, places_for(&self.value, digits));
        let fraction = self.value.to_string();
        let exactly = if fraction.len() <= 80 {
            format!("; exactly {fraction}")
        } else {
            String::new()
        };
        format!("{text} (rounded to {digits} significant digits{exactly})")
    }

    /// Only places that are known are shown.
    fn told_rounded(&self, digits: u32, error: i64) -> String {
        let known = u32::try_from((-error - 1).max(0)).unwrap_or(0);
        let places = places_for(&self.value, digits).min(known);
        if error >= 0 {
            // One digit more than the error has: it may be off by one there.
            let unit = ten_to(u32::try_from(error + 1).unwrap_or(0));
            let unit = BigRational::from_integer(unit);
            let value = half_away(&(&self.value / &unit)) * unit;
            return format!(
                "{} (a root in it was worked out to {ROOT_DIGITS} digits, so the last {} digits before the point are not certain)",
                plain(&value, 0),
                error + 1
            );
        }
        let text = plain(&self.value, places);
        if places == 0 {
            return format!("{text} (rounded to a whole number)");
        }
        format!("{text} (rounded to {places} decimal places)")
    }
}

/// A decimal as it is written in the contract: `-?digits(.digits)?`.
pub(crate) fn plain(value: &BigRational, places: u32) -> String {
    let scale = ten_to(places);
    let scaled = half_away(&(value * &scale)).to_integer();
    let is_negative = scaled.sign() == Sign::Minus;
    let mut text = scaled.magnitude().to_string();
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    if places > 0 {
        if text.len() <= places {
            text.insert_str(0, &"0".repeat(places + 1 - text.len()));
        }
        let at = text.len() - places;
        text.insert(at, '.');
        let kept = text.trim_end_matches('0').trim_end_matches('.').len();
        text.truncate(kept);
    }
    if is_negative {
        text.insert(0, '-');
    }
    text
}

/// To the nearest whole number, halves away from zero.
pub(crate) fn half_away(value: &BigRational) -> BigRational {
    let half = BigRational::new(BigInt::one(), 2.into());
    if value.is_negative() {
        -((-value + half).floor())
    } else {
        (value + half).floor()
    }
}

pub(crate) fn ten_to(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// Ten to any power that a number here can have.
pub(crate) fn power_of_ten(exponent: i64) -> Result<BigRational> {
    if exponent.unsigned_abs() > MAX_DIGITS {
        return Err(too_big());
    }
    let exponent = i32::try_from(exponent).map_err(|_| too_big())?;
    let power = BigRational::from_integer(ten_to(exponent.unsigned_abs()));
    Ok(if exponent < 0 { power.recip() } else { power })
}

/// A number above log₁₀ of the value: the value is less than ten to this power.
fn magnitude(value: &BigRational) -> i64 {
    let bits = |number: &BigInt| i64::try_from(number.bits()).unwrap_or(i64::MAX);
    // log₁₀2 is 0.30103; rounded up.
    let bits = bits(value.numer()) - bits(value.denom()) + 1;
    (bits * 30103).div_euclid(100_000) + 1
}

/// How many places show this many significant digits.
fn places_for(value: &BigRational, digits: u32) -> u32 {
    let mut first = magnitude(value);
    // The bound may be up to two above the number's own first digit.
    while power_of_ten(first - 1).is_ok_and(|power| value.abs() < power) && !value.is_zero() {
        first -= 1;
    }
    u32::try_from(i64::from(digits) - first).unwrap_or(0)
}

/// How many places a decimal with this denominator has; none if it never ends or is long.
fn decimal_places(denominator: &BigInt) -> Option<u32> {
    let twos = denominator.trailing_zeros().unwrap_or(0);
    let mut rest = denominator >> twos;
    let mut fives = 0;
    while !rest.is_one() {
        let (quotient, remainder) = rest.div_rem(&5.into());
        if !remainder.is_zero() || fives >= MAX_PLACES {
            return None;
        }
        rest = quotient;
        fives += 1;
    }
    let places = twos.max(fives);
    (places <= MAX_PLACES)
        .then(|| u32::try_from(places).ok())
        .flatten()
}

pub(crate) fn too_big() -> Failure {
    Failure::told(format!(
        "A number on the way has more than {MAX_DIGITS} digits; the calculator stops there. Smaller numbers or exponents work."
    ))
}
