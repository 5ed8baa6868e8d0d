//! Number types with more than one JSON form.

use std::fmt;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// An optional number that may be 0: only `null` and `""` count as absent. Needs `#[serde(default)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted(pub Option<u64>);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Counted;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("u64")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Counted, E> {
                Ok(Counted(None))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Counted, E> {
                if text.is_empty() { self.visit_unit() } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Counted, E> {
                Ok(Counted(Some(number)))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Counted, E> {
                match u64::try_from(number) {
                    Ok(number) => Ok(Counted(Some(number))),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(Number)
    }
}

/// An integer id, as a number or as a string, since many clients keep ids as strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerId(pub i64);

impl<'de> Deserialize<'de> for IntegerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Id;

        impl Visitor<'_> for Id {
            type Value = IntegerId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<IntegerId, E> {
                // Rust would also take a sign.
                if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(E::custom("should be a whole number, or a text of nothing but its digits"));
                }
                text.parse().map(IntegerId).map_err(|_| E::invalid_value(Unexpected::Unsigned(u64::MAX), &self))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<IntegerId, E> {
                let too_large = |_| E::invalid_value(Unexpected::Unsigned(number), &self);
                i64::try_from(number).map(IntegerId).map_err(too_large)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<IntegerId, E> {
                Ok(IntegerId(number))
            }
        }

        deserializer.deserialize_any(Id)
    }
}
