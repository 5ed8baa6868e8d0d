//! What an observer wants to be told of.

use super::event::Told;
use crate::hub::Observed;
use crate::plugins::bindings::observer::exports::natterjack::plugin::observer as wire_observer;
use crate::plugins::bindings::wire;
use crate::protocol::EntryPayload;

/// A set of kinds of events, in a set of kinds of rooms. Nothing, for those who do not observe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Interest {
    events: u16,
    rooms: u8,
}

impl Interest {
    pub(in super::super) fn new(wanted: &wire_observer::Interest) -> Self {
        let events = wanted.events.iter().fold(0, |events, kind| events | event_bit(*kind));
        let rooms = wanted.rooms.iter().fold(0, |rooms, kind| rooms | room_bit(*kind));
        Self { events, rooms }
    }

    /// Whether it may be told of such an event, wherever it happened.
    pub(super) fn has(self, kind: wire_observer::EventKind) -> bool {
        self.events & event_bit(kind) != 0
    }

    pub(super) fn covers(self, told: &Told) -> bool {
        let there = told.call.room.as_ref().is_none_or(|room| self.rooms & room_bit(room.kind.into()) != 0);
        there && self.has(told.kind)
    }
}

fn event_bit(kind: wire_observer::EventKind) -> u16 {
    1 << kind as u8
}

fn room_bit(kind: wire::RoomKind) -> u8 {
    1 << kind as u8
}

/// None for what nobody is told of.
pub(super) fn kind(observed: &Observed) -> Option<wire_observer::EventKind> {
    use wire_observer::EventKind;
    let what = match observed {
        Observed::Opened { .. } => return Some(EventKind::SessionOpened),
        Observed::Closed { .. } => return Some(EventKind::SessionClosed),
        Observed::Entry { entry, .. } => &entry.what,
    };
    match what {
        EntryPayload::Posted(_) => Some(EventKind::MessagePosted),
        EntryPayload::Edited { .. } => Some(EventKind::MessageEdited),
        EntryPayload::Deleted { .. } => Some(EventKind::MessageDeleted),
        EntryPayload::MemberAdded { .. } => Some(EventKind::MemberJoined),
        EntryPayload::MemberRemoved { .. } => Some(EventKind::MemberLeft),
        EntryPayload::RoomUpdated { .. } => Some(EventKind::RoomUpdated),
        EntryPayload::RoomDeleted { .. } => Some(EventKind::RoomDeleted),
        EntryPayload::MemberRole { .. }
        | EntryPayload::Invited { .. }
        | EntryPayload::Reacted { .. }
        | EntryPayload::Tombstone => None,
    }
}

#[cfg(test)]
mod tests {
    use super::wire_observer::EventKind;
    use super::*;

    #[test]
    fn an_interest_is_in_what_it_names() {
        let wanted = wire_observer::Interest {
            events: vec![EventKind::MemberLeft, EventKind::SessionClosed],
            rooms: vec![wire::RoomKind::Room],
        };
        let interest = Interest::new(&wanted);
        assert!(interest.has(EventKind::MemberLeft) && interest.has(EventKind::SessionClosed));
        assert!(!interest.has(EventKind::MessagePosted) && !interest.has(EventKind::SessionOpened));
        assert!(!Interest::default().has(EventKind::MessagePosted));
    }
}
