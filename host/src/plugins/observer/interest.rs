//! The kinds of events and rooms that an observer subscribes to.

use super::event::ObservedEvent;
use crate::hub::Observed;
use crate::plugins::bindings::observer::exports::natterjack::plugin::observer as wire_observer;
use crate::plugins::bindings::wire;
use crate::protocol::EntryPayload;

/// A set of kinds of events and a set of kinds of rooms. Empty for plugins without `observer`.
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

    /// Whether events of this kind are in the set, in any kind of room.
    pub(super) fn has(self, kind: wire_observer::EventKind) -> bool {
        self.events & event_bit(kind) != 0
    }

    /// Whether the event's kind and room are in the set.
    pub(super) fn covers(self, event: &ObservedEvent) -> bool {
        let in_room = event.call.room.as_ref().is_none_or(|room| self.rooms & room_bit(room.kind.into()) != 0);
        in_room && self.has(event.kind)
    }
}

fn event_bit(kind: wire_observer::EventKind) -> u16 {
    1 << kind as u8
}

fn room_bit(kind: wire::RoomKind) -> u8 {
    1 << kind as u8
}

/// The kind of an event; none for events that observers do not receive.
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
    fn interest_has_exactly_the_named_kinds() {
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
