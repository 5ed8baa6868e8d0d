//! Sessions of the native protocol: each answer is ordered among the events.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde_json::Value;

use super::{ClientSession, MAX_POSTS_IN_FLIGHT};
use crate::config;
use crate::dialect::native::{self, Greeting, Request};
use crate::error::{Error, Result};
use crate::hub::{Connection, Outbox, Released};
use crate::messages::{Attach, Posted};
use crate::protocol::{Command, Event, Reply, Room};
use crate::router::{
    self, BlockedPage, Caller, FoundAccount, HistoryPage, Joined, MembersPage, NewMessage, RoomDetails, RoomView,
    RoomsPage, SearchPage, plain_text, slash_text,
};

impl ClientSession {
    /// Handles a frame.
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
                // Earlier posts of this connection are completed before its next command runs.
                let settled = self.in_flight.acquire_many(MAX_POSTS_IN_FLIGHT).await;
                let done = self.run_command(&me, &caller, id.as_ref(), command).await;
                drop(settled);
                if let Some(done) = done.transpose() {
                    self.answer(id.as_ref(), done);
                }
            }
        }
    }

    /// Runs a command; none if it was answered already.
    async fn run_command(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        id: Option<&Value>,
        command: Command,
    ) -> Result<Option<Reply>> {
        let router = &self.core.router;
        // Called after the commit and before the event of the change.
        let answer_change = || -> router::Answer {
            let (outbox, core, id) = (self.outbox.clone(), self.core.clone(), id.cloned());
            Box::new(move |logged| answer(&outbox, &core.greeting.get(), id.as_ref(), Ok(Reply::Logged(logged))))
        };
        let reply = match command {
            Command::RoomJoin { room, since, credentials } => {
                let since = router.since_in(&room, since).await?;
                let room = router.join(caller, &room, &credentials).await?;
                return self.subscribe_and_answer(me, caller, id, room, since).await.map(|()| None);
            }
            Command::Edit { room, seq, body } => {
                return router.edit(caller, &room, seq, body, answer_change()).await.map(|()| None);
            }
            Command::Delete { room, seq } => {
                return router.delete(caller, &room, seq, answer_change()).await.map(|()| None);
            }
            Command::React { room, seq, emoji, on } => {
                return router.react(caller, &room, seq, emoji, on, answer_change()).await.map(|()| None);
            }
            Command::RoomLeave { room } => {
                let left = router.room(&room).await?.id;
                router.leave(caller, &room).await?;
                self.core.hub.unsubscribe(left, me);
                Reply::Left
            }
            Command::Post { room, body, .. } => {
                let text = slash_text(&body).unwrap_or_default();
                Reply::Result { value: router.slash(caller, &room, text).await?, slash: true }
            }
            Command::Plugin { name, args } => {
                Reply::Result { value: router.run_command(caller, &name, args).await?, slash: false }
            }
            Command::RoomHistory { room, page, limit } => {
                let HistoryPage { messages, more } = router.history(caller, &room, page, limit).await?;
                Reply::History { messages, more }
            }
            Command::RoomMembers { room, cursor } => {
                let MembersPage { members, guests, next } = router.members(caller, &room, cursor).await?;
                Reply::Members { members, guests, next }
            }
            Command::Read { room, seq } => Reply::Read { seq: router.mark_read(caller, &room, seq).await? },
            Command::Typing { room } => router.typing(caller, &room).await.map(|()| Reply::Done)?,
            Command::DirectOpen { account } => router.open_direct(caller, &account).await?.into(),
            Command::HideDirect { room } => router.hide_direct(caller, &room).await.map(|()| Reply::Done)?,
            Command::PresenceWatch { accounts } => Reply::Presence(router.watch_presence(caller, accounts)?),
            Command::Unread => Reply::Unread(router.unread(caller).await?),
            Command::Search { query, room, cursor, limit } => {
                let SearchPage { messages, next } = router.search(caller, &query, room.as_ref(), cursor, limit).await?;
                Reply::Found { messages, next }
            }
            Command::RoomList { query, cursor } => {
                let RoomsPage { rooms, next } = router.list_rooms(caller, query.as_deref(), cursor.as_deref()).await?;
                Reply::Rooms { rooms, next }
            }
            Command::RoomGet { room } => match router.view_room(caller, &room).await? {
                RoomView::Open(details) => details.into(),
                RoomView::Closed(room) => Reply::ClosedRoom(room),
            },
            Command::AccountFind { name } => {
                let FoundAccount { account, online, disabled } = router.find_account(&name).await?;
                Reply::Account { account, online, disabled }
            }
            Command::Block { account, on } => router.block(caller, &account, on).await.map(|()| Reply::Done)?,
            Command::Blocked { cursor } => {
                let BlockedPage { accounts, next } = router.blocked(caller, cursor).await?;
                Reply::Blocked { accounts, next }
            }
            Command::Commands => Reply::Commands(router.plugin_commands()),
            // Handled by `on_request`.
            Command::Connect { .. } => return Ok(None),
        };
        Ok(Some(reply))
    }

    /// Subscribes to a room, answers the join, sends missed entries, and then new events.
    async fn subscribe_and_answer(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        id: Option<&Value>,
        room: Room,
        since: Option<u64>,
    ) -> Result<()> {
        let room_id = room.id;
        // Subscribe before reading the log, so that no entry falls between the two; events meanwhile are held.
        self.subscribe(&room, me)?;
        let joined = match self.read_missed(caller, room, since).await {
            Ok(joined) => joined,
            Err(error) => {
                self.core.hub.unsubscribe(room_id, me);
                return Err(error);
            }
        };
        let Joined { room, last_seq, backlog } = joined;
        let current = room.clone();
        let recovered = backlog.is_some();
        let reply = Ok(Reply::Joined { room, recovered, last_seq });
        let backlog = backlog.unwrap_or_default();
        // If few entries were missed: answer, entries and held events are sent with nothing in between.
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
                    self.catch_up(me, caller, &current, last_seq).await;
                    Ok(())
                }
                Released::Gone => Err(Error::Forbidden("you were removed from this room".into())),
            };
        }
        self.answer(id, reply);
        self.catch_up(me, caller, &current, since.unwrap_or(last_seq)).await;
        Ok(())
    }

    fn answer(&self, id: Option<&Value>, outcome: Result<Reply>) {
        if let Err(error) = &outcome {
            self.count_failure(error);
        }
        answer(&self.outbox, &self.core.greeting.get(), id, outcome);
    }

    /// Sends an error, with the frame's id if it can be parsed.
    pub(super) fn refuse_native(&self, frame: Option<&str>, error: &Error) {
        let id = frame.and_then(|text| native::decode(text).map_or_else(|(id, _)| id, |request| request.id));
        self.outbox.enqueue(native::encode_error(id.as_ref(), error));
    }
}

impl From<RoomDetails> for Reply {
    fn from(details: RoomDetails) -> Self {
        let RoomDetails { room, members, role, guests } = details;
        Self::Room { room, members, role, guests }
    }
}

/// Whether missed entries fit in half of the outbox, with room for new events. More would close the connection as too slow
/// however fast it reads, and again after each reconnect.
fn fits(limits: &config::Limits, missed: &[Utf8Bytes]) -> bool {
    let bytes: usize = missed.iter().map(|text| text.len()).sum();
    missed.len() <= limits.outbox_frames / 2 && bytes <= limits.outbox_bytes / 2
}

/// Answers a request. One without an id is answered only if it failed.
fn answer(outbox: &Outbox, greeting: &Greeting, id: Option<&Value>, outcome: Result<Reply>) {
    match (outcome, id) {
        (Ok(reply), Some(id)) => outbox.enqueue(native::encode_reply(id, reply, greeting)),
        (Ok(_), None) => {}
        (Err(error), id) => outbox.enqueue(native::encode_error(id, &error)),
    }
}
