//! Exact decimal numbers as text. Money and prices never pass through a float.

/// The most digits of the contract's `decimal`, and of the host's `rust_decimal`.
const MAX_DIGITS: usize = 28;

/// `number` times ten to the `power`, exactly, as the contract's `decimal`: `-?[0-9]+(\.[0-9]+)?`.
///
/// `number` is a decimal or JSON number, with an exponent if it likes. Digits behind the 28th are
/// cut off. None if it is no number or has more than 28 digits before the point.
pub fn scaled(number: &str, power: i64) -> Option<String> {
    let number = number.trim();
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let shift = exponent.checked_add(power)?;
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some("0".into());
    }
    // Where the point goes, counted from the first significant digit; may be negative.
    let leading = digits.len() - significant.len();
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    let point = point.checked_add(shift)?;
    let max = i64::try_from(MAX_DIGITS).ok()?;
    if point > max {
        return None;
    }
    let (integer, mut fraction) = if point <= 0 {
        let zeros = usize::try_from(point.checked_neg()?.min(max)).ok()?;
        ("0".to_string(), "0".repeat(zeros) + significant)
    } else {
        let point = usize::try_from(point).ok()?;
        match significant.split_at_checked(point) {
            Some((integer, fraction)) => (integer.to_string(), fraction.to_string()),
            None => (
                significant.to_string() + &"0".repeat(point - significant.len()),
                String::new(),
            ),
        }
    };
    fraction.truncate(MAX_DIGITS.saturating_sub(integer.len()));
    let fraction = fraction.trim_end_matches('0');
    let text = if fraction.is_empty() {
        integer
    } else {
        format!("{integer}.{fraction}")
    };
    Some(if negative && text != "0" {
        format!("-{text}")
    } else {
        text
    })
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn prices_per_token_become_prices_per_million_exactly() {
        let cases = [
            ("0.000003", 6, Some("3")),
            ("0.0000000375", 6, Some("0.0375")),
            ("0.00000015", 6, Some("0.15")),
            ("1.5e-05", 6, Some("15")),
            ("1", 6, Some("1000000")),
            ("0", 6, Some("0")),
            ("0.000", 6, Some("0")),
            ("-1", 6, Some("-1000000")),
            ("0.00015000000000000001", 0, Some("0.00015000000000000001")),
            ("1E-7", 0, Some("0.0000001")),
            ("12.50", 0, Some("12.5")),
            (".5", 0, Some("0.5")),
            ("1e400", 0, None),
            ("1e-400", 0, Some("0")),
            ("1e9223372036854775807", 6, None),
            ("1e-9223372036854775808", 0, Some("0")),
            ("", 0, None),
            (".", 0, None),
            ("abc", 0, None),
            ("1.2.3", 0, None),
            ("NaN", 0, None),
            ("12345678901234567890123456789", 0, None),
            (
                "1234567890123456789012345678.9",
                0,
                Some("1234567890123456789012345678"),
            ),
        ];
        for (number, power, expected) in cases {
            assert_eq!(
                scaled(number, power).as_deref(),
                expected,
                "{number} {power}"
            );
        }
    }
}
