//! What is wrong with a JSON text, in the words of JSON instead of Rust's.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::error::Error;

/// How much of a name that a client chose an error repeats.
const MAX_NAME_CHARS: usize = 64;

/// What is wrong with a JSON text, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The client's own name of the field, as in `payload.name` or `images[1]`; empty for the whole.
    path: String,
    why: String,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), why: why.into() }
    }

    /// Whether it is about no single field.
    pub fn is_of_whole(&self) -> bool {
        self.path.is_empty()
    }

    /// The same in a field of this name.
    pub fn in_field(mut self, field: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        let field: String = field.escape_debug().take(MAX_NAME_CHARS).collect();
        self.path = format!("{field}{separator}{}", self.path);
        self
    }

    pub(super) fn in_item(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("[{index}]{separator}{}", self.path);
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
        Self::new(format!("should be {}, not {}", wanted_words(wanted), found_words(&found)))
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
        let found: String = found.escape_debug().take(MAX_NAME_CHARS).collect();
        Self::new(format!("there is no `{found}`; there is {}", quoted(known, "or")))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("is unknown here; known are {}", quoted(known, "and"))).in_field(found)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is missing").in_field(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("is given twice").in_field(field)
    }
}

/// `a`, `b` and `c`.
fn quoted(words: &[&str], joint: &str) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => format!("`{}` {joint} `{last}`", first.join("`, `")),
    }
}

/// What a type expects, in JSON's terms instead of Rust's. Texts of our own types pass as they are.
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
        Unexpected::Float(_) => "a fraction",
        Unexpected::Str(_) | Unexpected::Char(_) => "a text",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        _ => "that",
    }
}
