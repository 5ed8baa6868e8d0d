//! Guests in a room, as its moderators act on them.

use std::sync::Arc;

use super::{Hearer, Listener};
use crate::dialect::{Dialect, Encoded};
use crate::hub::{Connection, Hub};
use crate::protocol::{AccountId, ConnectionId, Event, Eviction, EvictionCause, Guest, GuestSelector, RoomId};

impl Hub {
    /// A guest in a room, on any node, with a hash of where it comes from if that is known.
    pub fn guest_in(&self, room: RoomId, guest: ConnectionId) -> Option<(Guest, Option<Arc<str>>)> {
        let place = self.existing(room)?;
        let place = place.lock();
        if let Some(listener) = place.listeners.get(&guest) {
            listener.connection.guest()?;
            return Some((Guest { id: guest, name: listener.name.clone() }, listener.connection.origin.clone()));
        }
        let hearer = place.elsewhere.people().find(|hearer| hearer.guest == Some(guest))?;
        Some((hearer.as_guest()?, hearer.origin.clone()))
    }

    /// Hashes of where an account's connections to this node come from, each once.
    pub fn origins_of(&self, account: AccountId) -> Vec<Arc<str>> {
        let mut origins: Vec<_> = self.connections_of(account).iter().filter_map(|one| one.origin.clone()).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Guests on this node who hear the room no longer. They are told so in the words of their dialect, as the others are.
    pub fn remove_guests(&self, room: RoomId, which: &GuestSelector) {
        let Some(place) = self.existing(room) else { return };
        let mut place = place.lock();
        let selected = |listener: &&Listener| {
            let connection = &listener.connection;
            connection.guest().is_some() && which.selects(connection.id, connection.origin.as_deref())
        };
        let gone: Vec<(Arc<Connection>, Hearer)> = place
            .listeners
            .values()
            .filter(selected)
            .map(|listener| (listener.connection.clone(), listener.hearer()))
            .collect();
        for (connection, hearer) in gone {
            // Other dialects have words of their own for whoever is put out.
            if connection.dialect == Dialect::Native {
                let event = Event::Departed { room, who: hearer.who };
                if let Some(text) = Encoded::new(&event, Some(place.room())).for_dialect(connection.dialect) {
                    connection.outbox.offer(text);
                }
            }
            let eviction = Eviction { room: place.room().clone(), cause: EvictionCause::Kicked, reason: None };
            place.evict(self.link.get(), &connection, eviction);
        }
        drop(place);
        self.forget_if_empty(room);
    }
}
