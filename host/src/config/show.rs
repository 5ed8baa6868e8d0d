//! Renders the configuration in force as TOML, in the order of the sections, with secrets hidden.

use toml::Value;

use super::tree::join;

pub(super) enum Shown {
    Plain(Value),
    Table(Vec<(String, Shown)>),
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self::Plain(text.into())
    }
}

impl Shown {
    /// A table of the keys that are set.
    pub(super) fn table(entries: Vec<(String, Option<Shown>)>) -> Self {
        Self::Table(entries.into_iter().filter_map(|(name, shown)| Some((name, shown?))).collect())
    }

    pub(super) fn array(items: impl Iterator<Item = Shown>) -> Self {
        Self::Plain(Value::Array(items.map(Shown::into_value).collect()))
    }

    /// The value as it is written behind its key.
    pub(super) fn into_text(self) -> String {
        self.into_value().to_string()
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Plain(value) => value,
            Self::Table(entries) => {
                Value::Table(entries.into_iter().map(|(name, shown)| (name, shown.into_value())).collect())
            }
        }
    }

    /// A whole document: nested tables become `[a.b]`, tables within those are inline.
    pub(super) fn into_document(self) -> String {
        let mut text = String::new();
        write_tables(self, "", &mut text);
        text
    }
}

fn write_tables(shown: Shown, path: &str, text: &mut String) {
    let Shown::Table(entries) = shown else { return };
    for (name, shown) in entries {
        let path = join(path, &name);
        match shown {
            // `plugin` holds a table for each plugin; it is the only section that is not a table of keys itself.
            Shown::Table(_) if name == "plugin" => write_tables(shown, &path, text),
            Shown::Table(entries) => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(&format!("[{path}]\n"));
                for (key, value) in entries {
                    text.push_str(&format!("{key} = {}\n", value.into_value()));
                }
            }
            Shown::Plain(value) => text.push_str(&format!("{name} = {value}\n")),
        }
    }
}
