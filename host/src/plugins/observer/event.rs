//! Converts the hub's events to those that observers receive.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::Result;
use crate::hub::Observed;
use crate::plugins::Services;
use crate::plugins::bindings::observer::exports::natterjack::plugin::observer as wire_observer;
use crate::plugins::call::Call;
use crate::plugins::message;
use crate::plugins::plugin::Plugin;
use crate::plugins::registry::Registry;
use crate::protocol::{
    Actor, Author, AuthorKind, Bot, ConnectionId, Entry, EntryPayload, Removal, Room, RoomId, RoomName,
};

/// The reaction depth up to which events are delivered; it ends chains of plugins that react to each other.
const MAX_REACTION_DEPTH: u8 = 4;

/// An event with its context, as delivered to observers.
pub(super) struct ObservedEvent {
    pub(super) kind: wire_observer::EventKind,
    pub(super) event: wire_observer::Event,
    /// The context of the event; its depth is that of the event.
    pub(super) call: Call,
    /// The plugin that wrote the message, which does not receive the event.
    pub(super) author: Option<Arc<str>>,
    /// Events with the same key are delivered in order.
    pub(super) order_key: u64,
}

impl ObservedEvent {
    /// The interested observers, without the plugin that wrote the message; none beyond the maximum reaction depth.
    pub(super) fn audience<'a>(&'a self, registry: &'a Registry) -> impl Iterator<Item = &'a Arc<Plugin>> {
        let observers = if self.call.depth > MAX_REACTION_DEPTH { &[] } else { registry.observers() };
        observers.iter().filter(|plugin| self.author.as_ref() != Some(&plugin.id) && plugin.interest.covers(self))
    }
}

/// Reads what observers need to know of an event. None if the event is obsolete, for example because its room was deleted.
pub(super) async fn resolve(
    services: &Services,
    kind: wire_observer::EventKind,
    observed: Observed,
) -> Result<Option<ObservedEvent>> {
    match observed {
        Observed::Opened { by, connection } => {
            Ok(Some(session(kind, wire_observer::Event::SessionOpened, by, connection)))
        }
        Observed::Closed { by, connection } => {
            Ok(Some(session(kind, wire_observer::Event::SessionClosed, by, connection)))
        }
        Observed::Entry { entry, by, depth } => of_entry(services, kind, entry, by, depth).await,
    }
}

fn session(
    kind: wire_observer::EventKind,
    event: wire_observer::Event,
    by: Actor,
    connection: ConnectionId,
) -> ObservedEvent {
    let call = Call {
        request: Uuid::now_v7(),
        actor: by,
        room: None,
        role: None,
        connection: Some(connection),
        origin: None,
        depth: 0,
    };
    ObservedEvent { kind, event, call, author: None, order_key: low_half(connection.0) }
}

async fn of_entry(
    services: &Services,
    kind: wire_observer::EventKind,
    entry: Entry,
    by: Actor,
    depth: u8,
) -> Result<Option<ObservedEvent>> {
    let actor = actor_of(&entry.by, by);
    let author = match (&entry.what, &actor) {
        (EntryPayload::Posted(_) | EntryPayload::Edited { .. }, Actor::Plugin(bot)) => Some(bot.plugin.clone()),
        _ => None,
    };
    let Some(event) = event(services, &entry).await? else { return Ok(None) };
    let room = match entry.what {
        EntryPayload::RoomDeleted { was } => *was,
        // If the room was deleted right after, the event is obsolete.
        _ => match services.rooms.get(&RoomName::Id(entry.room)).await {
            Ok(room) => room,
            Err(crate::error::Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        },
    };
    let call = Call {
        request: Uuid::now_v7(),
        role: role(services, &room, &actor).await?,
        connection: match &actor {
            Actor::Guest(guest) => Some(guest.id),
            _ => None,
        },
        actor,
        room: Some(room),
        origin: None,
        depth,
    };
    Ok(Some(ObservedEvent { kind, event, call, author, order_key: order_key(entry.room) }))
}

async fn event(services: &Services, entry: &Entry) -> Result<Option<wire_observer::Event>> {
    use wire_observer::Event;
    Ok(Some(match &entry.what {
        EntryPayload::Posted(post) => Event::MessagePosted(message::new(entry.seq, &entry.by, entry.at, post)),
        EntryPayload::Edited { of, .. } => {
            // If the message was deleted meanwhile, that is an event of its own.
            match services.database.message(entry.room, *of).await?.filter(|message| message.deleted_at.is_none()) {
                Some(message) => Event::MessageEdited(message.into()),
                None => return Ok(None),
            }
        }
        EntryPayload::Deleted { of } => Event::MessageDeleted(*of),
        EntryPayload::MemberAdded { whom, .. } => Event::MemberJoined(whom.into()),
        EntryPayload::MemberRemoved { whom, why, .. } => {
            Event::MemberLeft(wire_observer::Departure { who: whom.into(), why: (*why).into() })
        }
        EntryPayload::RoomUpdated { .. } => Event::RoomUpdated,
        EntryPayload::RoomDeleted { .. } => Event::RoomDeleted,
        EntryPayload::MemberRole { .. }
        | EntryPayload::Invited { .. }
        | EntryPayload::Reacted { .. }
        | EntryPayload::Tombstone => {
            return Ok(None);
        }
    }))
}

/// The actor of an event. A plugin's post counts as the plugin's own, even if a command's caller caused it.
fn actor_of(author: &Author, by: Actor) -> Actor {
    match (author.kind, author.account) {
        (AuthorKind::Plugin, Some((id, number))) => Actor::Plugin(Bot { plugin: author.name.clone(), id, number }),
        _ => by,
    }
}

async fn role(services: &Services, room: &Room, actor: &Actor) -> Result<Option<crate::protocol::Role>> {
    match actor.account() {
        Some(account) => Ok(services.rooms.membership(room.id, account.id).await?.role),
        None => Ok(None),
    }
}

fn order_key(room: RoomId) -> u64 {
    low_half(room.0)
}

/// The low half of an id is random.
fn low_half(id: Uuid) -> u64 {
    id.as_u64_pair().1
}

impl From<Removal> for wire_observer::DepartureReason {
    fn from(why: Removal) -> Self {
        match why {
            Removal::Left => Self::Left,
            Removal::Kicked => Self::Kicked,
            Removal::Banned => Self::Banned,
        }
    }
}
