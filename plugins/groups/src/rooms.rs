//! Commands that create, change, transfer and delete rooms.

use natterjack_plugin_sdk::prelude::*;
use natterjack_plugin_sdk::rooms_admin::{NewRoom, RoomChange};
use serde::{Deserialize, Deserializer};

use crate::{name, room, text_reply};

/// The credential name of a room's password.
const PASSWORD: &str = "password";

pub(crate) fn specs() -> Vec<CommandSpec> {
    vec![
        CommandSpec::new("room.create", "Make a room")
            .slash("create")
            .param(Param::text("name", "What it is called"))
            .param(visibility("Who may join; private if there is a password, else public"))
            .param(Param::integer("member_limit", "The most members it may have").optional())
            .param(Param::text("password", "What lets people in to a private room").optional())
            .param(Param::text("topic", "What it is about").optional()),
        CommandSpec::new("room.update", "Change this room")
            .in_room()
            .minimum_role(Role::Moderator)
            .slash("update")
            .param(Param::text("name", "A new name").optional())
            .param(visibility("Who may join"))
            .param(Param::integer("member_limit", "The most members it may have; 0 lifts the limit").optional())
            .param(Param::text("password", "A new password; an empty one takes it away").optional())
            .param(Param::text("topic", "What it is about").optional()),
        CommandSpec::new("room.delete", "Take this room away, with all that was said in it")
            .in_room()
            .minimum_role(Role::Owner)
            .slash("delete-room"),
        CommandSpec::new("room.transfer", "Give this room to another member")
            .in_room()
            .minimum_role(Role::Owner)
            .slash("transfer")
            .param(Param::account("account", "The new owner")),
    ]
}

fn visibility(summary: &str) -> Param {
    Param::choice("visibility", summary, &["public", "private"]).optional()
}

#[derive(Deserialize)]
pub(crate) struct Create {
    name: String,
    visibility: Option<Visibility>,
    #[serde(default, deserialize_with = "limit")]
    member_limit: Option<u32>,
    password: Option<String>,
    topic: Option<String>,
}

/// Parses a member limit. A number out of range becomes one that the host refuses with the field's name.
fn limit<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<u32>, D::Error> {
    let limit = Option::<i64>::deserialize(value)?;
    Ok(limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)))
}

pub(crate) fn create(ctx: &Context, args: Create) -> Result<Value> {
    // Clients in some languages send zero values for omitted fields: they mean no limit and no password.
    let args = Create {
        member_limit: args.member_limit.filter(|limit| *limit > 0),
        password: args.password.filter(|password| !password.is_empty()),
        ..args
    };
    let private = Visibility::Private;
    let visibility = args.visibility.unwrap_or(if args.password.is_some() { private } else { Visibility::Public });
    if args.password.is_some() && visibility != private {
        return Err(Error::invalid("only a private room has a password"));
    }
    let room = NewRoom {
        name: args.name,
        visibility,
        topic: args.topic.unwrap_or_default(),
        member_limit: args.member_limit,
        credentials: args.password.map(|password| Credential::new(PASSWORD, password)).into_iter().collect(),
        owner: ctx.account().ok().map(|account| account.id.clone()),
    };
    let created = rooms_admin::create_room(&room)?;
    Ok(json!({
        "room": {
            "uid": created.id,
            "code": created.code,
            "name": room.name,
            "visibility": room.visibility,
            "topic": room.topic,
            "member_limit": room.member_limit,
        },
        "text": format!("{} is made; its code is {}.", room.name, created.code),
    }))
}

#[derive(Deserialize)]
pub(crate) struct Update {
    name: Option<String>,
    visibility: Option<Visibility>,
    #[serde(default, deserialize_with = "limit")]
    member_limit: Option<u32>,
    password: Option<String>,
    topic: Option<String>,
}

pub(crate) fn update(ctx: &Context, args: Update) -> Result<Value> {
    let room = room(ctx)?;
    let credentials = match args.password {
        None => vec![],
        Some(_) if ctx.role == Some(Role::Moderator) => {
            return Err(Error::forbidden("only the owner changes the password"));
        }
        Some(password) if password.is_empty() => vec![Credential::removal(PASSWORD)],
        Some(_) if args.visibility.unwrap_or(room.visibility) != Visibility::Private => {
            return Err(Error::invalid("only a private room has a password"));
        }
        Some(password) => vec![Credential::new(PASSWORD, password)],
    };
    let change = RoomChange {
        name: args.name,
        visibility: args.visibility,
        topic: args.topic,
        member_limit: args.member_limit.map(|limit| (limit > 0).then_some(limit)),
        credentials,
    };
    if change == RoomChange::default() {
        return Err(Error::invalid("say what to change: name, visibility, member_limit, password or topic"));
    }
    rooms_admin::update_room(&room.id, &change)?;
    text_reply("The room is changed.")
}

pub(crate) fn delete(ctx: &Context) -> Result<Value> {
    let room = room(ctx)?;
    rooms_admin::delete_room(&room.id)?;
    text_reply(format!("{} is gone.", room.name))
}

#[derive(Deserialize)]
pub(crate) struct Transfer {
    account: AccountId,
}

pub(crate) fn transfer(ctx: &Context, args: Transfer) -> Result<Value> {
    let room = room(ctx)?;
    if rooms::member(&room.id, &args.account)?.is_none() {
        return Err(Error::not_found("only a member can be given the room"));
    }
    if let Ok(owner) = ctx.account() {
        if owner.id == args.account {
            return Err(Error::invalid("the room is yours already"));
        }
        rooms_admin::set_role(&room.id, &owner.id, Role::Moderator)?;
    }
    rooms_admin::set_role(&room.id, &args.account, Role::Owner)?;
    text_reply(format!("The room is {}'s now.", name(&args.account)?))
}
