//! The plugin's table of `config.toml`.

use natterjack_plugin_sdk::Role;
use serde::Deserialize;

/// The plugin's settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub(crate) words: Vec<String>,
    pub(crate) patterns: Vec<String>,
    pub(crate) evasions: Vec<Evasion>,
    pub(crate) action: Action,
    pub(crate) mask: char,
    pub(crate) reason: String,
    pub(crate) links: LinkRules,
    pub(crate) flood: FloodRules,
    pub(crate) exempt: Option<Role>,
    pub(crate) exempt_rooms: Vec<String>,
}

/// The action on a message with a hit.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Mask,
    Reject,
}

/// A way to disguise a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Evasion {
    /// `d a r n`
    Spacing,
    /// `d4rn`, or with Cyrillic letters
    Lookalikes,
    /// `daaarn`
    Repeats,
    /// `dárn`
    Accents,
}

/// The set of evasions to detect.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evasions {
    pub(crate) spacing: bool,
    pub(crate) lookalikes: bool,
    pub(crate) repeats: bool,
    pub(crate) accents: bool,
    /// Whether `l` is read as `i`, as `1` is.
    pub(crate) l_is_i: bool,
}

impl Evasions {
    pub(crate) fn new(evasions: &[Evasion]) -> Self {
        let has = |evasion| evasions.contains(&evasion);
        Self {
            spacing: has(Evasion::Spacing),
            lookalikes: has(Evasion::Lookalikes),
            repeats: has(Evasion::Repeats),
            accents: has(Evasion::Accents),
            l_is_i: false,
        }
    }
}

/// Lists of hosts, which include their subdomains.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LinkRules {
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
}

/// Flood limits; 0 turns a rule off.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FloodRules {
    pub(crate) messages: u32,
    pub(crate) seconds: u32,
    pub(crate) repeats: u32,
    pub(crate) repeat_seconds: u32,
}

impl FloodRules {
    /// How long a message counts, in milliseconds.
    pub(crate) fn max_age_ms(self) -> u64 {
        u64::from(self.seconds.max(self.repeat_seconds)) * 1_000
    }
}

impl Default for FloodRules {
    fn default() -> Self {
        Self { messages: 0, seconds: 10, repeats: 0, repeat_seconds: 60 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            patterns: Vec::new(),
            evasions: vec![Evasion::Spacing, Evasion::Lookalikes, Evasion::Repeats],
            action: Action::Mask,
            mask: '*',
            reason: "This message has something in it that is not welcome here.".to_owned(),
            links: LinkRules::default(),
            flood: FloodRules::default(),
            exempt: None,
            exempt_rooms: Vec::new(),
        }
    }
}
