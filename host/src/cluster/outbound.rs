//! From what happened here to the other nodes.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Cluster;
use super::wire::{EntriesToRoom, ToAll, ToRoom, encode, moves};
use crate::hub::link::Outgoing;
use crate::protocol::{Entry, RoomId};

const BATCH: usize = 64;

impl Cluster {
    pub(super) async fn send(self: Arc<Self>, mut outgoing: mpsc::Receiver<Outgoing>) {
        let mut batch = Vec::with_capacity(BATCH);
        while outgoing.recv_many(&mut batch, BATCH).await > 0 {
            for one in batch.drain(..) {
                self.send_one(one).await;
            }
        }
    }

    async fn send_one(&self, what: Outgoing) {
        match what {
            Outgoing::Entries(room, entries) => {
                let moved: Vec<Entry> = entries.iter().filter(|entry| moves(entry).is_some()).cloned().collect();
                self.send_entries(room, &entries).await;
                if !moved.is_empty() {
                    self.send_to_all(&ToAll::Moves(moved)).await;
                }
            }
            Outgoing::Aside(room, event) => self.send_to_room(room, None, &ToRoom::Aside(event)).await,
            Outgoing::Heard(room, hearer, here) => {
                self.send_to_room(room, None, &ToRoom::Heard { hearer, here }).await;
            }
            Outgoing::Hearers(room, hearers) => self.send_to_room(room, None, &ToRoom::Hearers(hearers)).await,
            Outgoing::Who(room) => self.send_to_room(room, None, &ToRoom::Who).await,
            Outgoing::Goodbye(told) => {
                self.send_to_all(&ToAll::Gone).await;
                // Or it would go down with this node.
                self.nats.round_trip().await;
                let _ = told.send(());
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

    /// Has the others look at once when what the cluster runs was changed here.
    pub(super) async fn tell_of_plugins(self: Arc<Self>) {
        loop {
            self.parts.plugins.set_changed().await;
            self.send_to_all(&ToAll::Plugins).await;
        }
    }

    /// In as many messages as needed. What is too large for any is read from the log.
    async fn send_entries(&self, room: RoomId, entries: &[Entry]) {
        let mut rest = vec![entries];
        while let Some(some) = rest.pop() {
            let last = some.last().map(|last| last.seq);
            let payload = encode(self.node, last, &EntriesToRoom { entries: some });
            if payload.len() <= self.nats.max_payload() {
                self.count(self.nats.publish(self.nats.to_room(room), payload).await);
            } else if let [one] = some {
                tracing::debug!(%room, seq = one.seq, bytes = payload.len(), "too large for NATS: the others read it");
                self.send_to_room(room, last, &ToRoom::Entries(Vec::new())).await;
            } else {
                let (first, second) = some.split_at(some.len() / 2);
                rest.extend([second, first]);
            }
        }
    }

    pub(super) async fn send_to_room(&self, room: RoomId, last: Option<u64>, what: &ToRoom) {
        let payload = encode(self.node, last, what);
        self.count(self.nats.publish(self.nats.to_room(room), payload).await);
    }

    pub(super) async fn send_to_all(&self, what: &ToAll) {
        self.count(self.nats.publish(self.nats.to_all(), encode(self.node, None, what)).await);
    }

    fn count(&self, sent: bool) {
        if sent { &self.metrics.sent } else { &self.metrics.unsent }.increment(1);
    }
}
