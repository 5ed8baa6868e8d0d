//! Sessions of the `rooms` dialect: anonymous connections become guests, and a guest has a name of its own in each room.

use std::sync::Arc;

use serde_json::{Map, json};

use super::{ClientSession, MAX_POSTS_IN_FLIGHT};
use crate::dialect::rooms::{self, Request};
use crate::error::rooms::BANNED;
use crate::error::{Error, Result};
use crate::hub::Connection;
use crate::protocol::{Actor, ConnectionId, Credential, EvictionCause, Guest, Room, RoomName, Visibility};
use crate::router::{Caller, NewMessage};

impl ClientSession {
    /// Handles a frame. This dialect has no log-in: a connection without a token becomes a guest.
    pub(super) async fn on_rooms(&mut self, text: &str) {
        let (kind, request) = rooms::decode(text);
        let me = match self.me.clone() {
            Some(me) => me,
            None if self.core.auth.get().guests => {
                let name = match self.core.router.guest_name(None).await {
                    Ok(name) => name,
                    Err(error) => return self.outbox.enqueue(rooms::refused(&kind, &error)),
                };
                self.register(Actor::Guest(Guest { id: self.id, name: name.into() }), None, false)
            }
            None => {
                let error =
                    Error::Unauthenticated("guests are not allowed on this server; connect with a token".into());
                self.count_failure(&error);
                return self.outbox.enqueue(rooms::refused(&kind, &error));
            }
        };
        let caller = self.caller(&me);
        let done = match request {
            Ok(Request::Chat { room, msg }) => self.chat(&caller, &room, msg).await,
            Ok(request) => {
                // Earlier posts of this connection are completed before its next command runs.
                let settled = self.in_flight.acquire_many(MAX_POSTS_IN_FLIGHT).await;
                let done = self.run_rooms(&me, &caller, request).await;
                drop(settled);
                done
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            self.count_failure(&error);
            self.outbox.enqueue(rooms::refused(&kind, &error));
        }
    }

    async fn run_rooms(&self, me: &Arc<Connection>, caller: &Caller, request: Request) -> Result<()> {
        match request {
            Request::Create { name, visibility, pass } => self.create_room(caller, name, visibility, pass).await,
            Request::Query => self.query_rooms(me).await,
            Request::Join { name, room, pass } => self.join_room(me, caller, name, &room, pass).await,
            Request::Leave { room } => self.leave_room(me, caller, &room).await,
            Request::Chat { room, msg } => self.chat(caller, &room, msg).await,
        }
    }

    async fn create_room(&self, caller: &Caller, name: String, visibility: Visibility, pass: String) -> Result<()> {
        let mut args = Map::from_iter([("name".to_owned(), json!(name)), ("visibility".to_owned(), json!(visibility))]);
        if visibility == Visibility::Private {
            args.insert("password".to_owned(), json!(pass));
        }
        let room = self.core.router.make_room(caller, args).await?;
        self.outbox.enqueue(rooms::created(&room.code, &room.name, room.visibility));
        Ok(())
    }

    async fn query_rooms(&self, me: &Arc<Connection>) -> Result<()> {
        let hub = &self.core.hub;
        let found = self.core.router.open_rooms().await?;
        let listed: Vec<_> = found
            .into_iter()
            .map(|room| {
                let known = room.visibility == Visibility::Public || hub.is_subscribed(room.id, me.id);
                let people = if known { hub.subscribers(room.id) } else { Vec::new() };
                (room, people)
            })
            .collect();
        self.outbox.enqueue(rooms::rooms(&listed));
        Ok(())
    }

    async fn join_room(
        &self,
        me: &Arc<Connection>,
        caller: &Caller,
        nick: String,
        code: &str,
        pass: String,
    ) -> Result<()> {
        let router = &self.core.router;
        let room = match router.room_by_code(code).await {
            Err(Error::NotFound(_)) => return Err(Error::NotFound("Room does not exist".into())),
            other => other?,
        };
        if self.core.hub.is_subscribed(room.id, me.id) {
            return Err(Error::Conflict(format!("You are already in the Room: {}", room.name)));
        }
        let name_taken = || Error::Conflict("Name is taken".into());
        // An account keeps its name; a guest has one of its own in each room.
        let nick: Option<Arc<str>> = match &me.actor {
            Actor::Guest(_) => match self.core.router.guest_name(Some(&nick)).await {
                Err(Error::Conflict(_)) => return Err(name_taken()),
                other => Some(other?.into()),
            },
            _ => None,
        };
        let credentials = Credential::password((!pass.is_empty()).then_some(pass));
        let room = match router.join(caller, &RoomName::Id(room.id), &credentials).await {
            Err(Error::Forbidden(why)) if why == BANNED => return Err(Error::Forbidden(why)),
            Err(Error::Forbidden(_) | Error::Rejected { .. }) if room.visibility == Visibility::Private => {
                return Err(Error::Forbidden("Invalid Pass Key!".into()));
            }
            other => other?,
        };
        self.enter_room(me, caller, &room, nick, |nick| rooms::joined(&room, nick)).await
    }

    async fn leave_room(&self, me: &Arc<Connection>, caller: &Caller, code: &str) -> Result<()> {
        let (room, nick) = self.joined_room(me.id, code).await?;
        if caller.actor.account().is_some() {
            self.core.router.leave(caller, &RoomName::Id(room.id)).await?;
        }
        self.core.hub.unsubscribe(room.id, me);
        self.outbox.enqueue(rooms::left(&room, &nick));
        Ok(())
    }

    /// Posts under the name in this room; the others receive the message, the sender an acknowledgement.
    async fn chat(&self, caller: &Caller, code: &str, msg: String) -> Result<()> {
        let (room, _) = self.joined_room(self.id, code).await?;
        let posted_in = room.clone();
        self.post(caller, &RoomName::Id(room.id), NewMessage::text(msg), move |outbox, outcome| {
            outbox.enqueue(match outcome {
                Ok(posted) => rooms::sent(&posted_in, posted.seq),
                Err(error) => rooms::refused("chat", &error),
            });
        })
        .await;
        Ok(())
    }

    /// A room that this connection is in, and its name there.
    async fn joined_room(&self, me: ConnectionId, code: &str) -> Result<(Room, Arc<str>)> {
        let same_code = |from: &Room| from.code.eq_ignore_ascii_case(code);
        let eviction = self.me.as_ref().and_then(|me| me.eviction(same_code));
        let eviction = eviction.filter(|eviction| eviction.cause != EvictionCause::Left);
        let why =
            eviction.map_or_else(|| "You are not in the Room".to_owned(), |eviction| rooms::eviction_reason(&eviction));
        let not_in = || Error::Forbidden(why.clone());
        let room = self.core.router.room_by_code(code).await.map_err(|error| match error {
            Error::NotFound(_) => not_in(),
            other => other,
        })?;
        let nick = self.core.hub.name_in(room.id, me).ok_or_else(not_in)?;
        Ok((room, nick))
    }
}
