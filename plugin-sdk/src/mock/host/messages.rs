//! The mock `messages` import.

use super::granted;
use crate::mock::{PLUGIN, State};
use crate::{Actor, Author, Error, Message, Result, RoomId, Write};

/// Messages that one call may post.
const POSTS: usize = 20;

pub(crate) fn history(room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<Message>> {
    granted("messages", |state| {
        let room = state.world.room_by_id(room).ok_or_else(no_room)?;
        // On the server, this call's posts have no number yet.
        let unit = state.posted_before_unit(&room.describe().id);
        let there = room.messages.iter().filter(|message| message.seq <= unit);
        let there: Vec<_> = there.filter(|message| before.is_none_or(|before| message.seq < before)).collect();
        let from = there.len().saturating_sub(limit.clamp(1, 200) as usize);
        Ok(there[from..].iter().copied().cloned().collect())
    })
}

pub(crate) fn post(room: &RoomId, body: &str, reply_to: Option<u64>) -> Result<()> {
    granted("messages", |state| {
        check_post(state, room, body, reply_to)?;
        let now = state.world.now;
        state.world.room_mut(room)?.post(now, Author::Plugin(PLUGIN.to_owned()), body, reply_to);
        state.writes.push(Write::Post(room.clone(), body.to_owned(), reply_to));
        Ok(())
    })
}

pub(crate) fn delete(room: &RoomId, seq: u64) -> Result<()> {
    granted("messages", |state| {
        let messages = &mut state.world.room_mut(room)?.messages;
        let at = messages.iter().position(|message| message.seq == seq).ok_or_else(no_message)?;
        messages.remove(at);
        state.writes.push(Write::DeleteMessage(room.clone(), seq));
        Ok(())
    })
}

fn check_post(state: &State, room: &RoomId, body: &str, reply_to: Option<u64>) -> Result<()> {
    let room = state.world.room_by_id(room).ok_or_else(no_room)?;
    if body.is_empty() {
        return Err(Error::invalid("a message is not empty"));
    }
    if body.chars().count() > 4_000 {
        return Err(Error::too_large("a message has at most 4,000 characters"));
    }
    if state.writes.iter().filter(|write| matches!(write, Write::Post(..))).count() == POSTS {
        return Err(Error::too_large("a call posts at most 20 messages"));
    }
    if let Some(Actor::Account(actor)) = &state.actor
        && room.muted_until(&actor.id, state.world.now).is_some()
    {
        return Err(Error::forbidden("muted in this room"));
    }
    match reply_to {
        Some(seq) if !room.messages.iter().any(|message| message.seq == seq) => Err(no_message()),
        _ => Ok(()),
    }
}

fn no_room() -> Error {
    Error::not_found("there is no such room")
}

fn no_message() -> Error {
    Error::not_found("there is no such message")
}
