//! One secret value.

use zeroize::Zeroizing;

use crate::SecretError;

/// An API key or token. It is overwritten with zeros when dropped, and has no way to be printed,
/// logged, compared or serialized by accident: [`Secret::expose`] is the one door, and easy to
/// search for. What works, and then what does not compile:
///
/// ```
/// # let secret = vale_secrets::Secret::new("sk-1".to_owned()).unwrap();
/// fn is_serialize(_: impl serde::Serialize) {}
/// is_serialize(secret.expose());
/// println!("{} {}", secret.expose(), secret.duplicate().len());
/// ```
/// ```compile_fail,E0277
/// # let secret = vale_secrets::Secret::new("sk-1".to_owned()).unwrap();
/// println!("{secret:?}");
/// ```
/// ```compile_fail,E0277
/// # let secret = vale_secrets::Secret::new("sk-1".to_owned()).unwrap();
/// println!("{secret}");
/// ```
/// ```compile_fail,E0277
/// # let secret = vale_secrets::Secret::new("sk-1".to_owned()).unwrap();
/// fn is_serialize(_: impl serde::Serialize) {}
/// is_serialize(secret);
/// ```
/// ```compile_fail,E0599
/// # let secret = vale_secrets::Secret::new("sk-1".to_owned()).unwrap();
/// secret.clone();
/// ```
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The longest value accepted, in bytes. Long enough for any signed token in use (JWTs reach a
    /// few KiB), short enough that a request with it stays below the 16 KiB at which common HTTP
    /// servers refuse headers (hyper's and Node's limit).
    pub const MAX_LEN: usize = 8 * 1024;

    /// Takes over `value`; it is zeroed too when it is refused.
    ///
    /// A secret ends up in an HTTP header, so only visible ASCII (0x21 to 0x7E) is accepted: a line
    /// break would let one value write further headers, other control characters make the client
    /// refuse the request with an error that could quote the value, and a space or a typographic
    /// quotation mark can only come from a slip in copying.
    ///
    /// # Errors
    /// [`SecretError::Empty`], [`SecretError::Unusable`], [`SecretError::TooLong`].
    pub fn new(value: String) -> Result<Self, SecretError> {
        let value = Zeroizing::new(value);
        if value.is_empty() {
            return Err(SecretError::Empty);
        }
        if value.len() > Self::MAX_LEN {
            return Err(SecretError::TooLong {
                len: value.len(),
                max: Self::MAX_LEN,
            });
        }
        if let Some((index, bad)) = value
            .chars()
            .enumerate()
            .find(|(_, c)| !c.is_ascii_graphic())
        {
            return Err(SecretError::Unusable {
                what: kind_of(bad),
                position: index + 1,
            });
        }
        Ok(Self(value))
    }

    /// The value itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The length, in bytes; at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a Secret is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A second copy, by an explicit word instead of `Clone`, so that copies stay countable.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

fn kind_of(bad: char) -> &'static str {
    match bad {
        '\n' | '\r' => "a line break",
        ' ' | '\t' => "a space or tab",
        c if c.is_control() => "a control character",
        c if c.is_whitespace() => "an unusual space",
        _ => "a letter or sign outside plain ASCII",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_key_is_kept_as_it_is() {
        let secret = Secret::new("sk-proj_A1.~!\"'".to_owned()).unwrap();
        assert_eq!(secret.expose(), "sk-proj_A1.~!\"'");
        assert_eq!(secret.len(), 15);
        assert_eq!(secret.duplicate().expose(), secret.expose());
    }

    #[test]
    fn what_no_header_can_carry_is_refused_and_not_quoted() {
        for (value, what) in [
            ("sk-1\r\nx-admin: 1", "line break"),
            ("sk-1\n", "line break"),
            (" sk-1", "space or tab"),
            ("sk\t1", "space or tab"),
            ("sk\u{0}1", "control character"),
            ("sk\u{7f}1", "control character"),
            ("sk\u{85}1", "control character"),
            ("sk\u{a0}1", "unusual space"),
            ("sk–1", "outside plain ASCII"),
            ("sk\u{200b}1", "outside plain ASCII"),
        ] {
            let error = Secret::new(value.to_owned()).err().unwrap();
            let sentence = error.to_string();
            assert!(sentence.contains(what), "{value:?} gave {sentence}");
            assert!(!sentence.contains("sk"), "{sentence}");
            assert!(!format!("{error:?}").contains("sk"), "{error:?}");
        }
    }

    #[test]
    fn empty_and_overlong_values_are_refused() {
        assert!(matches!(
            Secret::new(String::new()),
            Err(SecretError::Empty)
        ));
        assert!(Secret::new("k".repeat(Secret::MAX_LEN)).is_ok());
        assert!(matches!(
            Secret::new("k".repeat(Secret::MAX_LEN + 1)),
            Err(SecretError::TooLong {
                len: 8193,
                max: 8192
            })
        ));
    }
}
