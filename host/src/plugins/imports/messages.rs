//! The `messages` import: reads, posts and deletes messages.

use super::id;
use crate::plugins::bindings::host::messages;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;

impl messages::Host for State {
    async fn history(
        &mut self,
        room: String,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<wire::Message>, wire::Error> {
        let (unit, _) = self.unit()?;
        let messages = unit.history(id("room", &room)?, before, limit).await?;
        Ok(messages.into_iter().map(Into::into).collect())
    }

    async fn post(&mut self, room: String, body: String, reply_to: Option<u64>) -> Result<(), wire::Error> {
        let (unit, plugin) = self.unit()?;
        Ok(unit.post(plugin, id("room", &room)?, body, reply_to).await?)
    }

    async fn delete(&mut self, room: String, seq: u64) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.delete_message(id("room", &room)?, seq).await?)
    }
}
