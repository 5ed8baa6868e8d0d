//! Named values, read as the fields of an object.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use super::Fault;

/// A field's value.
pub trait FieldValue<'de> {
    fn read<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault>;

    /// The name of the nested object that the value comes from; None for a field of the outer object.
    fn within(&self) -> Option<&'static str> {
        None
    }
}

/// Fields in their order. Faults name the field.
pub struct Fields<'de, V, I> {
    fields: I,
    /// The value whose name was read last.
    value: Option<(Cow<'de, str>, V)>,
}

impl<'de, V, I: Iterator<Item = (Cow<'de, str>, V)>> Fields<'de, V, I> {
    pub fn new(fields: impl IntoIterator<IntoIter = I>) -> Self {
        Self { fields: fields.into_iter(), value: None }
    }
}

impl<'de, V: FieldValue<'de>, I: Iterator<Item = (Cow<'de, str>, V)>> MapAccess<'de> for Fields<'de, V, I> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.fields.next() else { return Ok(None) };
        let key = seed.deserialize(CowStrDeserializer::<Fault>::new(name.clone()))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (name, value) = self.value.take().ok_or_else(|| Fault::new("a field's name is to be read before it"))?;
        let within = value.within();
        value.read(seed).map_err(|fault| {
            let fault = fault.in_field(&name);
            within.into_iter().fold(fault, Fault::in_field)
        })
    }
}

impl<'de, F: FieldValue<'de>, I: Iterator<Item = (Cow<'de, str>, F)>> Deserializer<'de> for Fields<'de, F, I> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
