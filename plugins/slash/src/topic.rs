//! `/topic`: shows or sets the room's topic.

use natterjack_plugin_sdk::prelude::*;
use natterjack_plugin_sdk::rooms_admin::RoomChange;
use serde::Deserialize;

pub(crate) fn spec() -> CommandSpec {
    CommandSpec::new("room.topic", "Show what this room is about; moderators say what")
        .in_room()
        .slash("topic")
        .param(Param::text("topic", "A new topic; \"\" takes it away").optional())
}

#[derive(Deserialize)]
pub(crate) struct Topic {
    topic: Option<String>,
}

pub(crate) fn topic(ctx: &Context, args: Topic) -> Result<Value> {
    let room = ctx.room()?;
    let Some(topic) = args.topic else {
        let topic = rooms::get(&room.id)?.map(|room| room.topic).unwrap_or_default();
        let text = if topic.is_empty() { "This room has no topic." } else { &topic };
        return Ok(json!({ "text": text, "topic": topic }));
    };
    if room.kind != RoomKind::Room {
        return Err(Error::forbidden("this works in rooms only"));
    }
    // Everybody may read the topic, so the command itself has no minimum role.
    if ctx.role < Some(Role::Moderator) {
        return Err(Error::forbidden("only moderators set the topic"));
    }
    let topic = topic.trim().to_owned();
    rooms_admin::update_room(&room.id, &RoomChange { topic: Some(topic.clone()), ..RoomChange::default() })?;
    Ok(json!({ "topic": topic }))
}
