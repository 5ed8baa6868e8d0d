//! Commits a call's unit of work: guards check its credentials, other plugins' filters its posts, and the writer stores it.

use std::sync::Arc;

use super::call::Call;
use super::filter::{self, Draft};
use super::guard;
use super::plugin::Plugin;
use super::registry::Registry;
use super::unit::UnitOfWork;
use crate::error::{Error, Result};
use crate::protocol::{Actor, Change, NewPost, Room};

/// Commits what `plugin` staged in `call`, all of it or nothing.
pub(super) async fn apply(registry: &Registry, plugin: &Plugin, unit: Box<UnitOfWork>, call: &Call) -> Result<()> {
    let mut unit = guard::protect(registry, unit, call).await?;
    for (new, room) in unit.posts() {
        filter_post(registry, new, room, call)?;
    }
    let services = unit.services.clone();
    let Some(mut unit) = unit.finish() else { return Ok(()) };
    unit.depth = call.depth;
    if call.depth > 0 {
        // The actor who triggered a reaction did not request it, so the plugin is the actor.
        unit.by = Actor::Plugin(services.bot(&plugin.id).await?);
    }
    for change in &mut unit.changes {
        match (change, call.origin) {
            (Change::Post(new), _) => services.messages.check_body(&new.post.body)?,
            // Only now, so that a call that fails before uses up nothing.
            (Change::CreateRoom(_), Some(origin)) => services.rooms.take_creation(origin)?,
            _ => {}
        }
    }
    let timers_change = unit.changes.iter().any(|change| matches!(change, Change::SetTimer(_)));
    services.writer.commit(unit).await?;
    if timers_change {
        services.timers_changed.notify_one();
    }
    Ok(())
}

/// Runs the filters of other plugins over a plugin's post.
fn filter_post(registry: &Registry, new: &mut NewPost, room: Option<&Room>, call: &Call) -> Result<()> {
    let Actor::Plugin(bot) = &new.by else {
        return Err(Error::internal("a plugin posted in the name of somebody else"));
    };
    let plugin = bot.plugin.clone();
    let call = Call {
        request: call.request,
        actor: new.by.clone(),
        room: room.cloned(),
        role: None,
        connection: None,
        origin: None,
        depth: call.depth,
    };
    let draft =
        Draft { body: new.post.body.to_string(), reply_to: new.post.reply_to, edit_of: None, attachments: Vec::new() };
    if let Some(rewritten) = filter::run(registry, &call, draft, Some(&plugin))? {
        new.post.body = Arc::from(rewritten);
    }
    Ok(())
}
