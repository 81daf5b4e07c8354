//! Reading JSON of the wrong shape: a field takes any value, and keeps what it can use of it.
//!
//! Exports change from month to month. A number that became a string, or a list that became null,
//! must cost that field at most.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::time;

/// What can be made of any JSON value.
pub(super) trait Any: Sized + Default {
    fn text(_: String) -> Self {
        Self::default()
    }
    fn number(_: f64) -> Self {
        Self::default()
    }
    fn flag(_: bool) -> Self {
        Self::default()
    }
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct AnyVisitor<T>(PhantomData<T>);

impl<'de, T: Any> Visitor<'de> for AnyVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        Ok(T::flag(value))
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a time or a weight: 53 bits are plenty"
    )]
    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        Ok(T::number(value as f64))
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a time or a weight: 53 bits are plenty"
    )]
    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok(T::number(value as f64))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        Ok(T::number(value))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        Ok(T::text(value.to_owned()))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<T, E> {
        Ok(T::text(value))
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::object(object)
    }
}

/// For `#[serde(deserialize_with = "any")]`.
pub(super) fn any<'de, T: Any, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(AnyVisitor(PhantomData))
}

/// A value that is read by [`any`] wherever serde asks.
#[derive(Default)]
pub(super) struct Lenient<T>(pub T);

impl<'de, T: Any> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        any(deserializer).map(Lenient)
    }
}

/// Text, or a number as text.
impl Any for Option<String> {
    fn text(text: String) -> Self {
        Some(text)
    }
    fn number(number: f64) -> Self {
        Some(number.to_string())
    }
}

/// A number, or text that is one.
impl Any for Option<f64> {
    fn number(number: f64) -> Self {
        Some(number)
    }
    fn text(text: String) -> Self {
        text.trim().parse().ok()
    }
}

/// A flag in any spelling.
impl Any for bool {
    fn flag(flag: bool) -> Self {
        flag
    }
    fn number(number: f64) -> Self {
        number != 0.0
    }
    fn text(text: String) -> Self {
        text.eq_ignore_ascii_case("true") || text == "1"
    }
}

/// A time in Unix milliseconds, from seconds, milliseconds or ISO 8601.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Time(pub Option<u64>);

impl Any for Time {
    fn number(number: f64) -> Self {
        Self(time::from_number(number))
    }
    fn text(text: String) -> Self {
        Self(time::from_text(&text))
    }
}

/// A list, or the values of an object.
impl<T: Any> Any for Vec<T> {
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut values = Self::new();
        while let Some(Lenient(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut values = Self::new();
        while let Some((_, Lenient(value))) = object.next_entry::<IgnoredAny, _>()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// The entries of an object in their order. `None`: it was no object.
#[derive(Debug)]
pub(super) struct Entries<T>(pub Option<Vec<(String, T)>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Any> Any for Entries<T> {
    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, Lenient(value))) = object.next_entry()? {
            entries.push((key, value));
        }
        Ok(Self(Some(entries)))
    }
}

/// A list that tells whether it was there.
#[derive(Debug)]
pub(super) struct Listed<T>(pub Option<Vec<T>>);

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Any> Any for Listed<T> {
    fn list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        Vec::list(list).map(|values| Self(Some(values)))
    }
}

/// Text of any value: a string as it is, everything else as compact JSON.
#[derive(Debug, Default)]
pub(super) struct Compact(pub Option<String>);

impl Any for Compact {
    fn text(text: String) -> Self {
        Self(Some(text))
    }
    fn number(number: f64) -> Self {
        Self(Some(number.to_string()))
    }
    fn flag(flag: bool) -> Self {
        Self(Some(flag.to_string()))
    }
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut text = String::from("[");
        while let Some(raw) = list.next_element::<Box<serde_json::value::RawValue>>()? {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(raw.get());
        }
        text.push(']');
        Ok(Self(Some(text)))
    }
    fn object<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut text = String::from("{");
        while let Some((key, raw)) =
            object.next_entry::<String, Box<serde_json::value::RawValue>>()?
        {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::String(key).to_string());
            text.push(':');
            text.push_str(raw.get());
        }
        text.push('}');
        Ok(Self(Some(text)))
    }
}

/// Makes structs readable by [`any`]: an object by its fields, everything else as nothing.
macro_rules! objects {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::import::any::Any for $name {
            fn object<'de, A: serde::de::MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
                serde::Deserialize::deserialize(
                    serde::de::value::MapAccessDeserializer::new(object),
                )
            }
        }
        impl $crate::import::any::Any for Option<$name> {
            fn object<'de, A: serde::de::MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
                <$name as $crate::import::any::Any>::object(object).map(Some)
            }
        }
    )+};
}
pub(super) use objects;
