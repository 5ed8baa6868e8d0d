//! Faults of a configuration, with the places where they were written.

use std::fmt;
use std::sync::Arc;

/// Where a key or value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A file as a whole.
    File(Arc<str>),
    Line(Arc<str>, usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A fault: its place, its key, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    place: Place,
    key: String,
    why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.why)
    }
}

/// All faults of a configuration, in the order of the file; shown one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, place: &Place, key: &str, why: impl Into<String>) {
        self.0.push(Fault { place: place.clone(), key: key.to_owned(), why: why.into() });
    }

    /// Whether this key has a fault already, so that its consequences need not be reported too.
    pub(super) fn concern(&self, key: &str) -> bool {
        self.0.iter().any(|fault| fault.key == key)
    }

    /// The value, or the faults if any were recorded.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        // A line that cannot be parsed is one fault; faults in what the parser recovered from it are dropped.
        let unparsed: Vec<Place> =
            self.0.iter().filter(|fault| fault.key.is_empty()).map(|fault| fault.place.clone()).collect();
        self.0.retain(|fault| fault.key.is_empty() || !unparsed.contains(&fault.place));
        self.0.sort();
        Err(self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The text for an unknown name, with a suggestion or the known names.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(candidate) => format!("unknown {what}; did you mean `{candidate}`?"),
        None => format!("unknown {what}; there are: {}", known.join(", ")),
    }
}

/// The known name that was probably meant, if one is near enough.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // Ignores case and the character that joins words.
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', ' '], "_");
    let (distance, nearest) =
        known.iter().map(|candidate| (distance(&plain(name), &plain(candidate)), *candidate)).min()?;
    (distance <= 1 + name.len() / 4).then_some(nearest)
}

/// Edit distance: how many characters must be added, dropped, replaced or swapped with their neighbour to turn one word into
/// the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = usize::from(from[i - 1] != to[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_name_gets_the_nearest_or_all_known_names() {
        let known = ["access_ttl", "refresh_ttl", "guests"];
        assert_eq!(unknown("key", "acess_ttl", &known), "unknown key; did you mean `access_ttl`?");
        assert_eq!(unknown("key", "gusets", &known), "unknown key; did you mean `guests`?");
        assert_eq!(unknown("key", "colour", &known), "unknown key; there are: access_ttl, refresh_ttl, guests");
    }

    #[test]
    fn distance_counts_single_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
