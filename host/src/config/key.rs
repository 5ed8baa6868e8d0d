//! Reads typed values from the configuration, key by key, so that one fault does not hide the next.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Faults;
use super::misplaced::unknown_key;
use super::quantity::Unit;
use super::scalars::format_duration;
use super::show::Shown;
use super::tree::{Node, Table, Value, join};

/// A type of values that a key can have.
pub(super) trait Key: Sized + Clone + PartialEq {
    /// Whether it is written as a table.
    const IS_TABLE: bool = false;

    /// Reads the value, or records the fault.
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self>;

    /// The type's minimum or maximum, if the written value is beyond it: the error then states the key's range, not the type's.
    fn beyond(_at: &At<'_>) -> Option<Self> {
        None
    }

    /// The value as `--print-config` shows it; None if it is not set.
    fn show(&self) -> Option<Shown>;

    /// Resets to `running` all that a running server cannot change. Single values can all change.
    fn keep(&mut self, _running: &Self) {}

    /// Collects the keys that a running server cannot change.
    #[cfg(test)]
    fn fixed(_key: &str, _found: &mut Vec<String>) {}

    /// Collects the keys whose values differ in `new`.
    fn differences(&self, new: &Self, key: &str, found: &mut Vec<Difference>) {
        if self != new {
            let show = |value: &Self| value.show().map(Shown::into_text);
            found.push(Difference { key: key.to_owned(), from: show(self), to: show(new) });
        }
    }
}

/// A changed key, with secrets hidden in both values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub key: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// A key, and the node that was written for it.
pub(super) struct At<'a> {
    pub(super) key: &'a str,
    pub(super) node: &'a Node,
}

impl At<'_> {
    pub(super) fn refuse<T>(&self, why: impl Into<String>, faults: &mut Faults) -> Option<T> {
        faults.add(&self.node.place, self.key, why);
        None
    }

    /// Refuses a value of the wrong type.
    pub(super) fn wanted<T>(&self, what: &str, faults: &mut Faults) -> Option<T> {
        self.refuse(format!("is {}; wanted {what}", self.node.value.kind()), faults)
    }

    /// The value as text, if it can be text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.node.value {
            Value::String(text) => Some(text),
            Value::Array(_) | Value::Table(_) => None,
            _ => self.node.text.as_deref(),
        }
    }
}

/// A table with known keys. `section!` implements this.
pub(super) trait Section: Default {
    const KEYS: &'static [&'static str];

    fn set(&mut self, name: &str, at: &At<'_>, faults: &mut Faults);

    fn entries(&self) -> Vec<(String, Option<Shown>)>;
}

/// Keeps the value that the server started with.
pub(super) fn restart<T: Clone>(new: &mut T, running: &T) {
    new.clone_from(running);
}

pub(super) fn read_section<S: Section>(table: &Table, path: &str, faults: &mut Faults) -> S {
    let mut section = S::default();
    for (name, node) in table {
        let key = join(path, name);
        let at = At { key: &key, node };
        if S::KEYS.contains(&name.as_str()) {
            section.set(name, &at, faults);
        } else {
            at.refuse::<()>(unknown_key(path, name, node, S::KEYS), faults);
        }
    }
    section
}

/// Why a value is refused.
pub(super) enum Why {
    /// It must be between these two.
    Range(String, String),
    Other(String),
}

