//! Edits `config.toml`: changes one key and leaves everything else as its author wrote it.

mod settings;

use std::io::{self, Write as _};
use std::path::Path;

use parking_lot::Mutex;
use toml_edit::{DocumentMut, Item, Table, TableLike, value};

use super::{Config, Settings, environment};

/// Allows one change at a time, so that each starts from the result of the previous one.
static EDIT_LOCK: Mutex<()> = Mutex::new(());

/// Why the file was not changed; the text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("{file} cannot be {what}: {error}")]
    File { file: String, what: &'static str, error: io::Error },
    /// The configuration has faults, and a server would not start with it.
    #[error("{0}")]
    Faults(String),
    #[error("`plugin.{id}.{key}` is set by the variable NATTERJACK__PLUGIN__{}__{}, which outranks {file}; change it there", .id.replace('-', "_").to_uppercase(), .key.to_uppercase())]
    Outranked { id: String, key: &'static str, file: String },
}

/// Sets `enabled` in a plugin's table; returns the resulting configuration. Blocks on the disk.
pub fn switch_plugin(file: &Path, id: &str, enabled: bool) -> Result<Config, EditError> {
    let holds = |config: &Config| config.plugin_of(id).enabled == enabled;
    edit(file, id, "enabled", |text| with_switch(text, id, enabled), holds)
}

/// Sets a plugin's own settings, like [`switch_plugin`]. Unchanged settings keep their comments.
pub fn set_plugin_settings(file: &Path, id: &str, settings: &Settings) -> Result<Config, EditError> {
    let holds = |config: &Config| config.plugin_of(id).settings == *settings;
    edit(file, id, "settings", |text| settings::with_settings(text, id, settings), holds)
}

/// Renames a plugin's table; returns the resulting configuration. Blocks on the disk.
pub fn rename_plugin(file: &Path, from: &str, to: &str) -> Result<Config, EditError> {
    edit(file, to, "enabled", |text| with_name(text, from, to), |_| true)
}

/// A plugin's settings as TOML; the error names a setting that TOML cannot hold.
pub(super) fn settings_table(id: &str, settings: &Settings) -> Result<toml::Table, String> {
    let text = settings::with_settings("", id, settings)?;
    let mut document: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut within = |key: &str| match document.remove(key) {
        Some(toml::Value::Table(table)) => document = table,
        _ => document = toml::Table::new(),
    };
    ["plugin", id, "settings"].into_iter().for_each(&mut within);
    Ok(document)
}

/// Changes the file. `holds` tells whether the configuration, read back, has the new value: a variable may override it.
fn edit(
    file: &Path,
    id: &str,
    key: &'static str,
    change: impl FnOnce(&str) -> Result<String, String>,
    holds: impl FnOnce(&Config) -> bool,
) -> Result<Config, EditError> {
    let name = file.display().to_string();
    let failed = |what| {
        let file = name.clone();
        move |error| EditError::File { file, what, error }
    };
    let _guard = EDIT_LOCK.lock();
    // Changes the target of a symbolic link, and keeps the link.
    let target = file.canonicalize().map_err(failed("found"))?;
    let text = std::fs::read_to_string(&target).map_err(failed("read"))?;
    let changed = change(&text).map_err(|why| EditError::Faults(format!("{name}: {why}")))?;
    let config =
        Config::from_text(&name, &changed, environment()).map_err(|faults| EditError::Faults(faults.to_string()))?;
    if !holds(&config) {
        return Err(EditError::Outranked { id: id.to_owned(), key, file: name });
    }
    if changed != text {
        replace(&target, changed.as_bytes()).map_err(failed("replaced"))?;
    }
    Ok(config)
}

fn with_switch(text: &str, id: &str, enabled: bool) -> Result<String, String> {
    let mut document = parse(text)?;
    let plugins = plugins(&mut document)?;
    // A plugin without the key is enabled.
    if enabled && plugins.get(id).and_then(Item::as_table_like).and_then(|own| own.get("enabled")).is_none() {
        return Ok(text.to_owned());
    }
    let own = plugin(plugins, id)?;
    match own.get_mut("enabled").and_then(Item::as_value_mut) {
        Some(old) => {
            // Keeps the comment behind the value.
            let decor = old.decor().clone();
            *old = enabled.into();
            *old.decor_mut() = decor;
        }
        None => drop(own.insert("enabled", value(enabled))),
    }
    Ok(document.to_string())
}

fn with_name(text: &str, from: &str, to: &str) -> Result<String, String> {
    let mut document = parse(text)?;
    let plugins = plugins(&mut document)?;
    let Some(own) = plugins.remove(from) else { return Ok(text.to_owned()) };
    if plugins.contains_key(to) {
        return Err(format!("there is a table [plugin.{to}] already"));
    }
    plugins.insert(to, own);
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse().map_err(|error: toml_edit::TomlError| error.to_string())
}

fn plugins(document: &mut DocumentMut) -> Result<&mut dyn TableLike, String> {
    let mut parent = Table::new();
    // `[plugin.x]` needs no `[plugin]` above it.
    parent.set_implicit(true);
    table(document.entry("plugin").or_insert(Item::Table(parent)), "plugin")
}

/// A plugin's table, created if it is missing.
fn plugin<'a>(plugins: &'a mut dyn TableLike, id: &str) -> Result<&'a mut dyn TableLike, String> {
    let mut own = Table::new();
    own.decor_mut().set_prefix("\n");
    table(plugins.entry(id).or_insert(Item::Table(own)), id)
}

fn table<'a>(item: &'a mut Item, key: &str) -> Result<&'a mut dyn TableLike, String> {
    item.as_table_like_mut().ok_or_else(|| format!("`{key}` is not a table"))
}

/// Replaces the file atomically.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().permissions(file.metadata()?.permissions()).tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../config.toml");

    #[test]
    fn switching_a_plugin_changes_one_line() {
        let off = with_switch(SHIPPED, "groups", false).unwrap();
        let added: Vec<&str> = off.lines().filter(|line| !SHIPPED.lines().any(|old| old == *line)).collect();
        assert_eq!(added, ["enabled = false"]);
        assert_eq!(off.lines().count(), SHIPPED.lines().count() + 1);
        let on = with_switch(&off, "groups", true).unwrap();
        assert_eq!(on, off.replace("enabled = false", "enabled = true"));
    }

    #[test]
    fn a_table_is_added_only_to_disable_a_plugin() {
        assert_eq!(with_switch("[log]\n", "echo", true).unwrap(), "[log]\n");
        assert_eq!(with_switch("[log]\n", "echo", false).unwrap(), "[log]\n\n[plugin.echo]\nenabled = false\n");
    }

    #[test]
    fn table_is_found_in_any_notation_and_keeps_its_comments() {
        let text = "[plugin.echo]\nenabled = true # loud\n";
        assert_eq!(with_switch(text, "echo", false).unwrap(), "[plugin.echo]\nenabled = false # loud\n");
        let inline = with_switch("plugin.echo = { order = 1 }\n", "echo", false).unwrap();
        assert!(
            Config::from_text::<&str, &str>("c", &inline, []).is_ok_and(|c| !c.plugin_of("echo").enabled),
            "{inline}"
        );
        assert!(with_switch("plugin = 1\n", "echo", false).is_err());
    }

    #[test]
    fn a_file_with_faults_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[lgo]\n").unwrap();
        let error = switch_plugin(&file, "echo", false).unwrap_err();
        assert!(error.to_string().contains("lgo"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "[lgo]\n");
    }
}
