//! Hides secrets in a plugin's settings: values whose keys are named like secrets are replaced by a placeholder, and a client that
//! sends the placeholder back leaves them unchanged.

use serde_json::Value as Json;

use super::Settings;

const HIDDEN: &str = "<hidden>";
/// The most characters of a setting in a line of the log.
const MAX_LOGGED_CHARS: usize = 200;
const SECRET_WORDS: [&str; 6] = ["secret", "password", "passwd", "token", "key", "credential"];

impl Settings {
    /// The settings with their secrets hidden.
    pub fn shown(&self) -> Json {
        hide(&self.0)
    }

    /// One of the settings for the log: without secrets, and without URLs, which may contain some.
    pub(super) fn logged(&self, name: &str) -> String {
        let shown = hide(&self.0).get(name).map(Json::to_string).unwrap_or_default();
        if shown.contains("://") {
            return HIDDEN.to_owned();
        }
        match shown.char_indices().nth(MAX_LOGGED_CHARS) {
            Some((end, _)) => format!("{}…", &shown[..end]),
            None => shown,
        }
    }

    /// The settings `new`, with secrets in place of their placeholders. The error names a placeholder without a known secret.
    pub fn changed_to(&self, new: Json) -> Result<Self, String> {
        let restored = restore(new, Some(&self.0));
        match unknown_secret(&restored) {
            Some(key) => Err(format!("`{key}` is `{HIDDEN}`, and there is no such secret yet; wanted its value")),
            None => Ok(Self(restored)),
        }
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_WORDS.iter().any(|word| key.ends_with(word))
}

fn hide(json: &Json) -> Json {
    match json {
        Json::Object(object) => {
            let shown = |(key, value): (&String, &Json)| {
                // An empty value is shown as such.
                let secret = is_secret(key) && *value != "";
                (key.clone(), if secret { HIDDEN.into() } else { hide(value) })
            };
            Json::Object(object.iter().map(shown).collect())
        }
        Json::Array(items) => items.iter().map(hide).collect(),
        other => other.clone(),
    }
}

fn restore(new: Json, old: Option<&Json>) -> Json {
    match new {
        Json::Object(object) => {
            let restored = |(key, value): (String, Json)| {
                let old = old.and_then(|old| old.get(&key));
                let value = match old {
                    Some(secret) if value == HIDDEN && is_secret(&key) => secret.clone(),
                    old => restore(value, old),
                };
                (key, value)
            };
            Json::Object(object.into_iter().map(restored).collect())
        }
        Json::Array(items) => {
            let restored = |(place, item)| restore(item, old.and_then(|old| old.get(place)));
            items.into_iter().enumerate().map(restored).collect()
        }
        other => other,
    }
}

fn unknown_secret(json: &Json) -> Option<&str> {
    match json {
        Json::Object(object) => object.iter().find_map(|(key, value)| {
            let unknown = is_secret(key) && *value == HIDDEN;
            if unknown { Some(key.as_str()) } else { unknown_secret(value) }
        }),
        Json::Array(items) => items.iter().find_map(unknown_secret),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_and_survive_a_change_of_other_settings() {
        let kept =
            Settings(json!({"words": ["a"], "api_key": "k", "hooks": [{"url": "u", "authToken": "t"}], "secret": ""}));
        let mut shown = kept.shown();
        assert_eq!(
            shown,
            json!({"words": ["a"], "api_key": "<hidden>", "hooks": [{"url": "u", "authToken": "<hidden>"}], "secret": ""})
        );
        shown["words"] = json!(["b"]);
        shown["secret"] = json!("new");
        assert_eq!(
            kept.changed_to(shown).unwrap().0,
            json!({"words": ["b"], "api_key": "k", "hooks": [{"url": "u", "authToken": "t"}], "secret": "new"})
        );
        assert!(kept.changed_to(json!({"other_key": "<hidden>"})).unwrap_err().contains("other_key"));
    }
}