impl From<String> for Why {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

/// Reads a value and checks it.
pub(super) fn read_checked<T: Key>(
    at: &At<'_>,
    faults: &mut Faults,
    check: impl Fn(&T) -> Result<(), Why>,
) -> Option<T> {
    if let Some(Why::Range(least, most)) = T::beyond(at).and_then(|end| check(&end).err()) {
        return at.refuse(out_of_range(at, &least, &most), faults);
    }
    let before = faults.iter().count();
    let value = T::read(at, faults)?;
    if faults.iter().count() > before {
        // Parts of the value have faults; consequences of their absence are not reported.
        return Some(value);
    }
    match check(&value) {
        Ok(()) => Some(value),
        Err(Why::Range(least, most)) => at.refuse(out_of_range(at, &least, &most), faults),
        Err(Why::Other(why)) => at.refuse(why, faults),
    }
}

/// Error text with the written value and the allowed ones; sizes also in larger units.
pub(super) fn out_of_range(at: &At<'_>, least: &str, most: &str) -> String {
    let written = match (&at.node.value, at.text()) {
        (Value::Integer(number), _) => number.to_string(),
        (_, text) => format!("`{}`", text.unwrap_or_default().trim()),
    };
    let range = format!("{written} is out of range; wanted {least} to {most}");
    let sizes = Unit::of_key(at.key).and_then(|unit| Some((unit.spell(least)?, unit.spell(most)?)));
    match sizes {
        Some((least, most)) => format!("{range} ({least} to {most})"),
        None => range,
    }
}

/// Declares a section: its struct, its defaults and how it is read: `key: Type = default, check;`. A key marked
/// `=> restart` cannot change while the server runs.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$doc:meta])* $key:ident: $type:ty = $default:expr $(, $check:expr)? $(=> $restart:ident)?; )* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$doc])* pub $key: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )* }
            }
        }

        impl $crate::config::key::Section for $name {
            const KEYS: &'static [&'static str] = &[$( stringify!($key) ),*];

            fn set(
                &mut self,
                name: &str,
                at: &$crate::config::key::At<'_>,
                faults: &mut $crate::config::fault::Faults,
            ) {
                match name {
                    $( stringify!($key) => {
                        let check = |_value: &$type| -> Result<(), $crate::config::key::Why> {
                            $( $check(_value)?; )?
                            Ok(())
                        };
                        if let Some(value) = $crate::config::key::read_checked(at, faults, check) {
                            self.$key = value;
                        }
                    } )*
                    _ => {}
                }
            }

            fn entries(&self) -> Vec<(String, Option<$crate::config::show::Shown>)> {
                vec![$( (stringify!($key).to_owned(), $crate::config::key::Key::show(&self.$key)) ),*]
            }
        }

        impl $crate::config::key::Key for $name {
            const IS_TABLE: bool = true;

            fn read(
                at: &$crate::config::key::At<'_>,
                faults: &mut $crate::config::fault::Faults,
            ) -> Option<Self> {
                match &at.node.value {
                    $crate::config::tree::Value::Table(table) => {
                        Some($crate::config::key::read_section(table, at.key, faults))
                    }
                    $crate::config::tree::Value::Array(items)
                        if items.iter().any(|item| matches!(item.value, $crate::config::tree::Value::Table(_))) =>
                    {
                        at.refuse(format!("is a list of tables; wanted one, as [{}]", at.key), faults)
                    }
                    _ => at.wanted("a table", faults),
                }
            }

            fn show(&self) -> Option<$crate::config::show::Shown> {
                Some($crate::config::show::Shown::table($crate::config::key::Section::entries(self)))
            }

            fn keep(&mut self, running: &Self) {
                $(
                    $crate::config::key::Key::keep(&mut self.$key, &running.$key);
                    $( $crate::config::key::$restart(&mut self.$key, &running.$key); )?
                )*
            }

            #[cfg(test)]
            fn fixed(key: &str, found: &mut Vec<String>) {
                $(
                    let inner = $crate::config::tree::join(key, stringify!($key));
                    <$type as $crate::config::key::Key>::fixed(&inner, found);
                    $( found.push(inner); let _ = $crate::config::key::$restart::<$type>; )?
                )*
            }

            fn differences(&self, new: &Self, key: &str, found: &mut Vec<$crate::config::key::Difference>) {
                $(
                    let inner = $crate::config::tree::join(key, stringify!($key));
                    $crate::config::key::Key::differences(&self.$key, &new.$key, &inner, found);
                )*
            }
        }
    };
}
pub(super) use section;

/// Declares an enum whose variants are words in `config.toml`.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $( $(#[$doc])* $variant, )+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$( Self::$variant ),+];

            /// The word for it in `config.toml`.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::config::key::Key for $name {
            fn read(
                at: &$crate::config::key::At<'_>,
                faults: &mut $crate::config::fault::Faults,
            ) -> Option<Self> {
                let words = || Self::ALL.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
                let Some(text) = at.text() else {
                    return at.wanted(&format!("one of {}", words()), faults);
                };
                match Self::ALL.iter().find(|word| word.as_str().eq_ignore_ascii_case(text.trim())) {
                    Some(word) => Some(*word),
                    None if text.trim().is_empty() => at.refuse(format!("is empty; wanted one of {}", words()), faults),
                    None => at.refuse(format!("`{text}` is not one of {}", words()), faults),
                }
            }

            fn show(&self) -> Option<$crate::config::show::Shown> {
                Some(self.as_str().into())
            }
        }
    };
}
pub(super) use choice;

/// A check: between these two, both included.
pub(super) fn within<T: PartialOrd + Display>(range: RangeInclusive<T>) -> impl Fn(&T) -> Result<(), Why> {
    move |value| match range.contains(value) {
        true => Ok(()),
        false => Err(Why::Range(range.start().to_string(), range.end().to_string())),
    }
}

/// [`within`] for durations.
pub(super) fn lasting(least: Duration, most: Duration) -> impl Fn(&Duration) -> Result<(), String> {
    move |value| {
        if (least..=most).contains(value) {
            return Ok(());
        }
        Err(format!(
            "{} is out of range; wanted {} to {}",
            format_duration(*value),
            format_duration(least),
            format_duration(most)
        ))
    }
}

/// A check: the text is not blank.
pub(super) fn not_blank(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("is empty; wanted some text".to_owned()) } else { Ok(()) }
}
