//! The `observer` hook.

use crate::error::Result;
use crate::messages::Message;
use crate::types::{AccountRef, Context, RoomKind};

/// Reacts to committed events.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Welcome;
///
/// impl Observer for Welcome {
///     fn interest(&self) -> Interest {
///         Interest::new(&[EventKind::MemberJoined], &[RoomKind::Room])
///     }
///
///     fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()> {
///         match event {
///             Event::MemberJoined(who) => messages::post(&ctx.room()?.id, &format!("Welcome, {}!", who.name)),
///             _ => Ok(()),
///         }
///     }
/// }
///
/// register!(Welcome: observer);
///
/// let chat = MockHost::new().grant("messages").room("lobby");
/// let bob = chat.by("bob").at("lobby");
/// bob.observe(&mut Welcome, &Event::MemberJoined(chat.account_ref("bob"))).unwrap();
/// assert_eq!(chat.said("lobby"), ["Welcome, bob!"]);
/// ```
pub trait Observer {
    /// The events to be called for; all events by default. A narrow interest saves a busy server work.
    /// Called once for each version of the plugin.
    fn interest(&self) -> Interest {
        Interest::everything()
    }

    /// Called after an event of interest was committed, in the order of each room's log. It runs asynchronously, and its writes
    /// are a unit of work, as a command's are. Delivery is at most once: an event may be lost if the server crashes.
    ///
    /// Events that result from an observer's writes are delivered too, up to a depth of 4, so that two bots cannot answer
    /// each other for ever.
    ///
    /// # Errors
    /// An error discards the call's writes and is logged.
    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()>;
}

/// A committed event. `ctx.actor` caused it, and `ctx.room` is its room, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message was posted. A plugin does not receive its own posts.
    MessagePosted(Message),
    /// A message was edited; this is its current state. A plugin does not receive its own edits.
    MessageEdited(Message),
    /// A message was deleted; this is its `seq`.
    MessageDeleted(u64),
    /// An account became a member: it joined, or was added by `ctx.actor`.
    MemberJoined(AccountRef),
    /// An account is no longer a member. `ctx.actor` is the one who kicked or banned it.
    MemberLeft {
        /// The former member.
        who: AccountRef,
        /// The reason.
        why: DepartureReason,
    },
    /// A room's name, topic, visibility or limit changed; `ctx.room` is its current state.
    RoomUpdated,
    /// A room was deleted; `ctx.room` is its last state. Its data can no longer be read.
    RoomDeleted,
    /// `ctx.connection` has identified itself as `ctx.actor`.
    SessionOpened,
    /// `ctx.connection` was closed.
    SessionClosed,
}

impl Event {
    /// The kind of the event.
    pub fn kind(&self) -> EventKind {
        match self {
            Event::MessagePosted(_) => EventKind::MessagePosted,
            Event::MessageEdited(_) => EventKind::MessageEdited,
            Event::MessageDeleted(_) => EventKind::MessageDeleted,
            Event::MemberJoined(_) => EventKind::MemberJoined,
            Event::MemberLeft { .. } => EventKind::MemberLeft,
            Event::RoomUpdated => EventKind::RoomUpdated,
            Event::RoomDeleted => EventKind::RoomDeleted,
            Event::SessionOpened => EventKind::SessionOpened,
            Event::SessionClosed => EventKind::SessionClosed,
        }
    }
}

/// The kinds of [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented at `Event`")]
pub enum EventKind {
    MessagePosted,
    MessageEdited,
    MessageDeleted,
    MemberJoined,
    MemberLeft,
    RoomUpdated,
    RoomDeleted,
    SessionOpened,
    SessionClosed,
}

/// The events that an observer is called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// These kinds of events …
    pub events: Vec<EventKind>,
    /// … in rooms of these kinds. Sessions open and close outside of rooms, so this does not restrict them.
    pub rooms: Vec<RoomKind>,
}

impl Interest {
    /// An interest in these events in rooms of these kinds.
    pub fn new(events: &[EventKind], rooms: &[RoomKind]) -> Self {
        Self { events: events.to_vec(), rooms: rooms.to_vec() }
    }

    /// An interest in all events.
    pub fn everything() -> Self {
        use EventKind::*;
        let messages = [MessagePosted, MessageEdited, MessageDeleted];
        let rooms = [MemberJoined, MemberLeft, RoomUpdated, RoomDeleted];
        let events = [&messages[..], &rooms, &[SessionOpened, SessionClosed]].concat();
        Self { events, rooms: vec![RoomKind::Room, RoomKind::Direct, RoomKind::Session] }
    }

    /// Whether an observer with this interest is called for the event.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn covers(&self, event: EventKind, room: Option<RoomKind>) -> bool {
        self.events.contains(&event) && room.is_none_or(|room| self.rooms.contains(&room))
    }
}

/// Why an account is no longer a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepartureReason {
    /// It left.
    Left,
    /// It was kicked by a moderator.
    Kicked,
    /// It was banned by a moderator.
    Banned,
}
