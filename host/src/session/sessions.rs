//! Sessions of the `echo-sessions` dialect: a token identifies the account, its messages are stored and acknowledged, and the
//! server's own messages are sent to it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ClientSession, MAX_POSTS_IN_FLIGHT};
use crate::dialect::sessions::{self, Request};
use crate::error::{Error, Result};
use crate::hub::{Connection, Outbox};
use crate::protocol::{Actor, Eviction, EvictionCause, Room, RoomId, RoomKind, RoomName};
use crate::router::{Caller, NewMessage};

impl ClientSession {
    pub(super) async fn on_sessions(&mut self, frame: &str) {
        let (ack, request) = sessions::decode(frame);
        let done = match request {
            Ok(request) => self.run_sessions(ack, request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            self.count_failure(&error);
            refuse(&self.outbox, ack, &error);
        }
    }

    /// Sends an error about an event.
    pub(super) fn refuse_sessions(&self, frame: Option<&str>, error: &Error) {
        refuse(&self.outbox, frame.and_then(|frame| sessions::decode(frame).0), error);
    }

    async fn run_sessions(&mut self, ack: Option<i64>, request: Request) -> Result<()> {
        if let Request::Connection { token } = request {
            return self.identify_by_token(ack, &token).await;
        }
        let no_token =
            || Error::Unauthenticated("connect with `auth: {token}`, or send `connection` with a token".into());
        let me = self.me.clone().ok_or_else(no_token)?;
        let caller = self.caller(&me);
        match request {
            Request::Connection { .. } => Ok(()),
            Request::Join { session } => {
                let room = self.subscribe_to_session(&me, &caller, session).await?;
                acknowledge(&self.outbox, ack, &json!({"sessionId": room.id, "name": &*room.name}));
                Ok(())
            }
            Request::Message { session, content } => {
                let room = self.subscribe_to_session(&me, &caller, session).await?;
                let message = NewMessage::text(content.clone());
                let id = room.id;
                self.post(&caller, &RoomName::Id(id), message, move |outbox, outcome| match outcome {
                    Ok(posted) => acknowledge(outbox, ack, &sessions::said(id, posted.seq, &content, posted.at)),
                    Err(error) => refuse(outbox, ack, &error),
                })
                .await;
                Ok(())
            }
        }
    }

    /// Identifies the connection by a token; its account cannot change later.
    async fn identify_by_token(&mut self, ack: Option<i64>, token: &str) -> Result<()> {
        // Earlier posts are completed before the identity can change.
        let settled = self.in_flight.clone().acquire_many_owned(MAX_POSTS_IN_FLIGHT).await;
        let identity = self.core.accounts.identify(token).await?;
        match self.me.as_ref().map(|me| me.actor.account().map(|account| account.id)) {
            None => drop(self.register(Actor::Account(identity.account.clone()), Some(identity.login), false)),
            Some(account) if account == Some(identity.account.id) => {}
            Some(_) => {
                return Err(Error::Forbidden("this connection belongs to another account; open a new one".into()));
            }
        }
        drop(settled);
        let account = identity.account;
        acknowledge(&self.outbox, ack, &json!({"userId": account.id, "username": &*account.name}));
        Ok(())
    }

    /// Subscribes to the session of this id, creating it if there is none.
    async fn subscribe_to_session(&self, me: &Arc<Connection>, caller: &Caller, id: RoomId) -> Result<Room> {
        let eviction = me.eviction(|from| from.id == id);
        let evicted =
            |eviction: &Eviction| eviction.error(if eviction.room.kind == RoomKind::Echo { "session" } else { "room" });
        if let Some(gone) = eviction.as_ref().filter(|eviction| eviction.cause == EvictionCause::RoomDeleted) {
            // A deleted room never comes back: do not create a new session for messages to it.
            return Err(evicted(gone));
        }
        let room = self.core.router.session(caller, id).await.map_err(|error| match (&error, &eviction) {
            (Error::NotFound(_) | Error::Forbidden(_), Some(eviction)) => evicted(eviction),
            _ => error,
        })?;
        if !self.core.hub.is_subscribed(room.id, me.id) {
            self.subscribe(&room, me)?;
            if let Err(error) = self.core.hub.wait_until_open(room.id).await {
                self.core.hub.unsubscribe(room.id, me);
                return Err(error);
            }
            // Earlier messages are read over REST.
            self.core.hub.release(room.id, me.id, 0, || ());
        }
        Ok(room)
    }
}

/// Sends an error, and repeats it in the acknowledgement if the client waits for one.
fn refuse(outbox: &Outbox, ack: Option<i64>, error: &Error) {
    outbox.enqueue(sessions::error(error));
    acknowledge(outbox, ack, &sessions::error_json(error));
}

fn acknowledge(outbox: &Outbox, ack: Option<i64>, data: &Value) {
    if let Some(ack) = ack {
        outbox.enqueue(sessions::acknowledged(ack, data));
    }
}
