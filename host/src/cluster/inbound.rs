//! From the other nodes to those who are connected here.

use std::sync::Arc;

use async_nats::{Event as NatsEvent, Message, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::wire::{Received, ToAll, ToRoom, VERSION, decode, moves};
use super::{Cluster, Parts};
use crate::clock::{Timestamp, now};
use crate::hub::link::Outgoing;
use crate::hub::{Close, PendingBroadcast};
use crate::protocol::{
    AccountId, Actor, CacheInvalidation, Change, Entry, EntryPayload, Event, GuestRule, GuestRuleKind, GuestSelector,
    Room, RoomId, Unit,
};

impl Cluster {
    pub(super) async fn hear_room(self: Arc<Self>, room: RoomId, mut messages: Subscriber) {
        while let Some(message) = messages.next().await {
            let Some(received) = self.received(&message) else { continue };
            match received.what() {
                Some(ToRoom::Entries(entries)) if !entries.is_empty() => self.hear_entries(room, entries).await,
                // What cannot be told by this is read from the log.
                Some(ToRoom::Entries(_)) | None => {
                    received.last.into_iter().for_each(|last| self.parts.hub.note_last(room, last));
                }
                Some(ToRoom::Aside(Event::Typing { by, .. })) => self.parts.hub.broadcast_typing(room, by, None),
                Some(ToRoom::Aside(event)) => self.parts.hub.broadcast(&event),
                Some(ToRoom::Hello) => {
                    self.parts.hub.request_subscribers(room);
                    self.parts.hub.publish_subscribers(room, false);
                }
                Some(ToRoom::Who) => self.parts.hub.publish_subscribers(room, true),
                Some(ToRoom::Hearers(hearers)) => {
                    self.parts.hub.replace_remote_subscribers(room, received.from, hearers)
                }
                Some(ToRoom::Heard { hearer, here }) => {
                    self.parts.hub.update_remote_subscriber(room, received.from, hearer, here);
                }
            }
        }
    }

    async fn hear_entries(&self, room: RoomId, entries: Vec<Entry>) {
        if entries.iter().any(|entry| matches!(entry.what, EntryPayload::RoomUpdated { .. })) {
            self.parts.known.forget(CacheInvalidation::Room(room));
        }
        if let Some(room) = self.room(room, &entries).await {
            self.parts
                .broadcaster
                .broadcast(Arc::new(room), entries.into_iter().map(PendingBroadcast::late).collect())
                .await;
        }
    }

    /// The room as it is, or was.
    pub(super) async fn room(&self, room: RoomId, entries: &[Entry]) -> Option<Room> {
        let was = entries.iter().find_map(|entry| match &entry.what {
            EntryPayload::RoomDeleted { was } => Some((**was).clone()),
            _ => None,
        });
        if was.is_some() {
            return was;
        }
        let found = self.parts.known.room(&self.parts.database, room).await.ok().flatten();
        found.or_else(|| self.parts.hub.room_and_next(room).map(|(room, _)| room))
    }

    pub(super) async fn hear_all(self: Arc<Self>, mut messages: Subscriber) {
        while let Some(message) = messages.next().await {
            let Some(received) = self.received(&message) else { continue };
            let from = received.from;
            let Parts { hub, known, accounts, .. } = &self.parts;
            match received.what() {
                Some(ToAll::Moves(entries)) => self.hear_moves(entries).await,
                Some(ToAll::Pushed(event)) => hub.broadcast(&event),
                Some(ToAll::Changed(invalidations)) => invalidations.into_iter().for_each(|one| known.forget(one)),
                Some(ToAll::RoomsDeleted(rooms)) => rooms.into_iter().for_each(|room| known.forget_room(room)),
                Some(ToAll::GuestsRemoved { room, which }) => hub.remove_guests(room, &which),
                Some(ToAll::BanOrigins { room, account, until }) => self.ban_origins(room, account, until).await,
                Some(ToAll::Logins { logins, close }) => {
                    let close = close.map(|(code, reason)| Close::new(code, reason));
                    accounts.heard_of(&logins, close.as_ref());
                }
                Some(ToAll::Presence { nth, account, external, online }) => {
                    let known = hub.update_remote_presence(from, nth, account, external, online);
                    self.ask_for_people_unless(known, from);
                }
                Some(ToAll::Beat { nth }) => self.ask_for_people_unless(hub.knows_people_of(from, nth), from),
                Some(ToAll::Gone) => hub.drop_node(from),
                Some(ToAll::Plugins) => self.parts.plugins.look_at_set(),
                None => {}
            }
        }
    }

    /// Guests from where the account is connected to this node are kept out of the room.
    async fn ban_origins(&self, room: RoomId, account: AccountId, until: Timestamp) {
        let Parts { hub, database, known, .. } = &self.parts;
        let origins = hub.origins_of(account);
        if origins.is_empty() {
            return;
        }
        let rule = |origin: &Arc<str>| {
            let rule = GuestRule { kind: GuestRuleKind::Ban, connection: None, origin: Some(origin.clone()), until };
            Change::RestrictGuests { room, rule }
        };
        let unit = Unit::new(Actor::Server, origins.iter().map(rule).collect());
        let stored = async {
            let mut tx = database.begin().await?;
            tx.apply(&unit, now()).await?;
            tx.commit().await
        };
        if let Err(error) = stored.await {
            return tracing::warn!(%room, %error, "could not keep guests out of a room");
        }
        known.forget(CacheInvalidation::Room(room));
        hub.publish_to_nodes(|| Outgoing::Changed(vec![CacheInvalidation::Room(room)]));
        for origin in origins {
            let which = GuestSelector::Origin(origin);
            hub.remove_guests(room, &which);
            hub.publish_to_nodes(|| Outgoing::GuestsRemoved(room, which));
        }
    }

    /// Accounts that are connected here came into rooms that nobody hears here.
    async fn hear_moves(&self, entries: Vec<Entry>) {
        for entry in entries {
            let Some((room, account)) = moves(&entry) else { continue };
            if self.parts.hub.connections(account) == 0 || self.parts.hub.has_subscriptions(room) {
                continue;
            }
            if let Some(room) = self.room(room, &[]).await {
                self.parts.broadcaster.broadcast(Arc::new(room), vec![PendingBroadcast::late(entry)]).await;
            }
        }
    }

    fn received<'a>(&self, message: &'a Message) -> Option<Received<'a>> {
        let received = decode(&message.payload);
        match &received {
            Some(received) if received.v > VERSION => {
                self.metrics.heard.increment(1);
                tracing::debug!(version = received.v, "a newer node says something; what is not understood is read");
            }
            Some(_) => self.metrics.heard.increment(1),
            None => tracing::warn!(subject = %message.subject, "something that is no message of a node was sent here"),
        }
        received.filter(|received| received.from != self.node)
    }

    /// Does what follows from what happens to the connection.
    pub(super) async fn follow(self: Arc<Self>, mut events: mpsc::Receiver<NatsEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                NatsEvent::Connected => {
                    tracing::info!("connected to NATS");
                    self.look_again();
                    self.beat_now.notify_one();
                }
                NatsEvent::Disconnected => {
                    // What changes from here on goes unheard.
                    self.validity.lapse();
                    tracing::warn!("NATS is away: what other nodes say is read from the database");
                }
                NatsEvent::SlowConsumer(_) => {
                    tracing::warn!("more came by NATS than this node could take; what is missing is read");
                    self.look_again();
                }
                other => tracing::debug!(event = %other, "NATS"),
            }
        }
    }

    /// Something may have gone unheard.
    pub(super) fn look_again(&self) {
        self.parts.known.clear();
        self.sweep.notify_one();
        for room in self.parts.hub.subscribed_rooms() {
            self.link.rooms().insert(room);
            self.parts.hub.request_subscribers(room);
        }
    }
}
