//! What the server has to offer to everybody. Always granted, but not to a filter and not in
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

/// A command, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedCommand {
    /// The id of the plugin that offers it.
    pub plugin: String,
    /// What it is called, what it takes, and who may call it where.
    pub spec: CommandSpec,
}

/// The commands of all plugins that are running, this one's too, in the order of their names.
pub fn commands() -> Vec<OfferedCommand> {
    host::directory::commands()
}
