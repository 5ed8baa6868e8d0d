//! Entries after which others hear a room than before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Listener, Place};
use crate::dialect::Encoded;
use crate::hub::link::Link;
use crate::hub::{Connection, Hub, PendingBroadcast};
use crate::protocol::{AccountId, EntryPayload, Event, Eviction, EvictionCause, Room};

impl Hub {
    pub(super) fn publish_move(&self, room: &Room, pending: &PendingBroadcast) {
        let entry = &pending.entry;
        match &entry.what {
            EntryPayload::MemberAdded { whom, .. } => self.listen_for_account(room, whom.id, entry.seq),
            EntryPayload::Invited { whom } => {
                let event = Event::Entry(entry.clone());
                let mut encoded = Encoded::new(&event, Some(room));
                for connection in self.connections_of(whom.id) {
                    if !self.is_listening(room.id, connection.id)
                        && let Some(text) = encoded.for_dialect(connection.dialect)
                    {
                        connection.outbox.offer(text);
                    }
                }
            }
            _ => {}
        }
        let Some(place) = self.existing(room.id) else { return };
        let mut place = place.lock();
        place.deliver_all(room, std::slice::from_ref(pending));
        match &entry.what {
            EntryPayload::MemberAdded { whom, .. } => place.take_back(whom.id),
            EntryPayload::MemberRemoved { whom, why, reason } => {
                let eviction = Eviction { room: room.clone(), cause: (*why).into(), reason: reason.clone() };
                place.put_out(self.link.get(), whom.id, entry.seq, &eviction);
            }
            _ => {}
        }
        if let EntryPayload::RoomDeleted { .. } = entry.what {
            place.closed = true;
            for listener in place.listeners.values() {
                listener.connection.hears.lock().remove(&room.id);
                let eviction = Eviction { room: room.clone(), cause: EvictionCause::RoomDeleted, reason: None };
                listener.connection.note_eviction(eviction, &listener.name);
            }
            drop(place);
            self.rooms.write().remove(&room.id);
            self.note_silence(room.id);
        } else {
            drop(place);
            self.forget_if_empty(room.id);
        }
    }

    /// An account came into a room: those of its connections that hear all of its rooms hear this one too.
    fn listen_for_account(&self, room: &Room, account: AccountId, seq: u64) {
        for connection in self.connections_of(account) {
            if !connection.listens_to_all.load(Ordering::Relaxed) {
                continue;
            }
            self.in_place(room, |place| {
                if place.listeners.contains_key(&connection.id) {
                    return;
                }
                let name: Arc<str> = connection.actor.name().into();
                connection.begin_hearing(room.id, name.clone());
                let listener = Listener::new(connection, name, seq.saturating_sub(1), None);
                place.sequence.begin(seq);
                place.come(self.link.get(), listener);
            });
        }
    }
}

impl Place {
    /// An account is no member any more. Whoever has caught up with this entry was seen to be one after it: they have come back, and
    /// that will be told too.
    fn put_out(&mut self, link: Option<&Arc<Link>>, account: AccountId, seq: u64, eviction: &Eviction) {
        let mut gone = Vec::new();
        for listener in self.listeners.values_mut().filter(|listener| listener.is_of(account)) {
            if listener.held.is_some() {
                listener.out = Some((seq, eviction.clone()));
            } else if listener.after < seq {
                gone.push(listener.connection.clone());
            }
        }
        for connection in gone {
            self.evict(link, &connection, eviction.clone());
        }
    }

    /// It is one again.
    fn take_back(&mut self, account: AccountId) {
        self.listeners.values_mut().filter(|listener| listener.is_of(account)).for_each(|listener| listener.out = None);
    }

    /// The connection does not hear the room any more, and is told why.
    pub(super) fn evict(&mut self, link: Option<&Arc<Link>>, connection: &Arc<Connection>, eviction: Eviction) {
        let name = connection.hears.lock().remove(&self.room.id);
        self.go(link, connection.id);
        connection.note_eviction(eviction, name.as_deref().unwrap_or_else(|| connection.actor.name()));
    }
}

impl Listener {
    fn is_of(&self, account: AccountId) -> bool {
        self.connection.account().is_some_and(|own| own.id == account)
    }
}
