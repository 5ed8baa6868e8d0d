//! How a session of the native protocol goes: each answer in its place among the events.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde_json::Value;

use super::{ClientSession, IN_FLIGHT};
use crate::config;
use crate::dialect::native::{self, Greeting, Request};
use crate::error::{Error, Result};
use crate::hub::{Connection, Outbox, Released};
use crate::messages::{Attach, Posted};
use crate::protocol::{Command, Event, Reply, Room};
use crate::router::{Caller, Joined, NewMessage, plain_text, slash_text};

impl ClientSession {
    pub(super) async fn on_native(&mut self, text: &str) {
        match native::decode(text) {
            Ok(request) => self.on_request(request).await,
            Err((id, error)) => self.answer(id.as_ref(), Err(error)),
        }
    }

    async fn on_request(&mut self, Request { id, command }: Request) {
        if let Command::Connect { proof, listen_all } = command {
            let done = self.connect(proof, listen_all).await;
            return self.answer(id.as_ref(), done);
        }
        let Some(me) = self.me.clone() else {
            let error = Error::Unauthenticated("say who you are first: `connect` with `token` or `guest`".into());
            return self.answer(id.as_ref(), Err(error));
        };
        let caller = self.caller(&me);
        match command {
            Command::Post { room, body, key, reply_to, attachments } if slash_text(&body).is_none() => {
                let attachments = attachments.into_iter().map(Attach::File).collect();
                let message = NewMessage { body: plain_text(body), key, reply_to, attachments };
                let core = self.core.clone();
                let posted = |Posted { seq, at, duplicate }: Posted| Reply::Posted { seq, at, duplicate };
                self.post(&caller, &room, message, move |outbox, outcome| {
                    answer(outbox, &core.greeting.get(), id.as_ref(), outcome.map(posted));
                })
                .await;
            }
            command => {
                // What this connection posted before is settled before its next command is looked at.
                let settled = self.in_flight.acquire_many(IN_FLIGHT).await;
                let done = self.run_command(&me, &caller, id.as_ref(), command).await;
                drop(settled);
                if let Some(done) = done.transpose() {
                    self.answer(id.as_ref(), done);
                }
            }
        }
    }

    /// None if the answer has been given already.
    async fn run_command(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        id: Option<&Value>,
        command: Command,
    ) -> Result<Option<Reply>> {
        let router = &self.core.router;
        match command {
            Command::RoomJoin { room, since, credentials } => {
                let since = router.since_in(&room, since).await?;
                let room = router.join(caller, &room, &credentials).await?;
                self.listen(me, caller, id, room, since).await.map(|()| None)
            }
            Command::RoomLeave { room } => {
                let id = router.rooms.get(&room).await?.id;
                let reply = router.handle(caller, Command::RoomLeave { room }).await?;
                self.core.hub.unsubscribe(id, me);
                Ok(Some(reply))
            }
            Command::Edit { .. } | Command::Delete { .. } | Command::React { .. } => {
                let (outbox, core, id) = (self.outbox.clone(), self.core.clone(), id.cloned());
                // Before the event of what was changed.
                let first = move |reply| answer(&outbox, &core.greeting.get(), id.as_ref(), Ok(reply));
                router.change_message(caller, command, Box::new(first)).await.map(|()| None)
            }
            Command::Post { room, body, .. } => {
                let text = slash_text(&body).unwrap_or_default();
                router.slash(caller, &room, text).await.map(Some)
            }
            other => router.handle(caller, other).await.map(Some),
        }
    }

    /// Answers a join, sends what was missed, and then what is new.
    async fn listen(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        id: Option<&Value>,
        room: Room,
        since: Option<u64>,
    ) -> Result<()> {
        let room_id = room.id;
        // Listen before reading, so that nothing falls between the two; what happens meanwhile is held back.
        self.hear(&room, me)?;
        let joined = match self.caught_up(caller, room, since).await {
            Ok(joined) => joined,
            Err(error) => {
                self.core.hub.unsubscribe(room_id, me);
                return Err(error);
            }
        };
        let Joined { room, last_seq, backlog } = joined;
        let here = room.clone();
        let recovered = backlog.is_some();
        let reply = Ok(Reply::Joined { room, recovered, last_seq });
        let backlog = backlog.unwrap_or_default();
        // All that was missed, if it is little: then answer, entries and what waited come without anything between them.
        let missed: Vec<_> =
            backlog.iter().filter_map(|entry| native::encode_event(&Event::Entry(entry.clone()))).collect();
        let end = backlog.last().map_or(last_seq, |last| last.seq);
        if end == last_seq && fits(&self.limits, &missed) {
            let released = self.core.hub.release(room_id, me.id, last_seq, || {
                self.answer(id, reply);
                missed.into_iter().for_each(|text| self.outbox.enqueue(text));
            });
            return match released {
                Released::CaughtUp => Ok(()),
                Released::Behind => {
                    self.catch_up(me, caller, &here, last_seq).await;
                    Ok(())
                }
                Released::Gone => Err(Error::Forbidden("put out of this room meanwhile".into())),
            };
        }
        self.answer(id, reply);
        self.catch_up(me, caller, &here, since.unwrap_or(last_seq)).await;
        Ok(())
    }

    fn answer(&self, id: Option<&Value>, outcome: Result<Reply>) {
        if let Err(error) = &outcome {
            self.count_failure(error);
        }
        answer(&self.outbox, &self.core.greeting.get(), id, outcome);
    }

    /// The frame's own id goes with the error, if it can be read.
    pub(super) fn refuse_native(&self, frame: Option<&str>, error: &Error) {
        let id = frame.and_then(|text| native::decode(text).map_or_else(|(id, _)| id, |request| request.id));
        self.outbox.enqueue(native::encode_error(id.as_ref(), error));
    }
}

/// Whether what was missed can wait for a connection at once, with room for what happens meanwhile. More would close it as
/// too slow, however fast it reads, and again whenever it came back.
fn fits(limits: &config::Limits, missed: &[Utf8Bytes]) -> bool {
    let bytes: usize = missed.iter().map(|text| text.len()).sum();
    missed.len() <= limits.outbox_frames / 2 && bytes <= limits.outbox_bytes / 2
}

/// A request without an id is answered only if it failed.
fn answer(outbox: &Outbox, greeting: &Greeting, id: Option<&Value>, outcome: Result<Reply>) {
    match (outcome, id) {
        (Ok(reply), Some(id)) => outbox.enqueue(native::encode_reply(id, reply, greeting)),
        (Ok(_), None) => {}
        (Err(error), id) => outbox.enqueue(native::encode_error(id, &error)),
    }
}
