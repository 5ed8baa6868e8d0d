//! Deserializes JSON from clients, with errors that people understand.
//!
//! Errors name the client's own field and say what it should be, in JSON's terms. In dialects, an optional field also counts as
//! absent if it is `null`, `""` or `0` (a Go structure without `omitempty` sends all three). Where 0 is a valid value, the field
//! is a [`Counted`].

mod fault;
mod fields;
mod numbers;
mod raw;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

pub use self::fault::Fault;
pub use self::fields::{FieldValue, Fields};
pub use self::numbers::{Counted, IntegerId};
use self::raw::{Flattened, Raw};

/// Reads a frame, a JSON object.
pub fn frame<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    object(text, "the frame", true)
}

/// Reads a frame whose fields are in the frame itself or in the object of this name within it; the outer ones take precedence.
pub fn flattened<'a, T: Deserialize<'a>>(text: &'a str, inner: &'static str) -> Result<T, Fault> {
    // Reports a frame that is not an object.
    let IgnoredAny = frame(text)?;
    T::deserialize(Flattened::new(syntax(text, "the frame")?, inner)?)
}

/// Which of these fields [`flattened`] takes from the object within.
pub fn nested(text: &str, inner: &'static str, names: &[&'static str]) -> Vec<&'static str> {
    match syntax(text, "the frame").and_then(|text| Flattened::new(text, inner)) {
        Ok(fields) => names.iter().copied().filter(|name| fields.is_nested(name)).collect(),
        Err(_) => Vec::new(),
    }
}

/// The fault for a missing field among those that [`flattened`] reads.
pub fn missing(text: &str, inner: &'static str, name: &'static str) -> Fault {
    match syntax(text, "the frame").and_then(|text| Flattened::new(text, inner)) {
        Ok(fields) => fields.missing(name),
        Err(fault) => fault,
    }
}

/// Whether a frame has a field of this name, whatever its value.
pub fn names(text: &str, name: &str) -> bool {
    syntax(text, "the frame").and_then(|text| Raw::new(text, true).names(name)).unwrap_or(false)
}

/// The raw value of a frame's field; None if the field is absent or counts as absent.
pub fn field<'a>(text: &'a str, name: &str) -> Result<Option<&'a str>, Fault> {
    Raw::new(syntax(text, "the frame")?, true).field(name)
}

/// Reads a JSON object; errors call it `whole`. With `lenient`, `""` and `0` count as absent, too.
pub fn object<'a, T: Deserialize<'a>>(text: &'a str, whole: &str, lenient: bool) -> Result<T, Fault> {
    let raw = syntax(text, whole)?;
    if !raw.starts_with('{') {
        return Err(Fault::new(format!("{whole} should be a JSON object")));
    }
    T::deserialize(Raw::new(raw, lenient))
}

/// Reads a JSON value of any type; errors call it `name`.
pub fn value<'a, T: Deserialize<'a>>(text: &'a str, name: &str) -> Result<T, Fault> {
    let raw = syntax(text, name)?;
    T::deserialize(Raw::new(raw, true)).map_err(|fault| match fault.is_of_whole() {
        true => fault.in_field(name),
        false => fault,
    })
}

fn begins_with_json(text: &str) -> bool {
    matches!(serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next(), Some(Ok(_)))
}

/// Checks the syntax; returns the text without surrounding white space.
fn syntax<'a>(text: &'a str, whole: &str) -> Result<&'a str, Fault> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => Ok(raw.get()),
        Err(error) if error.is_eof() => Err(Fault::new(format!("{whole} is not JSON: it ends too early"))),
        Err(_) if begins_with_json(text) => {
            Err(Fault::new(format!("{whole} is not JSON: there is trailing text behind it")))
        }
        Err(error) => {
            let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let end = (before + error.column()).min(text.len());
            // Counts bytes that are not UTF-8 continuation bytes.
            let characters = text.as_bytes()[..end].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
            Err(Fault::new(format!("{whole} is not JSON: character {characters} is not expected there")))
        }
    }
}
