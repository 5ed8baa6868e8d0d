//! The `commands` hook.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::types::{Context, Role};

/// Adds commands. Each call is a unit of work: the writes of [`run`](Commands::run) through its imports are
/// committed together when it returns `Ok`, and discarded otherwise.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(Default)]
/// struct Dice;
///
/// #[derive(Deserialize)]
/// struct Roll {
///     sides: u8,
/// }
///
/// impl Commands for Dice {
///     fn specs(&self) -> Vec<CommandSpec> {
///         vec![
///             CommandSpec::new("dice.roll", "Roll a die")
///                 .slash("roll")
///                 .param(Param::integer("sides", "How many sides it has")),
///         ]
///     }
///
///     fn run(&mut self, _ctx: &Context, name: &str, args: Args) -> Result<Value> {
///         match name {
///             "dice.roll" => {
///                 let Roll { sides } = args.parse()?;
///                 if sides < 2 {
///                     return Err(Error::invalid("a die has at least two sides"));
///                 }
///                 Ok(json!({ "rolled": random::bytes(1)[0] % sides + 1 }))
///             }
///             other => Err(Error::unknown_command(other)),
///         }
///     }
/// }
///
/// register!(Dice: commands);
///
/// let chat = MockHost::new();
/// let rolled = chat.by("ann").run(&mut Dice, "dice.roll", json!({ "sides": 6 })).unwrap();
/// assert!((1..=6).contains(&rolled["rolled"].as_u64().unwrap()));
/// assert!(chat.by("ann").run(&mut Dice, "dice.roll", json!({ "sides": "six" })).is_err());
/// ```
pub trait Commands {
    /// The plugin's commands. Called once for each version of the plugin.
    fn specs(&self) -> Vec<CommandSpec>;

    /// Runs a command. The host has checked the place, the minimum role and the parameters. The returned value is the
    /// caller's reply: `json!({…})`, or `serde_json::to_value(…)?` of a type of yours. A caller who typed the command as
    /// `/slash` text is shown the reply's `text`, if it has one.
    ///
    /// # Errors
    /// An error is sent to the caller, and the call's writes are discarded.
    fn run(&mut self, ctx: &Context, name: &str, args: Args) -> Result<Value>;
}

/// The arguments of a call: a JSON object that the host has checked against the command's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Args(String);

impl Args {
    pub(crate) fn new(json: String) -> Self {
        Self(json)
    }

    /// Parses the arguments into a type of the plugin's own, with a field for each parameter.
    ///
    /// # Errors
    /// `invalid` with the name of the argument that cannot be parsed.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        crate::json::read(&self.0).map_err(|fault| Error::invalid(fault.to_string()))
    }
}

/// A command's name, parameters, place and required role.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// let kick = CommandSpec::new("member.kick", "Remove a member")
///     .in_room()
///     .minimum_role(Role::Moderator)
///     .slash("kick")
///     .param(Param::account("account", "Who"))
///     .param(Param::text("reason", "Why, shown to the room").optional());
/// assert_eq!(kick.params.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// `noun.verb`, lower case: `room.create`. Two plugins may not offer the same name.
    pub name: String,
    /// One line that describes it.
    pub summary: String,
    /// The parameters, in the order of `/slash` text; there the last `text` parameter takes the rest of the line.
    pub params: Vec<Param>,
    /// Where it can be called.
    pub place: Place,
    /// The role that the actor needs in the room; none if everybody may call.
    pub minimum_role: Option<Role>,
    /// The word after `/`, if the command can be typed as text.
    pub slash: Option<String>,
}

impl CommandSpec {
    /// A command that everybody can call anywhere, named `noun.verb`, with a one-line summary.
    pub fn new(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            summary: summary.into(),
            params: Vec::new(),
            place: Place::Anywhere,
            minimum_role: None,
            slash: None,
        }
    }

    /// Allows calls only in a room that the actor is in; [`Context::room`] is then set.
    pub fn in_room(mut self) -> Self {
        self.place = Place::InRoom;
        self
    }

    /// Allows calls only by actors with at least this role in the room.
    pub fn minimum_role(mut self, role: Role) -> Self {
        self.minimum_role = Some(role);
        self
    }

    /// Also offers the command as text: `.slash("kick")` allows `/kick bob`.
    pub fn slash(mut self, word: impl Into<String>) -> Self {
        self.slash = Some(word.into());
        self
    }

    /// Adds a parameter.
    pub fn param(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }
}

/// Where a command can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// With or without a room.
    Anywhere,
    /// Only in a room that the actor is in.
    InRoom,
}

/// A parameter of a command. It is required unless [`optional`](Param::optional) is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// The key in the arguments: lower case, digits and `_`.
    pub name: String,
    /// One line that describes it.
    pub summary: String,
    /// The type of its values.
    pub kind: ParamKind,
    /// Whether a call must have it.
    pub required: bool,
}

/// The type of a parameter's values, and the Rust type to parse them into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamKind {
    /// `String`.
    Text,
    /// Any integer type.
    Integer,
    /// `f64`.
    Number,
    /// `bool`.
    Boolean,
    /// [`AccountId`](crate::AccountId); `/slash` text may give the account's name.
    Account,
    /// [`RoomId`](crate::RoomId); `/slash` text may give the room's name.
    Room,
    /// Whole seconds, an integer type; `/slash` text may say `90s`, `10m`, `2h` or `1d`.
    Duration,
    /// One of these words: `String` or an enum.
    Choice(Vec<String>),
}

impl Param {
    fn new(name: impl Into<String>, summary: impl Into<String>, kind: ParamKind) -> Self {
        Self { name: name.into(), summary: summary.into(), kind, required: true }
    }

    /// A text parameter.
    pub fn text(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Text)
    }

    /// A parameter for whole numbers.
    pub fn integer(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Integer)
    }

    /// A parameter for numbers.
    pub fn number(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Number)
    }

    /// A parameter for true or false.
    pub fn boolean(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Boolean)
    }

    /// A parameter for an account.
    pub fn account(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Account)
    }

    /// A parameter for a room other than the one that the command is called in.
    pub fn room(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Room)
    }

    /// A parameter for a duration in whole seconds.
    pub fn duration(name: impl Into<String>, summary: impl Into<String>) -> Self {
        Self::new(name, summary, ParamKind::Duration)
    }

    /// A parameter whose value is one of these words.
    pub fn choice(name: impl Into<String>, summary: impl Into<String>, words: &[&str]) -> Self {
        Self::new(name, summary, ParamKind::Choice(words.iter().map(|&word| word.to_owned()).collect()))
    }

    /// Makes the parameter optional: parse it into an `Option`.
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }
}
