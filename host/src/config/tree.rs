//! The written configuration as one tree, whose nodes know where they were written: the TOML file, overridden by the environment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::fault::{Faults, Place};
use super::variables;

/// Variables that other software uses too, and the keys that they set. `PORT` is not among them, since it sets only a part of
/// a key.
const PLAIN_VARIABLES: [(&str, [&str; 2]); 3] = [
    ("DATABASE_URL", ["database", "url"]),
    ("JWT_SECRET", ["auth", "jwt_secret"]),
    ("CORS_ORIGIN", ["cors", "origins"]),
];
const VARIABLE_PREFIX: &str = "NATTERJACK__";
/// Prefix of the parser's error for a repeated key, after which the rest of the file can be parsed.
const DUPLICATE_KEY_ERROR: &str = "duplicate key";
/// Prefix of the parser's error for a text without quotes, after which the parser recovers.
const UNQUOTED_TEXT_ERROR: &str = "string values must be quoted";

pub(super) type Table = BTreeMap<String, Node>;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
    /// The text of a variable, for keys that want text even if it looks like a number.
    pub(super) text: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    /// Wider than TOML's integers, so that the error for a value beyond a key's range states that range.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

impl Value {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Datetime(_) => "a date",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    pub(super) fn new(place: Place, value: Value) -> Self {
        Self { place, value, text: None }
    }
}

/// Parses a file. Reports syntax errors up to the first from which the parser cannot recover; then nothing of the file is read.
pub(super) fn parse(file: &Arc<str>, text: &str, faults: &mut Faults) -> Option<Table> {
    let source = Source { file, text };
    let (document, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut is_broken = false;
    for error in errors {
        let span = error.span().unwrap_or_default();
        let said = error.message().replace('\n', ", ");
        let Explained { line, key, why } = source.explain(span.clone(), &said);
        let place = line.map_or_else(|| source.place(span), |line| Place::Line(file.clone(), line));
        faults.add(&place, &key, why);
        if !said.starts_with(DUPLICATE_KEY_ERROR) {
            is_broken = true;
            if !said.starts_with(UNQUOTED_TEXT_ERROR) {
                break;
            }
        }
    }
    (!is_broken).then(|| source.table(document.get_ref(), "", faults))
}

/// The report of a syntax error.
struct Explained {
    /// The line where it began, if that is not where the parser noticed it.
    line: Option<usize>,
    key: String,
    why: String,
}

struct Source<'a> {
    file: &'a Arc<str>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        Place::Line(self.file.clone(), 1 + before.iter().filter(|byte| **byte == b'\n').count())
    }

    /// Explains frequent syntax errors better than the parser can.
    fn explain(&self, span: Range<usize>, said: &str) -> Explained {
        let plain = |why: String| Explained { line: None, key: String::new(), why };
        self.explain_often(span, said).unwrap_or_else(|| plain(said.to_owned()))
    }

    fn explain_often(&self, span: Range<usize>, said: &str) -> Option<Explained> {
        let start = self.text.get(..span.start)?.rfind('\n').map_or(0, |end| end + 1);
        let line = self.text.get(start..)?.lines().next().unwrap_or_default();
        if said.starts_with(DUPLICATE_KEY_ERROR) {
            let (key, first) = self.duplicate_key(start, line, self.text.get(span)?);
            let where_first = first.map(|line| format!(", in line {line} already")).unwrap_or_default();
            return Some(Explained { line: None, key, why: format!("is there twice{where_first}; wanted it once") });
        }
        let above = || self.text.get(..start).unwrap_or_default().lines();
        let goes_on = line.trim_start().starts_with('[') || line.contains('=') || line.trim().is_empty();
        if said.contains("array") && goes_on {
            // The next key was parsed as an item: the list above is not closed.
            let begins =
                |line: &str| line.split_once('=').is_some_and(|(_, value)| value.trim_start().starts_with('['));
            let lines: Vec<&str> = above().collect();
            let at = lines.iter().rposition(|line| begins(line))?;
            let is_open = lines.iter().skip(at).all(|line| !line.contains(']'));
            let key = lines.get(at)?.split_once('=')?.0.trim().to_owned();
            let why = "is a list that is not closed; wanted `]`".to_owned();
            return is_open.then(|| Explained { line: Some(at + 1), key, why });
        }
        if said.contains("multi-line") {
            let begins = |line: &&str| line.contains("\"\"\"") || line.contains("'''");
            let at = above().collect::<Vec<_>>().iter().rposition(begins)?;
            let why = "text of several lines that is not closed; wanted its quotes again".to_owned();
            return Some(Explained { line: Some(at + 1), key: String::new(), why });
        }
        let value = line.split_once('=').filter(|(key, _)| !key.trim().is_empty())?.1.split('#').next()?.trim();
        let boolean = match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => "true",
            "false" | "no" | "off" => "false",
            "" => return None,
            _ => {
                let is_text = !value.contains(['"', '\'', '[', ']', '{', '}', ',']) && value.parse::<f64>().is_err();
                let quoted = is_text && value.bytes().any(|byte| byte.is_ascii_digit());
                let why = format!("`{value}` needs quotes; wanted \"{value}\"");
                return quoted.then(|| Explained { line: None, key: String::new(), why });
            }
        };
        let why = format!("`{value}` is no boolean in TOML; wanted {boolean}");
        (value != boolean).then(|| Explained { line: None, key: String::new(), why })
    }

    /// The key that a line repeats, and the line of its first occurrence.
    fn duplicate_key(&self, start: usize, line: &str, token: &str) -> (String, Option<usize>) {
        let header = |line: &str| {
            let line = line.trim().split('#').next().unwrap_or_default().trim();
            let inner = line.strip_prefix('[')?.trim_start_matches('[');
            Some(inner.strip_suffix(']')?.trim_end_matches(']').trim().to_owned())
        };
        let key_of = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned());
        let above: Vec<&str> = self.text.get(..start).unwrap_or_default().lines().collect();
        if let Some(table) = header(line) {
            let first = above.iter().position(|line| header(line).as_deref() == Some(&table));
            return (table, first.map(|at| at + 1));
        }
        let section_at = above.iter().rposition(|line| header(line).is_some());
        let section = section_at.and_then(|at| header(above[at])).unwrap_or_default();
        let key = key_of(line).filter(|key| key.ends_with(token)).unwrap_or_else(|| token.to_owned());
        let from = section_at.map_or(0, |at| at + 1);
        let first = above.iter().skip(from).position(|line| key_of(line).as_deref() == Some(&key));
        (join(&section, &key), first.map(|at| from + at + 1))
    }

    fn table(&self, table: &DeTable<'_>, path: &str, faults: &mut Faults) -> Table {
        let mut nodes = Table::new();
        for (name, value) in table {
            let path = join(path, name.get_ref());
            let place = self.place(name.span());
            if let Some(value) = self.value(value.get_ref(), &place, &path, faults) {
                nodes.insert(name.get_ref().clone().into_owned(), Node::new(place, value));
            }
        }
        nodes
    }

    fn value(&self, value: &DeValue<'_>, place: &Place, path: &str, faults: &mut Faults) -> Option<Value> {
        Some(match value {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(value) => Value::Datetime(value.to_string()),
            DeValue::Table(table) => Value::Table(self.table(table, path, faults)),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => {
                    faults.add(place, path, format!("{number} is too large for an integer"));
                    return None;
                }
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => {
                    faults.add(place, path, format!("{number} is not a float"));
                    return None;
                }
            },
            DeValue::Array(items) => Value::Array(
                items
                    .iter()
                    .filter_map(|item| {
                        let place = self.place(item.span());
                        let value = self.value(item.get_ref(), &place, path, faults)?;
                        Some(Node::new(place, value))
                    })
                    .collect(),
            ),
        })
    }
}

