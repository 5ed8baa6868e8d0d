//! A deserializer over raw JSON text, which parses only the fields that the type has and skips the others.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::value::RawValue;

use super::Fault;
use super::fields::{FieldValue, Fields};

/// The maximum nesting depth of a deserialized value.
const MAX_DEPTH: u8 = 64;

/// The raw text of a value.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    text: &'a str,
    /// Whether `""` and `0` count as absent.
    lenient: bool,
    depth: u8,
}

impl<'a> Raw<'a> {
    pub(super) fn new(text: &'a str, lenient: bool) -> Self {
        Self { text, lenient, depth: 0 }
    }

    /// The raw text of an object's field; `None` if it is missing, null or empty.
    pub(super) fn field(self, wanted: &str) -> Result<Option<&'a str>, Fault> {
        let Pairs(pairs) = serde_json::from_str(self.text).map_err(|_| unreadable())?;
        let found = pairs.into_iter().rfind(|(name, _)| name == wanted);
        let found = found.map(|(_, value)| Self { text: value.get(), ..self });
        Ok(found.filter(|value| !value.is_nothing() && !value.is_empty('[', ']')).map(|value| value.text))
    }

    /// Whether an object has a field of this name.
    pub(super) fn names(self, wanted: &str) -> Result<bool, Fault> {
        let Pairs(pairs) = serde_json::from_str(self.text).map_err(|_| unreadable())?;
        Ok(pairs.iter().any(|(name, _)| name == wanted))
    }

    pub(super) fn is_nothing(self) -> bool {
        match self.text.as_bytes().first() {
            Some(b'n') => true,
            Some(b'"') => self.lenient && self.text.len() == 2,
            Some(b'-' | b'0'..=b'9') => self.lenient && self.text.parse() == Ok(0.0_f64),
            _ => false,
        }
    }

    fn inside(self, raw: &'a RawValue) -> Result<Self, Fault> {
        match self.depth {
            MAX_DEPTH => Err(Fault::new("is nested too deeply")),
            depth => Ok(Self { text: raw.get(), lenient: self.lenient, depth: depth + 1 }),
        }
    }

    fn string(self) -> Result<Cow<'a, str>, Fault> {
        if !self.text.contains('\\') {
            return Ok(Cow::Borrowed(&self.text[1..self.text.len() - 1]));
        }
        // An unpaired surrogate.
        let no_character = |_| Fault::new("holds an escape that stands for no character");
        serde_json::from_str(self.text).map(Cow::Owned).map_err(no_character)
    }

    fn visit_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn visit_number<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let too_large = || Fault::new("is a number that is too large");
        if let Ok(number) = self.text.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        if let Ok(number) = self.text.parse::<i64>() {
            return visitor.visit_i64(number);
        }
        let number: f64 = self.text.parse().map_err(|_| too_large())?;
        // Some languages have only floats and write 7 as 7.0.
        #[expect(clippy::cast_possible_truncation, reason = "it has no fraction and is in range")]
        match number {
            whole if whole.fract() == 0.0 && whole.abs() < MAX_EXACT_INTEGER => visitor.visit_i64(whole as i64),
            other if other.is_finite() => visitor.visit_f64(other),
            _ => Err(too_large()),
        }
    }

    fn visit_list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.text).map_err(|_| unreadable())?;
        visitor.visit_seq(Items { of: self, items: items.into_iter(), index: 0 })
    }

    fn visit_object<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Pairs(pairs) = serde_json::from_str(self.text).map_err(|_| unreadable())?;
        visitor
            .visit_map(Fields::new(pairs.into_iter().map(|(name, raw)| (name, Field { of: self, raw, within: None }))))
    }

    pub(super) fn is_empty(self, open: char, close: char) -> bool {
        let inner = self.text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        self.lenient && inner.is_some_and(|inner| inner.trim().is_empty())
    }
}

/// Integers below this value are exact as a double.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// The syntax was checked before, so the only remaining error is half of a surrogate pair in a field name.
fn unreadable() -> Fault {
    Fault::new("has a field whose name holds an escape that stands for no character")
}

