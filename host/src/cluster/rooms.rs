//! NATS subscriptions to the rooms that have subscribers on this node.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Cluster;
use super::wire::ToRoom;
use crate::clock::now;
use crate::hub::PendingBroadcast;
use crate::protocol::{Actor, Author, Entry, EntryPayload, RoomId};

/// How many rooms one database query covers.
const ROOMS_PER_QUERY: usize = 1000;
/// Delay after a database error.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// The task that receives a room's messages; aborted on drop.
struct RoomListener(JoinHandle<()>);

impl Drop for RoomListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cluster {
    pub(super) async fn maintain_subscriptions(self: Arc<Self>) {
        let mut listeners: HashMap<RoomId, RoomListener> = HashMap::new();
        loop {
            let mut opening = Vec::new();
            for room in self.link.rooms().take().await {
                if !self.parts.hub.has_subscriptions(room) {
                    listeners.remove(&room);
                    continue;
                }
                // While NATS is down, requests would only pile up: subscribe after the reconnect.
                if self.nats.is_connected()
                    && let Slot::Vacant(vacant) = listeners.entry(room)
                {
                    match self.nats.subscribe(&self.nats.room_subject(room)).await {
                        Ok(messages) => {
                            vacant.insert(RoomListener(tokio::spawn(self.clone().receive_room(room, messages))));
                        }
                        Err(error) => {
                            tracing::error!(%room, %error, "subscribing to room failed, polling the database instead")
                        }
                    }
                }
                opening.push(room);
            }
            opening.retain(|room| !self.parts.hub.is_open(*room));
            if !opening.is_empty() && !self.open_rooms(&opening).await {
                sleep(RETRY_DELAY).await;
                opening.into_iter().for_each(|room| self.link.rooms().insert(room));
            }
            self.metrics.rooms.set(listeners.len() as f64);
        }
    }

    /// Opens rooms for waiting subscribers: entries of other nodes are received from now on, and earlier ones are in the log.
    /// False after a database error.
    async fn open_rooms(&self, rooms: &[RoomId]) -> bool {
        // Wait until the server has the subscriptions; after a reconnect it gets them again.
        self.nats.round_trip().await;
        for some in rooms.chunks(ROOMS_PER_QUERY) {
            let Ok(lasts) = self.parts.database.last_seqs(some).await else { return false };
            for room in some {
                match lasts.get(room) {
                    Some(last) => {
                        self.parts.hub.open(*room, *last);
                        self.send_to_room(*room, None, &ToRoom::Hello).await;
                        self.parts.hub.request_subscribers(*room);
                    }
                    None => {
                        self.parts.hub.open(*room, 0);
                        self.end_room(*room).await;
                    }
                }
            }
        }
        true
    }

    /// Broadcasts the deletion of a room that this node did not receive.
    pub(super) async fn end_room(&self, room: RoomId) {
        let Some((was, seq)) = self.parts.hub.room_and_next(room) else { return };
        let by = Author::from(&Actor::Server);
        let what = EntryPayload::RoomDeleted { was: Box::new(was.clone()) };
        let deleted = PendingBroadcast::late(Entry { room, seq, number: 0, at: now(), by, what });
        self.parts.broadcaster.broadcast(Arc::new(was), vec![deleted]).await;
    }

    /// Reads the last numbers of subscribed rooms' logs periodically: a node may have died before it published what it stored.
    pub(super) async fn sweep_rooms(self: Arc<Self>) {
        loop {
            let interval = if self.nats.is_connected() { Duration::from_secs(5) } else { Duration::from_secs(1) };
            tokio::select! {
                () = self.sweep.notified() => {}
                () = sleep(interval) => {}
            }
            if let Err(error) = self.sweep_once().await {
                tracing::debug!(%error, "sweep of rooms failed, retrying");
                sleep(RETRY_DELAY).await;
                self.sweep.notify_one();
            }
        }
    }

    async fn sweep_once(&self) -> crate::error::Result<()> {
        let rooms = self.parts.hub.subscribed_rooms();
        for some in rooms.chunks(ROOMS_PER_QUERY) {
            let lasts = self.parts.database.last_seqs(some).await?;
            for room in some {
                match lasts.get(room) {
                    Some(last) => self.parts.hub.note_last(*room, *last),
                    None => self.end_room(*room).await,
                }
            }
        }
        Ok(())
    }
}