/// Overrides the file's tree by the environment.
pub(super) fn overlay(tree: &mut Table, environment: &BTreeMap<String, String>, faults: &mut Faults) {
    for (name, path) in PLAIN_VARIABLES {
        // Many tools set a variable to an empty text for "not set". An empty value is written `""`.
        if let Some(text) = environment.get(name).filter(|text| !text.trim().is_empty()) {
            let node = Node::new(Place::Variable(name.to_owned()), Value::String(text.clone()));
            insert(tree, &path.map(str::to_owned), node);
        }
    }
    variables::look_for_unknown(environment, VARIABLE_PREFIX, faults);
    for (name, text) in environment {
        let Some(path) = name.strip_prefix(VARIABLE_PREFIX).filter(|_| !text.trim().is_empty()) else { continue };
        let path: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let place = Place::Variable(name.clone());
        if path.len() < 2 || path.iter().any(String::is_empty) {
            faults.add(&place, "", variables::misspelt(name, VARIABLE_PREFIX));
            continue;
        }
        let value = variable(&place, text);
        insert(tree, &kebab_plugin_id(path), Node { text: Some(text.clone()), ..Node::new(place, value) });
    }
}

/// Restores the dashes in a plugin's id, which shells do not allow in a variable's name.
fn kebab_plugin_id(mut path: Vec<String>) -> Vec<String> {
    if path[0] == "plugin" {
        path[1] = path[1].replace('_', "-");
    }
    path
}

/// A variable's value: TOML if it parses as such, otherwise a string.
fn variable(place: &Place, whole: &str) -> Value {
    let mut faults = Faults::default();
    let file = Arc::from("");
    let text = whole.trim();
    let parsed = DeValue::parse(text)
        .ok()
        .and_then(|value| Source { file: &file, text }.value(value.get_ref(), place, "", &mut faults));
    match parsed {
        Some(mut value) => {
            set_places(&mut value, place);
            value
        }
        None => Value::String(whole.to_owned()),
    }
}

/// Sets the place of all nodes in a variable's value to the variable.
fn set_places(value: &mut Value, place: &Place) {
    let parts: Vec<&mut Node> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Table(table) => table.values_mut().collect(),
        _ => return,
    };
    for part in parts {
        part.place = place.clone();
        set_places(&mut part.value, place);
    }
}

fn insert(tree: &mut Table, path: &[String], node: Node) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        merge(tree, name, node);
        return;
    }
    let place = node.place.clone();
    let below = tree.entry(name.clone()).or_insert_with(|| Node::new(place, Value::Table(Table::new())));
    // A node that is not a table stays as it is: reading it will record the fault.
    if let Value::Table(table) = &mut below.value {
        insert(table, rest, node);
    }
}

/// A table given in a variable adds to the one in the file; anything else replaces it.
fn merge(tree: &mut Table, name: &str, node: Node) {
    match (tree.get_mut(name).map(|old| &mut old.value), node) {
        (Some(Value::Table(old)), Node { value: Value::Table(new), .. }) => {
            for (name, node) in new {
                merge(old, &name, node);
            }
        }
        (_, node) => {
            tree.insert(name.to_owned(), node);
        }
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
