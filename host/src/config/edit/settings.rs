//! Writes a plugin's settings from JSON into its table.

use serde_json::Value as Json;
use toml_edit::{Array, InlineTable, Item, TableLike, Value};

use super::{parse, plugin, plugins, table};
use crate::config::Settings;

pub(super) fn with_settings(text: &str, id: &str, settings: &Settings) -> Result<String, String> {
    let mut document = parse(text)?;
    let own = plugin(plugins(&mut document)?, id)?;
    let written = own.entry("settings").or_insert(Item::Value(InlineTable::new().into()));
    let written = table(written, "settings")?;
    let empty = serde_json::Map::new();
    let wanted = settings.0.as_object().unwrap_or(&empty);
    let gone: Vec<String> =
        written.iter().map(|(key, _)| key.to_owned()).filter(|key| !wanted.contains_key(key)).collect();
    for key in gone {
        written.remove(&key);
    }
    for (key, value) in wanted {
        set(written, key, toml(key, value)?);
    }
    Ok(document.to_string())
}

/// Sets a key; an equal value stays as it is written.
fn set(written: &mut dyn TableLike, key: &str, mut value: Value) {
    let old = written.get_mut(key).and_then(Item::as_value_mut);
    match old {
        Some(old) if same(old, &value) => {}
        Some(old) => {
            // Keeps the comment behind the value.
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => drop(written.insert(key, Item::Value(value))),
    }
}

fn same(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
        }
        (Value::InlineTable(old), Value::InlineTable(new)) => {
            old.len() == new.len() && old.iter().all(|(key, old)| new.get(key).is_some_and(|new| same(old, new)))
        }
        (Value::String(old), Value::String(new)) => old.value() == new.value(),
        (Value::Integer(old), Value::Integer(new)) => old.value() == new.value(),
        (Value::Float(old), Value::Float(new)) => old.value() == new.value(),
        (Value::Boolean(old), Value::Boolean(new)) => old.value() == new.value(),
        _ => false,
    }
}

fn toml(key: &str, json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => {
            return Err(format!("settings.{key}: is null, which TOML does not have; leave the key out instead"));
        }
        Json::Bool(value) => (*value).into(),
        Json::String(text) => text.as_str().into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) if number.is_f64() => float.into(),
            _ => return Err(format!("settings.{key}: {number} is too large; wanted at most {}", i64::MAX)),
        },
        Json::Array(items) => {
            Value::Array(items.iter().map(|item| toml(key, item)).collect::<Result<Array, String>>()?)
        }
        Json::Object(object) => {
            let mut table = InlineTable::new();
            for (name, value) in object {
                table.insert(name, toml(&format!("{key}.{name}"), value)?);
            }
            Value::InlineTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    /// Writes the settings, and checks that they are read back.
    fn written(text: &str, settings: &Json) -> String {
        let wanted = Settings(settings.clone());
        let changed = with_settings(text, "echo", &wanted).unwrap();
        let config = Config::from_text::<&str, &str>("c", &changed, []).unwrap();
        assert_eq!(config.plugin_of("echo").settings.0, *settings, "{changed}");
        changed
    }

    #[test]
    fn settings_are_read_back_as_written() {
        let all = json!({"a": [1, -2, 0.5, "x\n\"y\""], "b": {"c d": true, "e": [{"f": {}}]}, "g": ""});
        written("", &all);
        written("plugin.echo = { order = 1 }\n", &all);
        written("[plugin.echo.settings]\na = 3\n\n[plugin.echo.settings.h]\ni = 1\n", &all);
        let text = written("[plugin.echo]\norder = 1\n", &json!({"words": ["a"]}));
        assert_eq!(text, "[plugin.echo]\norder = 1\nsettings = { words = [\"a\"] }\n");
    }

    #[test]
    fn unchanged_settings_keep_their_form_and_comments() {
        let text = "[plugin.echo.settings]\n# the loud one\na = 0x10 # why\nb = 'x'\n\n[log]\nlevel = \"warn\" # w\n";
        let changed = written(text, &json!({"a": 16, "c": 1}));
        assert_eq!(
            changed,
            "[plugin.echo.settings]\n# the loud one\na = 0x10 # why\nc = 1\n\n[log]\nlevel = \"warn\" # w\n"
        );
    }

    #[test]
    fn values_that_toml_cannot_hold_are_refused_by_name() {
        let refused = |settings: Json| with_settings("", "echo", &Settings(settings)).unwrap_err();
        assert!(refused(json!({"a": {"b": [null]}})).contains("settings.a.b"));
        assert!(refused(json!({"a": u64::MAX})).contains("too large"));
    }
}
