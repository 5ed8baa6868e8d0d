//! Publishes messages of this node to the other nodes.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Cluster;
use super::wire::{EntriesToRoom, ToAll, ToRoom, added_account, encode};
use crate::hub::link::Outgoing;
use crate::protocol::{Entry, RoomId};

const MAX_MESSAGES_PER_BATCH: usize = 64;

impl Cluster {
    pub(super) async fn send(self: Arc<Self>, mut outgoing: mpsc::Receiver<Outgoing>) {
        let mut batch = Vec::with_capacity(MAX_MESSAGES_PER_BATCH);
        while outgoing.recv_many(&mut batch, MAX_MESSAGES_PER_BATCH).await > 0 {
            for one in batch.drain(..) {
                self.send_one(one).await;
            }
        }
    }

    async fn send_one(&self, what: Outgoing) {
        match what {
            Outgoing::Entries(room, entries) => {
                let added: Vec<Entry> =
                    entries.iter().filter(|entry| added_account(entry).is_some()).cloned().collect();
                self.send_entries(room, &entries).await;
                if !added.is_empty() {
                    self.send_to_all(&ToAll::Moves(added)).await;
                }
            }
            Outgoing::RoomEvent(room, event) => self.send_to_room(room, None, &ToRoom::Aside(event)).await,
            Outgoing::SubscriberChanged(room, hearer, here) => {
                self.send_to_room(room, None, &ToRoom::Heard { hearer, here }).await;
            }
            Outgoing::Subscribers(room, hearers) => self.send_to_room(room, None, &ToRoom::Hearers(hearers)).await,
            Outgoing::SubscribersRequest(room) => self.send_to_room(room, None, &ToRoom::Who).await,
            Outgoing::Goodbye(sent) => {
                self.send_to_all(&ToAll::Gone).await;
                // Wait until it is sent, before this node stops.
                self.nats.round_trip().await;
                let _ = sent.send(());
            }
            Outgoing::Pushed(event) => self.send_to_all(&ToAll::Pushed(event)).await,
            Outgoing::Changed(invalidations) => self.send_to_all(&ToAll::Changed(invalidations)).await,
            Outgoing::RoomsDeleted(rooms) => self.send_to_all(&ToAll::RoomsDeleted(rooms)).await,
            Outgoing::GuestsRemoved(room, which) => self.send_to_all(&ToAll::GuestsRemoved { room, which }).await,
            Outgoing::BanOrigins(room, account, until) => {
                self.send_to_all(&ToAll::BanOrigins { room, account, until }).await;
            }
            Outgoing::Logins(logins, close) => {
                let close = close.map(|close| (close.code, close.reason));
                self.send_to_all(&ToAll::Logins { logins, close }).await;
            }
            Outgoing::Presence { nth, account, external, online } => {
                self.send_to_all(&ToAll::Presence { nth, account, external, online }).await;
            }
        }
    }

    /// Notifies the other nodes when this node changed the cluster's plugins.
    pub(super) async fn announce_plugin_changes(self: Arc<Self>) {
        loop {
            self.parts.plugins.cluster_plugins_changed().await;
            self.send_to_all(&ToAll::Plugins).await;
        }
    }

    /// Publishes entries, split into messages that NATS accepts. An entry that is too large is read from the log by the others.
    async fn send_entries(&self, room: RoomId, entries: &[Entry]) {
        let mut rest = vec![entries];
        while let Some(some) = rest.pop() {
            let last = some.last().map(|last| last.seq);
            let payload = encode(self.node, last, &EntriesToRoom { entries: some });
            if payload.len() <= self.nats.max_payload() {
                self.count(self.nats.publish(self.nats.room_subject(room), payload).await);
            } else if let [one] = some {
                tracing::debug!(%room, seq = one.seq, bytes = payload.len(), "entry too large for NATS, others read it from log");
                self.send_to_room(room, last, &ToRoom::Entries(Vec::new())).await;
            } else {
                let (first, second) = some.split_at(some.len() / 2);
                rest.extend([second, first]);
            }
        }
    }

    pub(super) async fn send_to_room(&self, room: RoomId, last: Option<u64>, what: &ToRoom) {
        let payload = encode(self.node, last, what);
        self.count(self.nats.publish(self.nats.room_subject(room), payload).await);
    }

    pub(super) async fn send_to_all(&self, what: &ToAll) {
        self.count(self.nats.publish(self.nats.broadcast_subject(), encode(self.node, None, what)).await);
    }

    fn count(&self, sent: bool) {
        if sent { &self.metrics.sent } else { &self.metrics.unsent }.increment(1);
    }
}
