//! Lists the commands of all plugins. Always granted, but empty in a filter and in
//! [`Lifecycle::init`](crate::Lifecycle::init).
//!
//! ```
//! use natterjack_plugin_sdk::prelude::*;
//! # #[derive(Default)]
//! # struct Dice;
//! # impl Commands for Dice {
//! #     fn specs(&self) -> Vec<CommandSpec> { vec![CommandSpec::new("dice.roll", "Roll a die")] }
//! #     fn run(&mut self, _ctx: &Context, _name: &str, _args: Args) -> Result<Value> { Ok(json!({})) }
//! # }
//! let _chat = MockHost::new().plugin("dice", &Dice);
//! assert_eq!(directory::commands()[0].spec.name, "dice.roll");
//! ```

use crate::command::CommandSpec;
use crate::host;

/// A command and its plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedCommand {
    /// The id of the plugin.
    pub plugin: String,
    /// The command's name, parameters, place and required role.
    pub spec: CommandSpec,
}

/// The commands of all running plugins, including this one's, sorted by name.
pub fn commands() -> Vec<OfferedCommand> {
    host::directory::commands()
}
