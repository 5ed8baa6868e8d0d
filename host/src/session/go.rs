//! Sessions of the `go` dialect: a token identifies the account, the connection subscribes to all of its rooms, and a posted
//! message comes back as its own answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ClientSession;
use crate::accounts::Identity;
use crate::dialect::go::{self, Request, To};
use crate::error::{Error, Result};
use crate::hub::Connection;
use crate::protocol::{Account, Actor, Page, Room, RoomKind, RoomName};
use crate::router::{Caller, NewMessage, Partner};

/// Messages on a page of a conversation, unless the client gives a limit.
const DEFAULT_PAGE_SIZE: u32 = 50;

impl ClientSession {
    /// Sends who is connected, then the latest messages of each conversation if requested, then new events.
    pub(super) async fn begin_go(&mut self, identity: Identity, recent: Option<u32>) {
        let account = identity.account.clone();
        // The first frame, before any event.
        self.outbox.enqueue(go::connected(self.id, account.number));
        let me = self.register(Actor::Account(identity.account), Some(identity.login), true);
        let Ok(rooms) = self.core.router.rooms_of(account.id).await else {
            me.subscribes_to_all.store(false, Ordering::Relaxed);
            let error = Error::Unavailable("your conversations cannot be read just now; connect again".into());
            self.count_failure(&error);
            return self.outbox.enqueue(go::error(&error, go::MESSAGE));
        };
        let caller = self.caller(&me);
        for id in rooms {
            if let Ok(room) = self.core.router.room(&RoomName::Id(id)).await
                && room.kind != RoomKind::Echo
            {
                self.begin_conversation(&me, &caller, &account, &room, recent).await;
            }
        }
    }

    /// Subscribes before reading the log, so that no entry falls between the two.
    async fn begin_conversation(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        account: &Account,
        room: &Room,
        recent: Option<u32>,
    ) {
        if self.subscribe(room, me).is_err() || self.core.hub.wait_until_open(room.id).await.is_err() {
            return self.core.hub.unsubscribe(room.id, me);
        }
        let Some(limit) = recent else {
            // An account that was removed before subscribing must not receive events.
            match self.core.router.membership_now(room.id, account.id).await {
                Ok((_, membership)) if membership.role.is_some() => {
                    let _ = self.core.hub.release(room.id, me.id, 0, || ());
                }
                _ => self.core.hub.unsubscribe(room.id, me),
            }
            return;
        };
        match self.core.router.page(caller, room, Page::Before(None), limit).await {
            Ok((messages, last_seq)) => {
                let of = room.other_than(account.id).map_or(To::Group(room.number), |peer| To::Account(peer.number));
                self.outbox.enqueue_when_free(go::history(of, room, &messages)).await;
                let after = messages.last().map_or(last_seq, |last| last.seq.max(last_seq));
                self.catch_up(me, caller, room, after).await;
            }
            Err(_) => self.core.hub.unsubscribe(room.id, me),
        }
    }

    pub(super) async fn on_go(&mut self, text: &str) {
        let Some(me) = self.me.clone() else {
            let error = Error::Unauthenticated("connect with `Authorization: Bearer <token>`".into());
            self.count_failure(&error);
            return self.outbox.enqueue(go::error(&error, go::MESSAGE));
        };
        let caller = self.caller(&me);
        if let Err(error) = self.run_go(&me, &caller, text).await {
            self.count_failure(&error);
            self.outbox.enqueue(go::error(&error, go::MESSAGE));
        }
    }

    async fn run_go(&self, me: &Arc<Connection>, caller: &Caller, text: &str) -> Result<()> {
        let router = &self.core.router;
        match go::decode(text)? {
            Request::Send { to, message, field } => {
                let room = router.conversation(caller, to.into()).await.map_err(|error| explained(me, to, error))?;
                self.send_go(me, caller, to, &room, message, field).await;
            }
            Request::JoinGroup { group } => {
                let _settled = self.in_flight.acquire_many(super::MAX_POSTS_IN_FLIGHT).await;
                let joined = async {
                    let room = router.room_by_number(group).await?;
                    router.join(caller, &RoomName::Id(room.id), &[]).await
                };
                let room = joined.await.map_err(|error| explained(me, To::Group(group), error))?;
                if !self.core.hub.is_subscribed(room.id, me.id) {
                    self.begin_conversation(me, caller, &router.account(caller)?.clone(), &room, None).await;
                }
                self.outbox.enqueue(go::joined(&room));
            }
            Request::History { of, before, limit } => {
                let _settled = self.in_flight.acquire_many(super::MAX_POSTS_IN_FLIGHT).await;
                let limit = limit.unwrap_or(DEFAULT_PAGE_SIZE);
                let page = router.conversation_page(caller, of.into(), before, limit).await;
                let (room, messages) = page.map_err(|error| explained(me, of, error))?;
                self.outbox.enqueue(match room {
                    Some(room) => go::history(of, &room, &messages),
                    None => go::no_history(of),
                });
            }
        }
        Ok(())
    }

    /// Posts a message. The message itself is the answer; only a failure is answered otherwise.
    async fn send_go(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        to: To,
        room: &Room,
        body: String,
        field: &'static str,
    ) {
        let me = me.clone();
        self.post(caller, &RoomName::Id(room.id), NewMessage::text(body), move |outbox, outcome| {
            if let Err(error) = outcome {
                outbox.enqueue(go::error(&explained(&me, to, error), field));
            }
        })
        .await;
    }
}

/// Replaces an error about a group by the cause of the connection's eviction from it: this dialect has no message for that.
fn explained(me: &Connection, to: To, error: Error) -> Error {
    let eviction = match to {
        To::Group(number) => me.eviction(|from| from.kind == RoomKind::Room && from.number == number),
        To::Account(_) => None,
    };
    match (&error, eviction) {
        (Error::Forbidden(_) | Error::NotFound(_), Some(eviction)) => eviction.error("group"),
        _ => error,
    }
}

impl From<To> for Partner {
    fn from(to: To) -> Self {
        match to {
            To::Account(number) => Self::Account(number),
            To::Group(number) => Self::Group(number),
        }
    }
}
