//! The plugin's table of `config.toml`.

use serde::Deserialize;

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub(crate) words: Vec<String>,
    pub(crate) patterns: Vec<String>,
    pub(crate) action: Action,
    pub(crate) mask: char,
    pub(crate) reason: String,
}

/// What happens to a message with a hit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Mask,
    Reject,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            patterns: Vec::new(),
            action: Action::Mask,
            mask: '*',
            reason: "This message has a word in it that is not welcome here.".to_owned(),
        }
    }
}
