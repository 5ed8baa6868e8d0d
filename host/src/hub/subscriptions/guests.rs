//! Finding and removing guests in a room, for its moderators.

use std::sync::Arc;

use super::{Subscriber, SubscriberIdentity};
use crate::dialect::{Dialect, Encoded};
use crate::hub::{Connection, Hub};
use crate::protocol::{AccountId, ConnectionId, Event, Eviction, EvictionCause, Guest, GuestSelector, RoomId};

impl Hub {
    /// A guest in a room, on any node, with the hash of its network address if that is known.
    pub fn guest_in(&self, room: RoomId, guest: ConnectionId) -> Option<(Guest, Option<Arc<str>>)> {
        let subscriptions = self.existing(room)?;
        let subscriptions = subscriptions.lock();
        if let Some(subscriber) = subscriptions.subscribers.get(&guest) {
            subscriber.connection.guest()?;
            return Some((Guest { id: guest, name: subscriber.name.clone() }, subscriber.connection.origin.clone()));
        }
        let identity = subscriptions.remote.people().find(|identity| identity.guest == Some(guest))?;
        Some((identity.as_guest()?, identity.origin.clone()))
    }

    /// Hashes of the network addresses of an account's connections to this node, without duplicates.
    pub fn origins_of(&self, account: AccountId) -> Vec<Arc<str>> {
        let mut origins: Vec<_> = self.connections_of(account).iter().filter_map(|one| one.origin.clone()).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Evicts the selected guests of this node from a room; they and the other subscribers are notified.
    pub fn remove_guests(&self, room: RoomId, which: &GuestSelector) {
        let Some(subscriptions) = self.existing(room) else { return };
        let mut subscriptions = subscriptions.lock();
        let selected = |subscriber: &&Subscriber| {
            let connection = &subscriber.connection;
            connection.guest().is_some() && which.selects(connection.id, connection.origin.as_deref())
        };
        let gone: Vec<(Arc<Connection>, SubscriberIdentity)> = subscriptions
            .subscribers
            .values()
            .filter(selected)
            .map(|subscriber| (subscriber.connection.clone(), subscriber.identity()))
            .collect();
        for (connection, identity) in gone {
            // The other dialects have an eviction message, which `note_eviction` sends.
            if connection.dialect == Dialect::Native {
                let event = Event::Departed { room, who: identity.who };
                if let Some(text) = Encoded::new(&event, Some(subscriptions.room())).for_dialect(connection.dialect) {
                    connection.outbox.enqueue(text);
                }
            }
            let eviction = Eviction { room: subscriptions.room().clone(), cause: EvictionCause::Kicked, reason: None };
            subscriptions.evict(self.link.get(), &connection, eviction);
        }
        drop(subscriptions);
        self.forget_if_empty(room);
    }
}
