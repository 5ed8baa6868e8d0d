//! Deserializes query strings; errors name the field, and each field may occur once.

use std::borrow::Cow;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Unexpected, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::dialect::json::{Fault, FieldValue, Fields};

pub(super) fn read<T: DeserializeOwned>(query: &str) -> Result<T, Fault> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    T::deserialize(Fields::new(pairs.map(|(name, text)| (name, Text(text)))))
}

/// The text of a value, parsed as the type that the field has.
struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    fn wrong<T>(&self, wanted: &'static str) -> Result<T, Fault> {
        Err(de::Error::invalid_type(Unexpected::Str(&self.0), &wanted))
    }
}

impl<'de> FieldValue<'de> for Text<'de> {
    fn read<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.parse() {
            Ok(value) => visitor.visit_bool(value),
            Err(_) => self.wrong("true or false"),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match (self.0.parse::<i64>(), self.0.parse::<u64>()) {
            (Ok(number), _) => visitor.visit_i64(number),
            (Err(_), Ok(number)) => visitor.visit_u64(number),
            _ if is_number(&self.0) => Err(de::Error::invalid_value(
                // Beyond the range of any integer type.
                if self.0.starts_with('-') { Unexpected::Signed(i64::MIN) } else { Unexpected::Unsigned(u64::MAX) },
                &"a whole number",
            )),
            _ => self.wrong("a whole number"),
        }
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(StrDeserializer::new(&self.0))
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Asked {
        name: String,
        limit: Option<u32>,
        all: Option<bool>,
    }

    #[test]
    fn query_values_are_parsed_as_their_field_types() {
        let asked = Asked { name: "a b".into(), limit: Some(7), all: Some(true) };
        assert_eq!(read("name=a+b&limit=7&all=true&more=x"), Ok(asked));
    }

    #[test]
    fn invalid_query_is_refused_with_the_field_name() {
        let why = |query: &str| read::<Asked>(query).unwrap_err().to_string();
        assert_eq!(why("limit=7"), "name: is missing");
        assert_eq!(why("name=a&limit=x"), "limit: should be a whole number, not a text");
        assert_eq!(why("name=a&limit=-1"), "limit: should be a whole number that is not negative");
        assert_eq!(why("name=a&limit=99999999999"), "limit: should be a whole number that is not so large");
        assert_eq!(why("name=a&limit=99999999999999999999"), "limit: should be a whole number that is not so large");
        assert_eq!(why("name=a&limit=-99999999999999999999"), "limit: should be a whole number that is not negative");
        assert_eq!(why("name=a&limit=-"), "limit: should be a whole number, not a text");
        assert_eq!(why("name=a&limit=1e3"), "limit: should be a whole number, not a text");
        assert_eq!(why("name=a&all=yes"), "all: should be true or false, not a text");
        assert_eq!(why("name=a&name=b"), "name: is given twice");
    }
}
