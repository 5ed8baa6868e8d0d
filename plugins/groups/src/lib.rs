//! Commands to create and manage rooms, with owners, moderators and members.
//!
//! | command | as text | who |
//! | --- | --- | --- |
//! | `room.create` | `/create name [public\|private] [member limit] [password] [topic]` | everybody |
//! | `room.update` | `/update [name] …` | moderators; the password only the owner |
//! | `room.delete` | `/delete-room` | the owner |
//! | `room.transfer` | `/transfer account` | the owner |
//! | `member.invite` | `/invite account` | moderators |
//! | `member.kick`, `member.ban` | `/kick account [reason]`, `/ban account [reason]` | moderators |
//! | `member.unban` | `/unban account` | moderators |
//! | `member.mute` | `/mute account 10m` | moderators |
//! | `guest.kick` | `/kick-guest name` | moderators |
//! | `guest.ban`, `guest.mute` | `/ban-guest 1h name`, `/mute-guest 10m name` | moderators |
//! | `guest.exclude` | `/exclude-guests account 1d`: guests from the account's addresses | moderators |
//! | `guest.pardon` | `/pardon-guests` | moderators |
//! | `room.guests` | `/guests true\|false`: whether guests may join | moderators |
//! | `member.role` | `/role account member\|moderator` | the owner |
//!
//! A command against a member requires a higher role than the member's. A private room without a password is by
//! invitation only. A room's password is a credential of a room guard; this plugin only passes it on.
//! A room that a guest creates has no owner.
//!
//! Settings: none. Grants: `accounts`, `rooms`, `rooms-admin`.

mod guests;
mod members;
mod rooms;

use natterjack_plugin_sdk::prelude::*;

/// The plugin.
#[derive(Debug, Default)]
pub struct Groups;

impl Lifecycle for Groups {
    type Settings = NoSettings;

    fn describe() -> Description {
        Description {
            name: "Groups",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Rooms that people make themselves, and keep order in",
        }
    }

    fn init(_settings: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Commands for Groups {
    fn specs(&self) -> Vec<CommandSpec> {
        [rooms::specs(), members::specs(), guests::specs()].concat()
    }

    fn run(&mut self, ctx: &Context, name: &str, args: Args) -> Result<Value> {
        match name {
            "room.create" => rooms::create(ctx, args.parse()?),
            "room.update" => rooms::update(ctx, args.parse()?),
            "room.delete" => rooms::delete(ctx),
            "room.transfer" => rooms::transfer(ctx, args.parse()?),
            "member.invite" => members::invite(ctx, args.parse()?),
            "member.kick" => members::kick(ctx, args.parse()?),
            "member.ban" => members::ban(ctx, args.parse()?),
            "member.unban" => members::unban(ctx, args.parse()?),
            "member.mute" => members::mute(ctx, args.parse()?),
            "member.role" => members::role(ctx, args.parse()?),
            "guest.kick" => guests::kick(ctx, args.parse()?),
            "guest.ban" => guests::ban(ctx, args.parse()?),
            "guest.mute" => guests::mute(ctx, args.parse()?),
            "guest.exclude" => guests::exclude(ctx, args.parse()?),
            "guest.pardon" => guests::pardon(ctx),
            "room.guests" => guests::allow(ctx, args.parse()?),
            other => Err(Error::unknown_command(other)),
        }
    }
}

register!(Groups: lifecycle, commands);

/// The room of a call. Direct rooms and sessions have no moderators, so these commands are refused there.
fn room(ctx: &Context) -> Result<&RoomRef> {
    let room = ctx.room()?;
    match room.kind {
        RoomKind::Room => Ok(room),
        RoomKind::Direct | RoomKind::Session => Err(Error::forbidden("this works in rooms only")),
    }
}

/// The name of an account.
fn name(account: &AccountId) -> Result<String> {
    match accounts::get(account)? {
        Some(account) => Ok(account.name),
        None => Err(Error::not_found("there is no such account")),
    }
}

/// A reply that consists of a text only.
fn text_reply(text: impl Into<String>) -> Result<Value> {
    Ok(json!({ "text": text.into() }))
}
