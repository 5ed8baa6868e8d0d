//! The `lifecycle` hook.

use serde::{Deserialize, de::DeserializeOwned};

use crate::error::Result;

/// Creates an instance from settings, and describes the plugin. Without this hook an instance is created by [`Default`].
///
/// `Settings` is parsed from `settings` in the plugin's table of `config.toml`. Give it
/// `#[serde(deny_unknown_fields)]`, so that a misspelt key is an error, and `#[serde(default)]`
/// for optional keys.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Settings {
///     longest: usize,
/// }
///
/// struct Brevity {
///     longest: usize,
/// }
///
/// impl Lifecycle for Brevity {
///     type Settings = Settings;
///
///     fn describe() -> Description {
///         Description { name: "Brevity", version: "1.0.0", summary: "Keeps messages short" }
///     }
///
///     fn init(settings: Settings) -> Result<Self, String> {
///         if settings.longest == 0 {
///             return Err("`longest` must be at least 1".to_owned());
///         }
///         Ok(Self { longest: settings.longest })
///     }
/// }
///
/// impl MessageFilter for Brevity {
///     fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
///         match draft.body.chars().count() <= self.longest {
///             true => Verdict::Allow,
///             false => Verdict::reject("too_long", "make it shorter"),
///         }
///     }
/// }
///
/// register!(Brevity: lifecycle, message_filter);
///
/// let chat = MockHost::new();
/// assert!(chat.init::<Brevity>(json!({ "longest": 80 })).is_ok());
/// let misspelt = chat.init::<Brevity>(json!({ "longset": 80 })).err();
/// assert!(misspelt.is_some_and(|error| error.contains("`longset`")));
/// ```
pub trait Lifecycle: Sized {
    /// The plugin's own settings; [`NoSettings`] if there are none.
    type Settings: DeserializeOwned;

    /// The plugin's name, version and summary. `env!("CARGO_PKG_VERSION")` takes the version from `Cargo.toml`.
    fn describe() -> Description;

    /// Creates an instance. Called before any other hook; of the imports only [`log`](crate::log),
    /// [`clock`](crate::clock) and [`random`](crate::random) can be used here.
    ///
    /// # Errors
    /// With an error the plugin does not start, and a previous version keeps running. The operator sees the text, so
    /// it should name the key and the allowed values.
    fn init(settings: Self::Settings) -> Result<Self, String>;
}

/// The settings of a plugin that has none: any key is an error.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// A plugin's description, for lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The name for people, such as "Word filter".
    pub name: &'static str,
    /// The plugin's version, such as "1.2.0".
    pub version: &'static str,
    /// One line that describes its purpose.
    pub summary: &'static str,
}

/// Parses settings and creates an instance; an error names the key.
pub(crate) fn init<T: Lifecycle>(settings: &str) -> Result<T, String> {
    T::init(crate::json::read(settings).map_err(|fault| fault.quoted())?)
}
