//! Broadcasts log entries that change who subscribes to a room: joins, leaves, kicks, invitations, deletion.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{RoomSubscriptions, Subscriber};
use crate::dialect::Encoded;
use crate::hub::link::Link;
use crate::hub::{Connection, Hub, PendingBroadcast};
use crate::protocol::{AccountId, EntryPayload, Event, Eviction, EvictionCause, Room};

impl Hub {
    pub(super) fn broadcast_membership_event(&self, room: &Room, pending: &PendingBroadcast) {
        let entry = &pending.entry;
        match &entry.what {
            EntryPayload::MemberAdded { whom, .. } => self.subscribe_account(room, whom.id, entry.seq),
            EntryPayload::Invited { whom } => {
                let event = Event::Entry(entry.clone());
                let mut encoded = Encoded::new(&event, Some(room));
                for connection in self.connections_of(whom.id) {
                    if !self.is_subscribed(room.id, connection.id)
                        && let Some(text) = encoded.for_dialect(connection.dialect)
                    {
                        connection.outbox.enqueue(text);
                    }
                }
            }
            _ => {}
        }
        let Some(subscriptions) = self.existing(room.id) else { return };
        let mut subscriptions = subscriptions.lock();
        subscriptions.broadcast_entries(room, std::slice::from_ref(pending));
        match &entry.what {
            EntryPayload::MemberAdded { whom, .. } => subscriptions.cancel_eviction(whom.id),
            EntryPayload::MemberRemoved { whom, why, reason } => {
                let eviction = Eviction { room: room.clone(), cause: (*why).into(), reason: reason.clone() };
                subscriptions.evict_account(self.link.get(), whom.id, entry.seq, &eviction);
            }
            _ => {}
        }
        if let EntryPayload::RoomDeleted { .. } = entry.what {
            subscriptions.closed = true;
            for subscriber in subscriptions.subscribers.values() {
                subscriber.connection.subscriptions.lock().remove(&room.id);
                let eviction = Eviction { room: room.clone(), cause: EvictionCause::RoomDeleted, reason: None };
                subscriber.connection.note_eviction(eviction, &subscriber.name);
            }
            drop(subscriptions);
            self.rooms.write().remove(&room.id);
            self.note_unsubscribed(room.id);
        } else {
            drop(subscriptions);
            self.forget_if_empty(room.id);
        }
    }

    /// Subscribes those connections of a new member that subscribe to all rooms of their account.
    fn subscribe_account(&self, room: &Room, account: AccountId, seq: u64) {
        for connection in self.connections_of(account) {
            if !connection.subscribes_to_all.load(Ordering::Relaxed) {
                continue;
            }
            self.with_subscriptions(room, |subscriptions| {
                if subscriptions.subscribers.contains_key(&connection.id) {
                    return;
                }
                let name: Arc<str> = connection.actor.name().into();
                connection.begin_subscription(room.id, name.clone());
                let subscriber = Subscriber::new(connection, name, seq.saturating_sub(1), None);
                subscriptions.sequence.begin(seq);
                subscriptions.add(self.link.get(), subscriber);
            });
        }
    }
}

impl RoomSubscriptions {
    /// Evicts the connections of an account that is no member any more. A connection that has caught up past this entry stays:
    /// the account was seen to be a member after it, so it has rejoined, and that entry follows.
    fn evict_account(&mut self, link: Option<&Arc<Link>>, account: AccountId, seq: u64, eviction: &Eviction) {
        let mut gone = Vec::new();
        for subscriber in self.subscribers.values_mut().filter(|subscriber| subscriber.is_of(account)) {
            if subscriber.held.is_some() {
                subscriber.pending_eviction = Some((seq, eviction.clone()));
            } else if subscriber.after < seq {
                gone.push(subscriber.connection.clone());
            }
        }
        for connection in gone {
            self.evict(link, &connection, eviction.clone());
        }
    }

    /// Drops pending evictions of an account that is a member again.
    fn cancel_eviction(&mut self, account: AccountId) {
        self.subscribers
            .values_mut()
            .filter(|subscriber| subscriber.is_of(account))
            .for_each(|subscriber| subscriber.pending_eviction = None);
    }

    /// Ends a connection's subscription and notifies it of the cause.
    pub(super) fn evict(&mut self, link: Option<&Arc<Link>>, connection: &Arc<Connection>, eviction: Eviction) {
        let name = connection.subscriptions.lock().remove(&self.room.id);
        self.detach(link, connection.id);
        connection.note_eviction(eviction, name.as_deref().unwrap_or_else(|| connection.actor.name()));
    }
}

impl Subscriber {
    fn is_of(&self, account: AccountId) -> bool {
        self.connection.account().is_some_and(|own| own.id == account)
    }
}
