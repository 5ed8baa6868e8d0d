//! Catch-up: brings a subscriber from its last known entry to new events without gaps and with little buffering.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;

use super::ClientSession;
use crate::dialect::{Dialect, Encoded};
use crate::error::{Error, Result};
use crate::hub::{Close, Connection, Released};
use crate::protocol::{Entry, Event, Room};
use crate::router::{Caller, Joined};

impl ClientSession {
    /// Subscribes to a room that the caller has joined, optionally under a nick. The answer, made from the name there, is sent
    /// before any event of the room.
    pub(super) async fn enter_room(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        room: &Room,
        nick: Option<Arc<str>>,
        answer: impl FnOnce(&str) -> Utf8Bytes,
    ) -> Result<()> {
        let hub = &self.core.hub;
        hub.subscribe(room, me, nick).map_err(|_| Error::Conflict("Name is taken".into()))?;
        let shown = hub.name_in(room.id, me.id).unwrap_or_default();
        let last_seq = match self.read_missed(caller, room.clone(), None).await {
            Ok(joined) => joined.last_seq,
            Err(error) => {
                hub.unsubscribe(room.id, me);
                return Err(error);
            }
        };
        match hub.release(room.id, me.id, last_seq, || self.outbox.enqueue(answer(&shown))) {
            Released::CaughtUp => {}
            Released::Behind => self.catch_up(me, caller, room, last_seq).await,
            Released::Gone => return Err(Error::Forbidden("you were removed from this room".into())),
        }
        Ok(())
    }

    /// Reads missed entries, once entries of other nodes are received.
    pub(super) async fn read_missed(&self, caller: &Caller, room: Room, since: Option<u64>) -> Result<Joined> {
        self.core.hub.wait_until_open(room.id).await?;
        self.core.router.read_missed(caller, room, since).await
    }

    /// Sends the entries after `after` from the log, paced by the client, until it receives new events.
    pub(super) async fn catch_up(&self, me: &Arc<Connection>, caller: &Caller, room: &Room, mut after: u64) {
        let (router, hub, id) = (&self.core.router, &self.core.hub, room.id);
        while !self.outbox.is_closed() {
            let entries = match router.next_entries(caller, id, after).await {
                Ok(entries) => entries,
                Err(Error::Forbidden(_) | Error::NotFound(_)) => {
                    hub.unsubscribe(id, me);
                    return self.send_all(room, router.last_entries(caller, id, after).await.unwrap_or_default()).await;
                }
                // The client reconnects and continues after the last entry it got.
                Err(error) => return self.outbox.close(Close::new(Close::GOING_AWAY, error.to_string())),
            };
            let Some(last) = entries.last().map(|last| last.seq) else {
                match hub.release(id, me.id, after, || ()) {
                    Released::CaughtUp => return,
                    // The dropped events are in the log.
                    Released::Behind => continue,
                    Released::Gone => {
                        return self
                            .send_all(room, router.last_entries(caller, id, after).await.unwrap_or_default())
                            .await;
                    }
                }
            };
            self.send_all(room, entries).await;
            after = last;
        }
    }

    async fn send_all(&self, room: &Room, entries: Vec<Entry>) {
        let dialect = self.dialect.unwrap_or(Dialect::Native);
        for entry in entries {
            if let Some(text) = Encoded::new(&Event::Entry(entry), Some(room)).for_dialect(dialect) {
                self.outbox.enqueue_when_free(text).await;
            }
        }
    }
}
