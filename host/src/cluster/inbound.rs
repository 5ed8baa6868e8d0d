//! Receives messages of other nodes and passes them to the hub, the caches, accounts and plugins.

use std::sync::Arc;

use async_nats::{Event as NatsEvent, Message, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::wire::{Received, ToAll, ToRoom, VERSION, added_account, decode};
use super::{Cluster, Parts};
use crate::clock::{Timestamp, now};
use crate::hub::link::Outgoing;
use crate::hub::{Close, PendingBroadcast};
use crate::protocol::{
    AccountId, Actor, CacheInvalidation, Change, Entry, EntryPayload, Event, GuestRule, GuestRuleKind, GuestSelector,
    Room, RoomId, Unit,
};

impl Cluster {
    pub(super) async fn receive_room(self: Arc<Self>, room: RoomId, mut messages: Subscriber) {
        while let Some(message) = messages.next().await {
            let Some(received) = self.received(&message) else { continue };
            match received.what() {
                Some(ToRoom::Entries(entries)) if !entries.is_empty() => self.receive_entries(room, entries).await,
                // Entries that are not included are read from the log.
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

    async fn receive_entries(&self, room: RoomId, entries: Vec<Entry>) {
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

    /// The room in its current state, or as it was before its deletion.
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

    pub(super) async fn receive_broadcasts(self: Arc<Self>, mut messages: Subscriber) {
        while let Some(message) = messages.next().await {
            let Some(received) = self.received(&message) else { continue };
            let from = received.from;
            let Parts { hub, known, accounts, .. } = &self.parts;
            match received.what() {
                Some(ToAll::Moves(entries)) => self.receive_added_members(entries).await,
                Some(ToAll::Pushed(event)) => hub.broadcast(&event),
                Some(ToAll::Changed(invalidations)) => invalidations.into_iter().for_each(|one| known.forget(one)),
                Some(ToAll::RoomsDeleted(rooms)) => rooms.into_iter().for_each(|room| known.forget_room(room)),
                Some(ToAll::GuestsRemoved { room, which }) => hub.remove_guests(room, &which),
                Some(ToAll::BanOrigins { room, account, until }) => self.ban_origins(room, account, until).await,
                Some(ToAll::Logins { logins, close }) => {
                    let close = close.map(|(code, reason)| Close::new(code, reason));
                    accounts.invalidate_logins(&logins, close.as_ref());
                }
                Some(ToAll::Presence { nth, account, external, online }) => {
                    let known = hub.update_remote_presence(from, nth, account, external, online);
                    self.request_people_unless(known, from);
                }
                Some(ToAll::Beat { nth }) => self.request_people_unless(hub.knows_people_of(from, nth), from),
                Some(ToAll::Gone) => hub.drop_node(from),
                Some(ToAll::Plugins) => self.parts.plugins.refresh_cluster_plugins(),
                None => {}
            }
        }
    }

    /// Bans guests from the addresses of the account's connections to this node from the room.
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
            return tracing::warn!(%room, %error, "banning guests by address failed");
        }
        known.forget(CacheInvalidation::Room(room));
        hub.publish_to_nodes(|| Outgoing::Changed(vec![CacheInvalidation::Room(room)]));
        for origin in origins {
            let which = GuestSelector::Origin(origin);
            hub.remove_guests(room, &which);
            hub.publish_to_nodes(|| Outgoing::GuestsRemoved(room, which));
        }
    }

    /// Accounts that are connected to this node were added to rooms without subscribers on this node.
    async fn receive_added_members(&self, entries: Vec<Entry>) {
        for entry in entries {
            let Some((room, account)) = added_account(&entry) else { continue };
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
                self.metrics.received.increment(1);
                tracing::debug!(
                    version = received.v,
                    "message of a newer version, unknown parts are read from the database"
                );
            }
            Some(_) => self.metrics.received.increment(1),
            None => tracing::warn!(subject = %message.subject, "ignoring malformed message"),
        }
        received.filter(|received| received.from != self.node)
    }

    /// Reacts to events of the NATS connection.
    pub(super) async fn handle_nats_events(self: Arc<Self>, mut events: mpsc::Receiver<NatsEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                NatsEvent::Connected => {
                    tracing::info!("connected to NATS");
                    self.resync();
                    self.heartbeat_now.notify_one();
                }
                NatsEvent::Disconnected => {
                    // Invalidations are lost from here on.
                    self.validity.revoke();
                    tracing::warn!("disconnected from NATS, reading changes of other nodes from the database");
                }
                NatsEvent::SlowConsumer(_) => {
                    tracing::warn!("NATS subscription overflowed, reading lost messages from the database");
                    self.resync();
                }
                other => tracing::debug!(event = %other, "NATS event"),
            }
        }
    }

    /// Clears the cache and checks all subscribed rooms: messages may have been lost.
    pub(super) fn resync(&self) {
        self.parts.known.clear();
        self.sweep.notify_one();
        for room in self.parts.hub.subscribed_rooms() {
            self.link.rooms().insert(room);
            self.parts.hub.request_subscribers(room);
        }
    }
}
