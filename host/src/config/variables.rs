//! Finds environment variables that look like keys but name none, since a misspelt variable would otherwise go unnoticed.

use std::collections::BTreeMap;

use super::Config;
use super::fault::{Faults, Place, nearest};

/// What the names of all variables of this program begin with.
const OWN_PREFIX: &str = "NATTERJACK";
/// The variables that the command line reads.
const COMMAND_LINE_VARIABLES: [&str; 2] = ["NATTERJACK_URL", "NATTERJACK_TOKEN"];

/// Records a fault for each variable that looks like a key but names none. Those with `prefix` are checked when they are read.
pub(super) fn look_for_unknown(environment: &BTreeMap<String, String>, prefix: &str, faults: &mut Faults) {
    let unknown = |(name, value): &(&String, &String)| {
        let begins_so = name.get(..OWN_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN_PREFIX));
        let goes_on = name.as_bytes().get(OWN_PREFIX.len()) == Some(&b'_');
        begins_so
            && goes_on
            && !name.starts_with(prefix)
            && !COMMAND_LINE_VARIABLES.contains(&name.as_str())
            && !is_of_container_platform(name, value)
    };
    for (name, _) in environment.iter().filter(unknown) {
        faults.add(&Place::Variable(name.clone()), "", misspelt(name, prefix));
    }
}

/// Whether Kubernetes or Docker set the variable to describe a service called `natterjack…`.
fn is_of_container_platform(name: &str, value: &str) -> bool {
    let about_port = name
        .split('_')
        .zip(name.split('_').skip(1))
        .any(|(word, next)| word == "PORT" && !next.is_empty() && next.bytes().all(|byte| byte.is_ascii_digit()));
    let is_address = value.starts_with("tcp://") || value.starts_with("udp://");
    about_port
        || name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_address)
        || (name.ends_with("_NAME") && value.starts_with('/'))
}

/// The text of the fault for such a variable, with a suggestion.
pub(super) fn misspelt(name: &str, prefix: &str) -> String {
    let known = keys();
    let meant = words(name.get(OWN_PREFIX.len()..).unwrap_or_default());
    let spelt: Vec<String> = known.iter().map(|key| words(key)).collect();
    let last_word_is_key: Vec<usize> =
        (0..known.len()).filter(|at| known[*at].rsplit('.').next().is_some_and(|key| words(key) == meant)).collect();
    let at = match (spelt.iter().position(|spelt| *spelt == meant), &last_word_is_key[..]) {
        (Some(at), _) | (None, &[at]) => Some(at),
        _ => {
            let candidates: Vec<&str> = spelt.iter().map(String::as_str).collect();
            nearest(&meant, &candidates).and_then(|near| spelt.iter().position(|spelt| spelt == near))
        }
    };
    match at {
        Some(at) => {
            let suggested = known[at].to_ascii_uppercase().replace('.', "__").replace('-', "_");
            format!("names no key; did you mean `{prefix}{suggested}`?")
        }
        None => format!("names no key; wanted {prefix}SECTION__KEY"),
    }
}

/// The words of a name in upper case, whatever separates them.
fn words(name: &str) -> String {
    let words = name.split(['_', '.', '-']).filter(|word| !word.is_empty());
    words.map(str::to_ascii_uppercase).collect::<Vec<_>>().join("_")
}

/// All keys that have a default.
pub(super) fn keys() -> Vec<String> {
    fn add(table: &toml::Table, path: &str, found: &mut Vec<String>) {
        for (name, value) in table {
            let key = super::tree::join(path, name);
            match value {
                toml::Value::Table(table) => add(table, &key, found),
                _ => found.push(key),
            }
        }
    }
    let mut found = Vec::new();
    if let Ok(table) = Config::default().redacted().parse() {
        add(&table, "", &mut found);
    }
    found
}
