//! Commands about members: invitations, kicks, bans, mutes and roles.

use natterjack_plugin_sdk::prelude::*;
use serde::Deserialize;

use crate::{name, room, text_reply};

pub(crate) fn specs() -> Vec<CommandSpec> {
    let by_moderators = |name, summary| CommandSpec::new(name, summary).in_room().minimum_role(Role::Moderator);
    let account = || Param::account("account", "Who");
    // The room is shown the reason of a kick or ban; that of an invitation or unban is accepted and ignored.
    let reason = || Param::text("reason", "Why").optional();
    vec![
        by_moderators("member.invite", "Let somebody join this room").slash("invite").param(account()).param(reason()),
        by_moderators("member.kick", "Remove a member").slash("kick").param(account()).param(reason()),
        by_moderators("member.ban", "Keep somebody out of this room").slash("ban").param(account()).param(reason()),
        by_moderators("member.unban", "Let somebody come back").slash("unban").param(account()).param(reason()),
        by_moderators("member.mute", "Keep a member from posting for a while")
            .slash("mute")
            .param(account())
            .param(Param::duration("for_s", "How long; 0 lets them post again")),
        CommandSpec::new("member.role", "Make somebody a moderator, or a member again")
            .in_room()
            .minimum_role(Role::Owner)
            .slash("role")
            .param(account())
            // Only `room.transfer` makes somebody the owner, so that a room never has two.
            .param(Param::choice("role", "What they may do", &["member", "moderator"])),
    ]
}

#[derive(Deserialize)]
pub(crate) struct Target {
    account: AccountId,
    reason: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Mute {
    account: AccountId,
    for_s: u32,
}

#[derive(Deserialize)]
pub(crate) struct GiveRole {
    account: AccountId,
    role: Role,
}

pub(crate) fn invite(ctx: &Context, args: Target) -> Result<Value> {
    let room = room(ctx)?;
    if rooms::member(&room.id, &args.account)?.is_some() {
        return Err(Error::conflict("already a member"));
    }
    rooms_admin::invite(&room.id, &args.account)?;
    text_reply(format!("{} is invited.", name(&args.account)?))
}

pub(crate) fn kick(ctx: &Context, args: Target) -> Result<Value> {
    let room = room(ctx)?;
    require_lower_member(ctx, room, &args.account)?;
    rooms_admin::remove_member(&room.id, &args.account, args.reason.as_deref())?;
    text_reply(format!("{} is out.", name(&args.account)?))
}

pub(crate) fn ban(ctx: &Context, args: Target) -> Result<Value> {
    let room = room(ctx)?;
    require_lower(ctx, room, &args.account)?;
    rooms_admin::ban(&room.id, &args.account, args.reason.as_deref())?;
    text_reply(format!("{} is banned.", name(&args.account)?))
}

pub(crate) fn unban(ctx: &Context, args: Target) -> Result<Value> {
    rooms_admin::unban(&room(ctx)?.id, &args.account)?;
    text_reply(format!("{} may come back.", name(&args.account)?))
}

pub(crate) fn mute(ctx: &Context, args: Mute) -> Result<Value> {
    let room = room(ctx)?;
    require_lower_member(ctx, room, &args.account)?;
    rooms_admin::mute(&room.id, &args.account, args.for_s)?;
    let name = name(&args.account)?;
    text_reply(match args.for_s {
        0 => format!("{name} may post again."),
        seconds => format!("{name} cannot post for {seconds} s."),
    })
}

pub(crate) fn role(ctx: &Context, args: GiveRole) -> Result<Value> {
    let room = room(ctx)?;
    require_lower_member(ctx, room, &args.account)?;
    rooms_admin::set_role(&room.id, &args.account, args.role)?;
    text_reply(format!("{} is a {} now.", name(&args.account)?, args.role))
}

/// Fails unless the target is a member with a lower role than the actor's.
fn require_lower_member(ctx: &Context, room: &RoomRef, target: &AccountId) -> Result<()> {
    match require_lower(ctx, room, target)? {
        Some(_) => Ok(()),
        None => Err(Error::not_found("not a member of this room")),
    }
}

/// Fails if the target's role is not lower than the actor's. A target that is no member has no role.
fn require_lower(ctx: &Context, room: &RoomRef, target: &AccountId) -> Result<Option<Role>> {
    if ctx.account().is_ok_and(|actor| actor.id == *target) {
        return Err(Error::invalid("that is you"));
    }
    let role = rooms::member(&room.id, target)?.map(|member| member.role);
    match (&ctx.actor, role) {
        // The server and its plugins are not subject to roles.
        (Actor::Server | Actor::Plugin(_), _) => Ok(role),
        (_, Some(role)) if ctx.role.is_none_or(|own| own <= role) => {
            Err(Error::forbidden(format!("you cannot do this to a room's {role}")))
        }
        _ => Ok(role),
    }
}
