//! The `observer` hook.

use crate::error::Result;
use crate::messages::Message;
use crate::types::{AccountRef, Context, RoomKind};

/// Acts on what has happened.
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
    /// What to be called for. The less it is, the less a busy server has to do; without this method it is everything.
    /// Asked once for each version of the plugin.
    fn interest(&self) -> Interest {
        Interest::everything()
    }

    /// Called after an event of interest was committed; of each room in the order of its log. Nobody waits for it, and what it
    /// writes is a unit of work, as a command's is. It may miss an event when the server dies, and is told none twice.
    ///
    /// Events that come of what an observer wrote are told too, but no more than 4 deep, so that two bots cannot talk
    /// for ever.
    ///
    /// # Errors
    /// An error undoes what the call wrote and goes to the log.
    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()>;
}

/// What has happened. `ctx.actor` did it, and where it happened in a room `ctx.room` is that room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A plugin is not told of its own posts.
    MessagePosted(Message),
    /// The message as it is now. A plugin is not told of its own.
    MessageEdited(Message),
    /// The `seq` of the message.
    MessageDeleted(u64),
    /// Somebody became a member: joined, or was added by `ctx.actor`.
    MemberJoined(AccountRef),
    /// Somebody is no longer a member. A kick or a ban is `ctx.actor`'s.
    MemberLeft {
        /// Who.
        who: AccountRef,
        /// Why.
        why: DepartureReason,
    },
    /// Its name, topic, visibility or limit; `ctx.room` is the room as it is now.
    RoomUpdated,
    /// `ctx.room` is the room as it was. Nothing of it can be read any more.
    RoomDeleted,
    /// `ctx.connection` has said who it is: `ctx.actor`.
    SessionOpened,
    /// `ctx.connection` is gone.
    SessionClosed,
}

impl Event {
    /// What kind of event it is.
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
#[allow(missing_docs, reason = "`Event` tells them")]
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

/// What an observer wants to be called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interest {
    /// These kinds of events …
    pub events: Vec<EventKind>,
    /// … in rooms of these kinds. Sessions that open and close do so in no room.
    pub rooms: Vec<RoomKind>,
}

impl Interest {
    /// Some events in some rooms.
    pub fn new(events: &[EventKind], rooms: &[RoomKind]) -> Self {
        Self { events: events.to_vec(), rooms: rooms.to_vec() }
    }

    /// All that happens.
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

/// Why somebody is no longer a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepartureReason {
    /// Of their own will.
    Left,
    /// A moderator's.
    Kicked,
    /// A moderator's, for good.
    Banned,
}
