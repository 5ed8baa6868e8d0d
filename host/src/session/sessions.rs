//! How a connection of `echo-sessions` goes: a token says who it is, what is said in a session is stored, and what comes
//! back is what the server says there.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ClientSession, IN_FLIGHT};
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

    /// Says what was wrong with an event.
    pub(super) fn refuse_sessions(&self, frame: Option<&str>, error: &Error) {
        refuse(&self.outbox, frame.and_then(|frame| sessions::decode(frame).0), error);
    }

    async fn run_sessions(&mut self, ack: Option<i64>, request: Request) -> Result<()> {
        if let Request::Connection { token } = request {
            return self.prove(ack, &token).await;
        }
        let no_token =
            || Error::Unauthenticated("connect with `auth: {token}`, or send `connection` with a token".into());
        let me = self.me.clone().ok_or_else(no_token)?;
        let caller = self.caller(&me);
        match request {
            Request::Connection { .. } => Ok(()),
            Request::Join { session } => {
                let room = self.hear_session(&me, &caller, session).await?;
                acknowledge(&self.outbox, ack, &json!({"sessionId": room.id, "name": &*room.name}));
                Ok(())
            }
            Request::Message { session, content } => {
                let room = self.hear_session(&me, &caller, session).await?;
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

    /// Says who this is; once said, it stays so.
    async fn prove(&mut self, ack: Option<i64>, token: &str) -> Result<()> {
        // What was said before is settled before anything can change.
        let settled = self.in_flight.clone().acquire_many_owned(IN_FLIGHT).await;
        let identity = self.core.accounts.identify(token).await?;
        match self.me.as_ref().map(|me| me.actor.account().map(|account| account.id)) {
            None => drop(self.enter(Actor::Account(identity.account.clone()), Some(identity.login), false)),
            Some(account) if account == Some(identity.account.id) => {}
            Some(_) => return Err(Error::Forbidden("this connection is somebody else's; open another one".into())),
        }
        drop(settled);
        let account = identity.account;
        acknowledge(&self.outbox, ack, &json!({"userId": account.id, "username": &*account.name}));
        Ok(())
    }

    /// A session of one's own, which this connection hears from now on; made where there is none of this id.
    async fn hear_session(&self, me: &Arc<Connection>, caller: &Caller, id: RoomId) -> Result<Room> {
        let eviction = me.eviction(|from| from.id == id);
        let put_out =
            |eviction: &Eviction| eviction.error(if eviction.room.kind == RoomKind::Echo { "session" } else { "room" });
        if let Some(gone) = eviction.as_ref().filter(|eviction| eviction.cause == EvictionCause::RoomDeleted) {
            // It never comes back: what was said there is not to be said elsewhere.
            return Err(put_out(gone));
        }
        let room = self.core.router.session(caller, id).await.map_err(|error| match (&error, &eviction) {
            (Error::NotFound(_) | Error::Forbidden(_), Some(eviction)) => put_out(eviction),
            _ => error,
        })?;
        if !self.core.hub.is_subscribed(room.id, me.id) {
            self.hear(&room, me)?;
            if let Err(error) = self.core.hub.wait_until_open(room.id).await {
                self.core.hub.unsubscribe(room.id, me);
                return Err(error);
            }
            // What was said before is asked for over REST.
            self.core.hub.release(room.id, me.id, 0, || ());
        }
        Ok(room)
    }
}

/// Whoever waits for an acknowledgement gets the same there.
fn refuse(outbox: &Outbox, ack: Option<i64>, error: &Error) {
    outbox.enqueue(sessions::error(error));
    acknowledge(outbox, ack, &sessions::error_json(error));
}

fn acknowledge(outbox: &Outbox, ack: Option<i64>, data: &Value) {
    if let Some(ack) = ack {
        outbox.enqueue(sessions::acknowledged(ack, data));
    }
}
