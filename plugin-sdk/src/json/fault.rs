//! Errors in a JSON value. The server words its own errors alike, in `host/src/dialect/json/fault.rs`.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// The most characters of a client's name that an error repeats.
const MAX_NAME_CHARS: usize = 64;

/// The fault, and the path of its field.
#[derive(Debug)]
pub(crate) struct Fault {
    /// As in `choices[1].name`; empty for the whole value.
    path: String,
    why: String,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { path: String::new(), why: why.into() }
    }

    /// The error's text with the field in backticks, as in errors of settings.
    pub(crate) fn quoted(&self) -> String {
        match &*self.path {
            "" => self.why.clone(),
            path => format!("`{path}`: {}", self.why),
        }
    }

    pub(super) fn in_field(self, field: &str) -> Self {
        let shown: String = field.escape_debug().take(MAX_NAME_CHARS).collect();
        self.within(if field.is_empty() { "\"\"" } else { &shown })
    }

    pub(super) fn in_item(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    fn within(self, outer: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{outer}{separator}{}", self.path), why: self.why }
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
        let words = wanted_words(wanted);
        let range = match found {
            _ if !words.ends_with("number") => "",
            Unexpected::Signed(number) if number < 0 && wanted.to_string().starts_with('u') => " that is not negative",
            Unexpected::Signed(number) if number < 0 => " that is not so small",
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => " that is not so large",
            _ => "",
        };
        Self::new(format!("should be {words}{range}"))
    }

    fn invalid_length(_: usize, wanted: &dyn Expected) -> Self {
        Self::new(format!("should be {}", wanted_words(wanted)))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        let found: String = found.escape_debug().take(MAX_NAME_CHARS).collect();
        Self::new(format!("there is no `{found}`; there is {}", quoted(known, "or")))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        let known = match known {
            [] => "nothing is known here".to_owned(),
            [one] => format!("the only one known is `{one}`"),
            known => format!("known are {}", quoted(known, "and")),
        };
        Self::new(format!("is unknown here; {known}")).in_field(found)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is missing").in_field(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new("is given twice").in_field(field)
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

/// What a type expects, in JSON's terms instead of Rust's. Texts of a plugin's own types pass as they are.
fn wanted_words(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    match &*wanted {
        "a string" | "a borrowed string" | "str" | "string" => "a text".into(),
        "a character" => "a text of one character".into(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "a whole number".into()
        }
        number if number.starts_with("a nonzero ") => "a whole number other than 0".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "unit" => "null".into(),
        "a sequence" | "a set" => "a list".into(),
        "a map" => "an object".into(),
        structure if structure.starts_with("struct ") => "an object".into(),
        list if list.starts_with("tuple ") || list.starts_with("a tuple ") || list.starts_with("an array ") => {
            match list.rsplit(' ').next().and_then(|length| length.parse::<usize>().ok()) {
                Some(length) => format!("a list of {length}"),
                None => "a list".into(),
            }
        }
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
