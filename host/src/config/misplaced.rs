//! Suggestions for keys that were written in the wrong place.

use super::Plugins;
use super::fault::unknown;
use super::key::Section as _;
use super::tree::{Node, Value};
use super::variables::keys;

/// The most places that are suggested for a key.
const MAX_SUGGESTIONS: usize = 3;

/// Error text for a name that its section does not have, with suggestions.
pub(super) fn unknown_key(path: &str, name: &str, node: &Node, known: &[&str]) -> String {
    let is_table = matches!(node.value, Value::Table(_));
    if path == "plugins" && is_table {
        return format!("unknown key; plugins have tables of their own, wanted [plugin.{name}]");
    }
    let near = unknown("", name, known);
    let what = if path.is_empty() && is_table { "section" } else { "key" };
    if near.contains("did you mean") {
        return unknown(what, name, known);
    }
    let elsewhere = elsewhere(path, name, is_table);
    if !elsewhere.is_empty() {
        return format!("unknown {what} here; did you mean {}?", elsewhere.join(" or "));
    }
    if is_one_plugin(path) {
        return format!("{}; a plugin's own settings stand in [{path}.settings]", unknown(what, name, known));
    }
    if path.is_empty() && !is_table {
        return format!("unknown key; keys stand in a section: {}", known.join(", "));
    }
    unknown(what, name, known)
}

/// Error text for a key in `[plugin]` itself, which only has a table for each plugin; suggests where the key may belong.
pub(super) fn no_plugin_table(name: &str, node: &Node) -> String {
    match Plugins::KEYS.contains(&name) {
        true => format!("is {}; wanted a table for a plugin, or did you mean `plugins.{name}`?", node.value.kind()),
        false => format!("is {}; wanted a table for a plugin, such as [plugin.word-filter]", node.value.kind()),
    }
}

fn is_one_plugin(path: &str) -> bool {
    path.strip_prefix("plugin.").is_some_and(|id| !id.contains('.'))
}

/// Keys or sections of this name in other places.
fn elsewhere(path: &str, name: &str, is_table: bool) -> Vec<String> {
    let name = spelling(name);
    let all = keys();
    let mut found: Vec<String> = all
        .iter()
        .filter_map(|key| {
            let (section, last) = key.rsplit_once('.')?;
            if is_table {
                let is_meant = section.rsplit('.').next().is_some_and(|last| spelling(last) == name);
                return is_meant.then(|| format!("[{section}]"));
            }
            // A dotted key may have been written within a section.
            let is_meant = spelling(last) == name && section != path;
            is_meant.then(|| format!("`{key}`"))
        })
        .collect();
    found.dedup();
    if found.len() > MAX_SUGGESTIONS { Vec::new() } else { found }
}

/// The name in lower case and without separators.
fn spelling(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}
