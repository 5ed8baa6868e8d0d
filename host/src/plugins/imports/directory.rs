//! The `directory` import: lists the commands of all plugins.

use crate::plugins::bindings::host::directory;
use crate::plugins::bindings::wire;
use crate::plugins::command::{CommandInfo, Param, ParamKind, Place};
use crate::plugins::state::State;

impl directory::Host for State {
    /// Empty in `init` and in filters, which have no unit of work.
    fn commands(&mut self) -> Vec<directory::OfferedCommand> {
        let Some(unit) = &self.unit else { return Vec::new() };
        let mut commands: Vec<_> = unit.registry.commands().collect();
        commands.sort_by(|a, b| a.name.cmp(&b.name));
        commands.into_iter().map(|command| to_wire(command)).collect()
    }
}

fn to_wire(command: &CommandInfo) -> directory::OfferedCommand {
    let spec = wire::CommandSpec {
        name: command.name.to_string(),
        summary: command.summary.clone(),
        params: command.params.iter().map(param).collect(),
        place: match command.place {
            Place::Anywhere => wire::Place::Anywhere,
            Place::InRoom => wire::Place::InRoom,
        },
        minimum_role: command.minimum_role.map(Into::into),
        slash: command.slash.as_deref().map(Into::into),
    };
    directory::OfferedCommand { plugin: command.plugin.to_string(), spec }
}

fn param(param: &Param) -> wire::Param {
    let kind = match &param.kind {
        ParamKind::Text => wire::ParamKind::Text,
        ParamKind::Integer => wire::ParamKind::Integer,
        ParamKind::Number => wire::ParamKind::Number,
        ParamKind::Boolean => wire::ParamKind::Boolean,
        ParamKind::Account => wire::ParamKind::Account,
        ParamKind::Room => wire::ParamKind::Room,
        ParamKind::Duration => wire::ParamKind::Duration,
        ParamKind::Choice(words) => wire::ParamKind::Choice(words.clone()),
    };
    wire::Param { name: param.name.clone(), summary: param.summary.clone(), kind, required: param.required }
}
