//! Errors in JSON input, described in JSON's terms instead of Rust's.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::error::Error;
use crate::text::shown;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfObject {
    Missing,
    Repeated,
}

/// An error in JSON input, with the path of the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The path of the field, as in `payload.name` or `images[1]`; empty for the whole input.
    path: String,
    why: String,
    /// Set if the fault is about the fields of an object together.
    of_object: Option<OfObject>,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), ..Self::default() }
    }

    /// Whether the fault is about the input as a whole.
    pub fn is_of_whole(&self) -> bool {
        self.path.is_empty()
    }

    /// Whether a field of the value itself, not of a nested value, is missing.
    pub(super) fn is_missing_field(&self) -> bool {
        self.of_object == Some(OfObject::Missing)
    }

    /// Whether a field of the value itself, not of a nested value, is repeated.
    pub(super) fn is_repeated_field(&self) -> bool {
        self.of_object == Some(OfObject::Repeated)
    }

    /// The name of the outermost field.
    pub(super) fn field(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or_default()
    }

    /// The same fault, within a field of this name.
    pub fn in_field(mut self, field: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        let field = if field.is_empty() { "\"\"".to_owned() } else { shown(field) };
        self.path = format!("{field}{separator}{}", self.path);
        self.of_object = None;
        self
    }

    pub(super) fn in_item(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{separator}{}", self.path);
        self.of_object = None;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.path {
            "" => f.write_str(&self.why),
            path => write!(f, "{path}: {}", self.why),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::BadRequest(fault.to_string())
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::new(why.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let words = wanted_words(wanted);
        match found {
            // Integers beyond any integer type are read as doubles.
            Unexpected::Float(number) if number.fract() == 0.0 && words.contains("whole number") => {
                let range = if number < 0.0 { "small" } else { "large" };
                Self::new(format!("should be {words} that is not so {range}"))
            }
            found => Self::new(format!("should be {words}, not {}", found_words(&found))),
        }
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let range = match found {
            Unexpected::Signed(number) if number < 0 => " that is not negative",
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => " that is not so large",
            _ => "",
        };
        Self::new(format!("should be {}{range}", wanted_words(wanted)))
    }

    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::new(format!("should be {}", wanted_words(wanted)))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("there is no `{}`; there is {}", shown(found), quoted(known, "or")))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("is unknown here; known are {}", quoted(known, "and"))).in_field(found)
    }

    fn missing_field(field: &'static str) -> Self {
        Self { of_object: Some(OfObject::Missing), ..Self::new("is missing").in_field(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { of_object: Some(OfObject::Repeated), ..Self::new("is given twice").in_field(field) }
    }
}

/// Joins words as in `a`, `b` and `c`.
fn quoted(words: &[&str], joint: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` {joint} `{last}`", first.join("`, `")),
    }
}

/// The expected type, in JSON's terms instead of Rust's. Descriptions by our own types are kept.
fn wanted_words(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    match &*wanted {
        "a string" | "a borrowed string" => "a text".into(),
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        structure if structure.starts_with("struct ") || structure.starts_with("tuple ") => "an object".into(),
        choice if choice.starts_with("enum ") || choice == "variant identifier" => "a text".into(),
        _ => wanted,
    }
}

fn found_words(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(true) => "true",
        Unexpected::Bool(false) => "false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(number) if number.fract() == 0.0 => "a number",
        Unexpected::Float(_) => "a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) => "a text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        _ => "that",
    }
}
