//! The `push` import: sends custom events to clients.

use super::id;
use crate::plugins::bindings::host::push;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;
use crate::protocol::PushTarget;

impl push::Host for State {
    async fn send(&mut self, to: push::Target, name: String, data: String) -> Result<(), wire::Error> {
        let (unit, plugin) = self.unit()?;
        let to = match to {
            push::Target::Connection(connection) => PushTarget::Connection(id("connection", &connection)?),
            push::Target::Account(account) => PushTarget::Account(id("account", &account)?),
            push::Target::Room(room) => PushTarget::Room(id("room", &room)?),
        };
        Ok(unit.push(plugin, to, name, data).await?)
    }
}
