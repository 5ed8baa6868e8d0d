//! Sessions of the `groups` dialect: a name is bound to the connection by joining its first group or by logging in.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, json};

use super::identity::{MAX_GENERATED_NAMES, generated_guest_name};
use super::{ClientSession, MAX_POSTS_IN_FLIGHT};
use crate::accounts;
use crate::accounts::SignUp;
use crate::dialect::groups::{self, Kind, Person, Request};
use crate::error::rooms::FULL;
use crate::error::{Error, Result};
use crate::hub::Connection;
use crate::name;
use crate::protocol::{Actor, Guest, Room, RoomKind, RoomName, Visibility};
use crate::router::{Caller, NewMessage};
use crate::text::shown;

/// The group of clients that name none.
const LOBBY: &str = "lobby";

impl ClientSession {
    pub(super) async fn on_groups(&mut self, text: &str) {
        let (kind, request) = groups::decode(text);
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                self.count_failure(&error);
                return self.outbox.enqueue(groups::refused(kind, &error));
            }
        };
        if let Request::Message { name, group, text } = request {
            if let Err(error) = self.send_to_group(&name, group, text).await {
                self.count_failure(&error);
                self.outbox.enqueue(groups::refused(kind, &error));
            }
            return;
        }
        // Earlier posts of this connection are completed before its next command runs.
        let in_flight = self.in_flight.clone();
        let _settled = in_flight.acquire_many(MAX_POSTS_IN_FLIGHT).await;
        if let Err(answer) = self.run_groups(kind, request).await {
            self.outbox.enqueue(answer);
        }
    }

    /// Runs a request; the error is the encoded answer.
    async fn run_groups(&mut self, kind: Kind, request: Request) -> Result<(), Utf8Bytes> {
        let done = match request {
            Request::FirstConnect { name: Some(name), group } => self.first_connect(&name, group).await,
            Request::FirstConnect { name: None, group } => self.first_connect_unnamed(group).await,
            Request::MakeGroup { group, name } => self.make_group(&group, name).await,
            Request::LogIn { name, password } => match self.log_in(&name, password).await {
                Err(error @ Error::Unauthenticated(_)) => {
                    self.count_failure(&error);
                    return Err(self.wrong_password(&name).await);
                }
                other => other,
            },
            Request::SignUp { name, password, id, groups } => {
                self.sign_up(SignUp { username: name, email: None, password, handle: id }, groups).await
            }
            Request::GetGroups => self.list_groups().await,
            Request::Message { name, group, text } => self.send_to_group(&name, group, text).await,
        };
        done.map_err(|error| {
            self.count_failure(&error);
            groups::refused(kind, &error)
        })
    }

    async fn first_connect(&mut self, name: &str, group: Option<String>) -> Result<()> {
        let bound = self.me.is_some();
        let me = self.bind(name).await?;
        let joined = self.join_group(&me, group.as_deref().unwrap_or(LOBBY)).await;
        if joined.is_err() && !bound {
            // The client may try another name.
            self.unbind();
        }
        joined
    }

    /// Joins a group under the connection's name, or else as a guest with a generated name.
    async fn first_connect_unnamed(&mut self, group: Option<String>) -> Result<()> {
        if let Some(me) = self.me.clone() {
            return self.first_connect(me.actor.name(), group).await;
        }
        let mut attempts = 1;
        loop {
            // The name may be in use.
            match self.first_connect(&generated_guest_name(attempts), group.clone()).await {
                Err(Error::Conflict(why)) if why != FULL && attempts < MAX_GENERATED_NAMES => attempts += 1,
                other => return other,
            }
        }
    }

    /// The connection under this name, which is bound to it if none is yet.
    async fn bind(&mut self, name: &str) -> Result<Arc<Connection>> {
        match self.me.clone() {
            Some(me) if name::same(me.actor.name(), name) => Ok(me),
            Some(me) => Err(not_yours(me.actor.name())),
            None if self.core.auth.get().guests => {
                let name = self.core.router.guest_name(Some(name)).await?;
                Ok(self.register(Actor::Guest(Guest { id: self.id, name: name.into() }), None, false))
            }
            None => Err(no_guests()),
        }
    }

    /// Leaves every group and gives up the name.
    fn unbind(&mut self) {
        if let Some(me) = self.me.take() {
            self.core.hub.disconnect(&me);
        }
    }

    async fn join_group(&self, me: &Arc<Connection>, group: &str) -> Result<()> {
        let room = self.group(group).await?;
        if self.core.hub.is_subscribed(room.id, me.id) {
            self.outbox.enqueue(groups::acknowledged(me.actor.name(), &room.name));
            return Ok(());
        }
        let caller = self.caller(me);
        let room = self.core.router.join(&caller, &RoomName::Id(room.id), &[]).await?;
        self.enter_group(me, &caller, &room).await
    }

    async fn enter_group(&self, me: &Arc<Connection>, caller: &Caller, room: &Room) -> Result<()> {
        // An account may be in a group several times, with several devices; a guest's name is unique there.
        let nick = matches!(me.actor, Actor::Guest(_)).then(|| me.actor.name().into());
        self.enter_room(me, caller, room, nick, |name| groups::acknowledged(name, &room.name)).await
    }

    async fn make_group(&mut self, group: &str, name: Option<String>) -> Result<()> {
        let me = match (name, self.me.clone()) {
            (Some(name), _) => self.bind(&name).await?,
            (None, Some(me)) => me,
            (None, None) => return Err(nobody_yet()),
        };
        let caller = self.caller(&me);
        let args =
            Map::from_iter([("name".to_owned(), json!(group)), ("visibility".to_owned(), json!(Visibility::Public))]);
        let room = self.core.router.make_room(&caller, args).await?;
        // The owner may be subscribed already.
        self.core.hub.unsubscribe(room.id, &me);
        self.enter_group(&me, &caller, &room).await
    }

    async fn log_in(&mut self, name: &str, password: String) -> Result<()> {
        let login = self.core.accounts.log_in(self.origin(), name, password, None).await;
        let login = login.inspect_err(|error| self.core.failed_log_ins.note(self.address, error))?;
        self.become_account(&login, &[], groups::logged_in).await
    }

    async fn wrong_password(&self, name: &str) -> Utf8Bytes {
        let reveal = self.core.dialects.get().groups.reveal_unknown_users;
        match reveal && matches!(self.core.accounts.is_known(name).await, Ok(false)) {
            true => groups::unknown_user(),
            false => groups::wrong_password(),
        }
    }

    async fn sign_up(&mut self, new: SignUp, wanted: Vec<String>) -> Result<()> {
        // Checked before the account is created, so that a wrong group leaves no account behind.
        let mut join = Vec::with_capacity(wanted.len());
        for group in &wanted {
            join.push(self.group(group).await?);
        }
        let login = self.core.accounts.sign_up(self.origin(), new).await?;
        self.become_account(&login, &join, groups::signed_up).await
    }

    /// Binds the connection to an account, joins these groups, and subscribes to all groups of the account.
    async fn become_account(
        &mut self,
        login: &accounts::Login,
        join: &[Room],
        answer: impl Fn(&Person, &str) -> Utf8Bytes,
    ) -> Result<()> {
        let identity = self.core.accounts.identify(&login.token).await?;
        self.unbind();
        let account = identity.account.id;
        let me = self.register(Actor::Account(identity.account), Some(identity.login), true);
        let caller = self.caller(&me);
        for room in join {
            // If a join fails, the answer does not name the group.
            let _ = self.core.router.join(&caller, &RoomName::Id(room.id), &[]).await;
        }
        let user = &login.user;
        self.subscribe_to_all(&me, account, |rooms| {
            let groups = rooms.iter().filter(|room| room.kind == RoomKind::Room).map(|room| room.name.to_string());
            let id = user.handle.clone().unwrap_or_else(|| user.username.clone());
            let who = Person { name: user.username.clone(), id, groups: groups.collect() };
            self.outbox.enqueue(answer(&who, &login.token));
        })
        .await;
        Ok(())
    }

    async fn list_groups(&self) -> Result<()> {
        if self.me.is_none() && !self.core.auth.get().guests {
            return Err(no_guests());
        }
        let rooms = self.core.router.open_rooms().await?;
        let subscribed = |room: &Room| self.core.hub.is_subscribed(room.id, self.id);
        let open = rooms.iter().filter(|room| room.visibility == Visibility::Public || subscribed(room));
        self.outbox.enqueue(groups::groups(&open.map(|room| &*room.name).collect::<Vec<_>>()));
        Ok(())
    }

    async fn send_to_group(&self, name: &str, group: String, text: String) -> Result<()> {
        let me = self.me.as_ref().ok_or_else(nobody_yet)?;
        if !name::same(me.actor.name(), name) {
            return Err(not_yours(me.actor.name()));
        }
        let room = self.group(&group).await?;
        if !self.core.hub.is_subscribed(room.id, me.id) {
            let not_in =
                || Error::Forbidden(format!("you are not in the group {}; `first-connect` joins it", room.name));
            return Err(me.eviction(|from| from.id == room.id).map_or_else(not_in, |eviction| eviction.error("group")));
        }
        // The message itself is the answer; only a failure is answered with an error.
        self.post(&self.caller(me), &RoomName::Id(room.id), NewMessage::text(text), |outbox, outcome| {
            if let Err(error) = outcome {
                outbox.enqueue(groups::refused(Kind::Message, &error));
            }
        })
        .await;
        Ok(())
    }

    async fn group(&self, name: &str) -> Result<Room> {
        match self.core.router.room(&RoomName::Name(name.to_owned())).await {
            Err(Error::NotFound(_)) => {
                let deleted = |room: &Room| name::same(&room.name, name);
                let eviction = self.me.as_ref().and_then(|me| me.eviction(deleted));
                let unknown = || match name.trim() {
                    "" => Error::invalid("name", "must not be empty"),
                    _ => Error::NotFound(format!("there is no group {}", shown(name))),
                };
                Err(eviction.map_or_else(unknown, |eviction| eviction.error("group")))
            }
            other => other,
        }
    }
}

fn nobody_yet() -> Error {
    Error::Unauthenticated("say who you are first: `first-connect` or `log_in`".into())
}

fn no_guests() -> Error {
    Error::Unauthenticated("guests are not allowed on this server; log in first".into())
}

fn not_yours(name: &str) -> Error {
    Error::Forbidden(format!("name: this connection is {name}'s"))
}
