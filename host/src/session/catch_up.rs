//! From where a client was to what is new, without a hole and without holding much for it.

use std::sync::Arc;

use super::Session;
use crate::dialect::{Dialect, Encoded};
use crate::error::Error;
use crate::hub::{Close, Connection, Released};
use crate::protocol::{Entry, Event, Room};
use crate::router::Caller;

impl Session {
    /// Sends what is in the log after this entry, as fast as the client reads it, until it hears what is new.
    pub(super) async fn catch_up(&self, me: &Arc<Connection>, caller: &Caller, room: &Room, mut after: u64) {
        let (router, hub, id) = (&self.core.router, &self.core.hub, room.id);
        while !self.outbox.is_closed() {
            let entries = match router.next_entries(caller, id, after).await {
                Ok(entries) => entries,
                Err(Error::Forbidden(_) | Error::NotFound(_)) => {
                    hub.stop_listening(id, me);
                    return self.send_all(room, router.last_entries(caller, id, after).await.unwrap_or_default()).await;
                }
                // The client comes back, and goes on from the last one that it got.
                Err(error) => return self.outbox.close(Close::new(Close::GOING_AWAY, error.to_string())),
            };
            let Some(last) = entries.last().map(|last| last.seq) else {
                match hub.release(id, me.id, after, || ()) {
                    Released::Live => return,
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
                self.outbox.offer_when_free(text).await;
            }
        }
    }
}
