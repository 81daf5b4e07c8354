//! Whether a guest's text is JSON, without building the value: a hundred bytes of brackets would
//! cost the host kilobytes.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value that was read and thrown away. Unlike `IgnoredAny` it is read with the reader's
/// limit of 128 levels, so that what passes here passes every later reader.
struct Read;

/// The top-level form that a text must have.
struct ReadObject;

struct Skip {
    object_only: bool,
}

impl<'de> Visitor<'de> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.object_only {
            "a JSON object"
        } else {
            "a JSON value"
        })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self.object_only {
            return Err(A::Error::custom("not an object"));
        }
        while items.next_element::<Read>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_entry::<Read, Read>()?.is_some() {}
        Ok(())
    }
}

impl Skip {
    fn scalar<E: Error>(self) -> Result<(), E> {
        if self.object_only {
            return Err(E::custom("not an object"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let skip = Skip { object_only: false };
        deserializer.deserialize_any(skip).map(|()| Self)
    }
}

impl<'de> Deserialize<'de> for ReadObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let skip = Skip { object_only: true };
        deserializer.deserialize_any(skip).map(|()| Self)
    }
}

/// Whether it is one JSON value, at most 128 levels deep.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<Read>(text).is_ok()
}

/// Whether it is one JSON object, at most 128 levels deep.
pub(crate) fn is_object(text: &str) -> bool {
    serde_json::from_str::<ReadObject>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_what_is_not() {
        for good in ["null", "1e3", "\"\\u00e9\"", "[]", " {\"a\": [1, {}]} "] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            " ",
            "{",
            "[1,]",
            "{'a':1}",
            "nul",
            "1 2",
            "NaN",
            "\"\\ud800\"",
            "01",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
        for object in ["{}", "{\"type\":\"object\"}"] {
            assert!(is_object(object), "{object}");
        }
        for other in [
            "[]",
            "[[\"type\",\"object\"]]",
            "null",
            "true",
            "\"{}\"",
            "1",
            "{}{}",
        ] {
            assert!(!is_object(other), "{other}");
        }
    }

    #[test]
    fn a_tower_of_brackets_is_refused_and_not_climbed() {
        let deep = 5_000_000;
        let tower = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
        assert!(!is_json(&tower));
        let tower = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        assert!(!is_object(&tower));
        let house = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert!(is_object(&house));
    }
}
