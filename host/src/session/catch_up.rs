//! From where a client was to what is new, without a hole and without holding much for it.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;

use super::ClientSession;
use crate::dialect::{Dialect, Encoded};
use crate::error::{Error, Result};
use crate::hub::{Close, Connection, Released};
use crate::protocol::{Entry, Event, Room};
use crate::router::{Caller, Joined};

impl ClientSession {
    /// Begins to hear a room that lets this connection in; with a nick it is called so there. The answer, made with what it is
    /// called, comes before anything that happens there.
    pub(super) async fn come_in(
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
        let last_seq = match self.caught_up(caller, room.clone(), None).await {
            Ok(joined) => joined.last_seq,
            Err(error) => {
                hub.unsubscribe(room.id, me);
                return Err(error);
            }
        };
        match hub.release(room.id, me.id, last_seq, || self.outbox.enqueue(answer(&shown))) {
            Released::CaughtUp => {}
            Released::Behind => self.catch_up(me, caller, room, last_seq).await,
            Released::Gone => return Err(Error::Forbidden("put out of this room meanwhile".into())),
        }
        Ok(())
    }

    /// What was missed, once what comes after it is heard.
    pub(super) async fn caught_up(&self, caller: &Caller, room: Room, since: Option<u64>) -> Result<Joined> {
        self.core.hub.wait_until_open(room.id).await?;
        self.core.router.catch_up(caller, room, since).await
    }

    /// Sends what is in the log after this entry, as fast as the client reads it, until it hears what is new.
    pub(super) async fn catch_up(&self, me: &Arc<Connection>, caller: &Caller, room: &Room, mut after: u64) {
        let (router, hub, id) = (&self.core.router, &self.core.hub, room.id);
        while !self.outbox.is_closed() {
            let entries = match router.next_entries(caller, id, after).await {
                Ok(entries) => entries,
                Err(Error::Forbidden(_) | Error::NotFound(_)) => {
                    hub.unsubscribe(id, me);
                    return self.send_all(room, router.last_entries(caller, id, after).await.unwrap_or_default()).await;
                }
                // The client comes back, and goes on from the last one that it got.
                Err(error) => return self.outbox.close(Close::new(Close::GOING_AWAY, error.to_string())),
            };
            let Some(last) = entries.last().map(|last| last.seq) else {
                match hub.release(id, me.id, after, || ()) {
                    Released::CaughtUp => return,
                    // What happened meanwhile is in the log.
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
