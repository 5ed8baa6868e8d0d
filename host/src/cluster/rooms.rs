//! Listening for those rooms that somebody hears here, and for no other.

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

/// How many rooms one query asks about.
const ROOMS: usize = 1000;
/// After an error of the database.
const PAUSE: Duration = Duration::from_millis(500);

/// Ends with its subscription.
struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cluster {
    pub(super) async fn keep_rooms(self: Arc<Self>) {
        let mut listening: HashMap<RoomId, Listening> = HashMap::new();
        loop {
            let mut opening = Vec::new();
            for room in self.link.rooms().take().await {
                if !self.parts.hub.has_subscriptions(room) {
                    listening.remove(&room);
                    continue;
                }
                // While NATS is away, what is asked of it would only pile up: it is asked when it is back.
                if self.nats.is_connected()
                    && let Slot::Vacant(vacant) = listening.entry(room)
                {
                    match self.nats.subscribe(&self.nats.to_room(room)).await {
                        Ok(messages) => {
                            vacant.insert(Listening(tokio::spawn(self.clone().hear_room(room, messages))));
                        }
                        Err(error) => tracing::error!(%room, %error, "this room is heard by the database alone"),
                    }
                }
                opening.push(room);
            }
            opening.retain(|room| !self.parts.hub.is_open(*room));
            if !opening.is_empty() && !self.open_rooms(&opening).await {
                sleep(PAUSE).await;
                opening.into_iter().for_each(|room| self.link.rooms().insert(room));
            }
            self.metrics.rooms.set(listening.len() as f64);
        }
    }

    /// Lets those in who wait at these rooms: from here on what other nodes say is heard, and what was said before can be read.
    async fn open_rooms(&self, rooms: &[RoomId]) -> bool {
        // The server has the subscriptions, or gets them when it is back.
        self.nats.round_trip().await;
        for some in rooms.chunks(ROOMS) {
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

    /// The room is gone, and nobody said so here.
    pub(super) async fn end_room(&self, room: RoomId) {
        let Some((was, seq)) = self.parts.hub.room_and_next(room) else { return };
        let by = Author::from(&Actor::Server);
        let what = EntryPayload::RoomDeleted { was: Box::new(was.clone()) };
        let told = PendingBroadcast::late(Entry { room, seq, number: 0, at: now(), by, what });
        self.parts.broadcaster.broadcast(Arc::new(was), vec![told]).await;
    }

    /// Asks the database now and then how far the logs of rooms go that are heard here: a node may have died before it said
    /// what it stored.
    pub(super) async fn sweep_rooms(self: Arc<Self>) {
        loop {
            let every = if self.nats.is_connected() { Duration::from_secs(5) } else { Duration::from_secs(1) };
            tokio::select! {
                () = self.sweep.notified() => {}
                () = sleep(every) => {}
            }
            if let Err(error) = self.sweep_once().await {
                tracing::debug!(%error, "rooms could not be looked at");
                sleep(PAUSE).await;
                self.sweep.notify_one();
            }
        }
    }

    async fn sweep_once(&self) -> crate::error::Result<()> {
        let rooms = self.parts.hub.subscribed_rooms();
        for some in rooms.chunks(ROOMS) {
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
