//! Decimal text to decimals, and exact sums of tokens times prices.

use rust_decimal::Decimal;

/// Why a text is not a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Another form than digits, a dot, digits.
    #[error("“{0}” is not a price: write digits with a dot, such as 1.25")]
    Form(String),
    /// More than 28 digits: it could not be kept exactly.
    #[error("“{0}” has more than 28 digits: a price is kept exactly, so it must be shorter")]
    TooLong(String),
}

/// An exact, non-negative decimal from `[0-9]+(\.[0-9]+)?` of at most 28 digits.
///
/// # Errors
/// For any other text: a sign, an exponent, a comma, a space, or more digits than are kept exactly.
pub fn parse_decimal(text: &str) -> Result<Decimal, DecimalError> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(fraction) {
        return Err(DecimalError::Form(text.to_owned()));
    }
    if text.bytes().filter(u8::is_ascii_digit).count() > 28 {
        return Err(DecimalError::TooLong(text.to_owned()));
    }
    Decimal::from_str_exact(text).map_err(|_| DecimalError::TooLong(text.to_owned()))
}

/// The most decimal places that a `Decimal` keeps.
const MAX_SCALE: u32 = 28;

/// An exact sum; it refuses what `Decimal` would round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ExactSum {
    mantissa: i128,
    scale: u32,
}

impl ExactSum {
    /// Adds `count × price ÷ 10^per_scale`; `None` where the exact sum does not fit.
    pub(crate) fn add(self, count: u64, price: Decimal, per_scale: u32) -> Option<Self> {
        let part = Self {
            mantissa: price.mantissa().checked_mul(i128::from(count))?,
            scale: price.scale().checked_add(per_scale)?,
        };
        let (left, right) = (self.trimmed(), part.trimmed());
        let scale = left.scale.max(right.scale);
        Some(Self {
            mantissa: left.at(scale)?.checked_add(right.at(scale)?)?,
            scale,
        })
    }

    /// The sum as a decimal; `None` where it has more digits than a decimal keeps.
    pub(crate) fn value(self) -> Option<Decimal> {
        let sum = self.trimmed();
        if sum.scale > MAX_SCALE {
            return None;
        }
        Decimal::try_from_i128_with_scale(sum.mantissa, sum.scale).ok()
    }

    fn at(self, scale: u32) -> Option<i128> {
        let factor = 10_i128.checked_pow(scale.checked_sub(self.scale)?)?;
        self.mantissa.checked_mul(factor)
    }

    fn trimmed(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_decimal_text_is_a_price() {
        for good in ["0", "1.25", "0.000000000000000000000000001", "007.50"] {
            assert!(parse_decimal(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-1", "+1", "1e3", ".5", "1.", "1,5", "1_000", " 1", "NaN", "١",
        ] {
            assert_eq!(
                parse_decimal(bad),
                Err(DecimalError::Form(bad.to_owned())),
                "{bad}"
            );
        }
        let long = "1".repeat(29);
        assert_eq!(parse_decimal(&long), Err(DecimalError::TooLong(long)));
    }

    #[test]
    fn a_sum_that_would_be_rounded_is_refused() {
        let tiny = parse_decimal("0.000000000000000000000000001").unwrap();
        assert_eq!(ExactSum::default().add(1, tiny, 6).unwrap().value(), None);
        let sum = ExactSum::default().add(1_000_000, tiny, 6).unwrap();
        assert_eq!(sum.value(), Some(tiny));
        assert!(ExactSum::default().add(u64::MAX, Decimal::MAX, 0).is_none());
    }
}