impl<'de> Deserializer<'de> for Raw<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.as_bytes().first() {
            Some(b'n') => visitor.visit_unit(),
            Some(b't') => visitor.visit_bool(true),
            Some(b'f') => visitor.visit_bool(false),
            Some(b'"') => self.visit_string(visitor),
            Some(b'[') => self.visit_list(visitor),
            Some(b'{') => self.visit_object(visitor),
            _ => self.visit_number(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_nothing() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Accepts `{}` as an empty list, since some languages do not distinguish the two.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.is_empty('{', '}') {
            Self { text: "[]", ..self }.visit_list(visitor)
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.text.as_bytes().first() {
            _ if self.is_empty('[', ']') => Self { text: "{}", ..self }.visit_object(visitor),
            // Serde would otherwise read a structure's fields from a list in their order.
            Some(b'[') => Err(de::Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let is_empty_list = self.is_empty('[', ']');
        self.deserialize_map(visitor).map_err(|fault| match is_empty_list && fault.is_missing_field() {
            true => de::Error::invalid_type(Unexpected::Seq, &"an object"),
            false => fault,
        })
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
        match self.text.as_bytes().first() {
            Some(b'"') => visitor.visit_enum(StrDeserializer::new(&self.string()?)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct identifier
    }
}

/// The fields of an object, in order.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<'de>, M::Error> {
                let mut pairs = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// A field name, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A field as it is written.
struct Field<'a> {
    of: Raw<'a>,
    raw: &'a RawValue,
    within: Option<&'static str>,
}

impl<'de> FieldValue<'de> for Field<'de> {
    fn read<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        self.of.inside(self.raw).and_then(|value| seed.deserialize(value))
    }

    fn within(&self) -> Option<&'static str> {
        self.within
    }
}

/// The fields of an object, and those of a nested object that the outer one does not have.
pub(super) struct Flattened<'a> {
    /// Raw values; those of the nested object come last.
    pairs: Vec<(Cow<'a, str>, &'a RawValue)>,
    inner: &'static str,
    /// The names of the fields from the nested object.
    nested: HashSet<String>,
    /// The raw value in the place of the nested object, if that is not an object.
    other: Option<&'a str>,
}

impl<'a> Flattened<'a> {
    pub(super) fn new(text: &'a str, inner: &'static str) -> Result<Self, Fault> {
        let read = |text: &'a str| serde_json::from_str::<Pairs<'a>>(text).map_err(|_| unreadable());
        let lenient = |text: &'a str| Raw { text, lenient: true, depth: 0 };
        let is_unset = |value: &Raw<'_>| value.is_nothing() || value.is_empty('[', ']');
        let Pairs(mut pairs) = read(text)?;
        let within = pairs.iter().rfind(|(name, _)| name == inner).map(|(_, value)| value.get());
        let (mut nested, mut other) = (HashSet::new(), None);
        match within {
            Some(within) if within.starts_with('{') => {
                let Pairs(mut more) = read(within).map_err(|fault| fault.in_field(inner))?;
                nested = more.iter().map(|(name, _)| name.to_string()).collect();
                // An unset outer field does not hide the nested one.
                pairs.retain(|(name, value)| !nested.contains(&**name) || !is_unset(&lenient(value.get())));
                for (name, _) in &pairs {
                    nested.remove(&**name);
                }
                more.retain(|(name, _)| nested.contains(&**name));
                pairs.extend(more);
            }
            within => other = within.filter(|within| !is_unset(&lenient(within))),
        }
        Ok(Self { pairs, inner, nested, other })
    }

    /// Whether a field comes from the nested object.
    pub(super) fn is_nested(&self, name: &str) -> bool {
        self.nested.contains(name)
    }

    /// The fault for a missing field; the reason may be a value that is no object in the place of the nested object.
    pub(super) fn missing(&self, name: &'static str) -> Fault {
        self.blame(de::Error::missing_field(name))
    }

    /// Completes a fault about the fields together with the place where they came from.
    fn blame(&self, fault: Fault) -> Fault {
        match self.other {
            Some(other) if fault.is_missing_field() => {
                let no_object = Pairs::deserialize(Raw { text: other, lenient: true, depth: 0 }).err();
                no_object.map_or(fault, |no_object| no_object.in_field(self.inner))
            }
            // A client that has other fields there will look for it there.
            None if fault.is_missing_field() && !self.nested.is_empty() => fault.in_field(self.inner),
            _ if fault.is_repeated_field() && self.nested.contains(fault.field()) => fault.in_field(self.inner),
            _ => fault,
        }
    }
}

impl<'de> Deserializer<'de> for Flattened<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        let pairs = std::mem::take(&mut self.pairs);
        let of = Raw { text: "{}", lenient: true, depth: 0 };
        let fields = pairs.into_iter().map(|(name, raw)| {
            let within = self.is_nested(&name).then_some(self.inner);
            (name, Field { of, raw, within })
        });
        visitor.visit_map(Fields::new(fields)).map_err(|fault| self.blame(fault))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Items<'a> {
    of: Raw<'a>,
    items: std::vec::IntoIter<&'a RawValue>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        self.of.inside(item).and_then(|item| seed.deserialize(item)).map(Some).map_err(|fault| fault.in_item(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}
