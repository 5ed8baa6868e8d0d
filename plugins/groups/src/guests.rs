//! Commands about guests, who have no account and so no membership.

use natterjack_plugin_sdk::prelude::*;
use natterjack_plugin_sdk::{ConnectionId, GuestRef};
use serde::Deserialize;

use crate::{name, room, text_reply};

pub(crate) fn specs() -> Vec<CommandSpec> {
    let by_moderators = |name, summary| CommandSpec::new(name, summary).in_room().minimum_role(Role::Moderator);
    let guest = || Param::text("guest", "What the guest is called here");
    let for_s = || Param::duration("for_s", "How long, 30 days at the most");
    vec![
        by_moderators("guest.kick", "Remove a guest").slash("kick-guest").param(guest()),
        by_moderators("guest.ban", "Keep a guest out, and all others from the same address")
            .slash("ban-guest")
            .param(for_s())
            .param(guest()),
        by_moderators("guest.mute", "Keep a guest from posting, and all others from the same address")
            .slash("mute-guest")
            .param(for_s())
            .param(guest()),
        by_moderators("guest.exclude", "Keep guests out who come from where this account is connected")
            .slash("exclude-guests")
            .param(Param::account("account", "Who"))
            .param(for_s()),
        by_moderators("guest.pardon", "Lift all bans and mutes of guests in this room").slash("pardon-guests"),
        by_moderators("room.guests", "Let guests in to this room, or not")
            .slash("guests")
            .param(Param::boolean("allowed", "Whether guests may come in")),
    ]
}

#[derive(Deserialize)]
pub(crate) struct Target {
    guest: String,
}

#[derive(Deserialize)]
pub(crate) struct TargetFor {
    guest: String,
    for_s: u32,
}

#[derive(Deserialize)]
pub(crate) struct Exclude {
    account: AccountId,
    for_s: u32,
}

#[derive(Deserialize)]
pub(crate) struct Allow {
    allowed: bool,
}

pub(crate) fn kick(ctx: &Context, args: Target) -> Result<Value> {
    act(ctx, &args.guest, rooms_admin::remove_guest)?;
    text_reply(format!("{} is out.", args.guest))
}

pub(crate) fn ban(ctx: &Context, args: TargetFor) -> Result<Value> {
    act(ctx, &args.guest, |room, guest| rooms_admin::ban_guest(room, guest, args.for_s))?;
    text_reply(format!("{} is banned for {} s.", args.guest, args.for_s))
}

pub(crate) fn mute(ctx: &Context, args: TargetFor) -> Result<Value> {
    act(ctx, &args.guest, |room, guest| rooms_admin::mute_guest(room, guest, args.for_s))?;
    text_reply(format!("{} cannot post for {} s.", args.guest, args.for_s))
}

pub(crate) fn exclude(ctx: &Context, args: Exclude) -> Result<Value> {
    rooms_admin::ban_origins(&room(ctx)?.id, &args.account, args.for_s)?;
    text_reply(format!("Guests from where {} is connected are kept out for {} s.", name(&args.account)?, args.for_s))
}

pub(crate) fn pardon(ctx: &Context) -> Result<Value> {
    rooms_admin::pardon_guests(&room(ctx)?.id)?;
    text_reply("Guests are pardoned.")
}

pub(crate) fn allow(ctx: &Context, args: Allow) -> Result<Value> {
    rooms_admin::allow_guests(&room(ctx)?.id, args.allowed)?;
    text_reply(if args.allowed { "Guests may come in." } else { "Guests are not let in any more." })
}

/// Applies an action to every guest of this name: names of guests are not unique.
fn act(ctx: &Context, name: &str, action: impl Fn(&RoomId, &ConnectionId) -> Result<()>) -> Result<()> {
    let room = room(ctx)?;
    let matches = |guest: &GuestRef| {
        guest.name.trim().to_lowercase() == name.trim().to_lowercase() || guest.id.as_str() == name.trim()
    };
    let targets: Vec<GuestRef> = rooms::guests(&room.id)?.into_iter().filter(matches).collect();
    if targets.is_empty() {
        return Err(Error::not_found(format!("there is no guest called {name} in this room")));
    }
    targets.iter().try_for_each(|guest| action(&room.id, &guest.id))
}
