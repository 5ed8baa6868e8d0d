//! One live connection: who it is, what it asks, and when it has to end.

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use futures_util::{Stream, StreamExt as _};
use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::accounts::throttle::Origin;
use crate::accounts::{Accounts, Identity};
use crate::clock::Timestamp;
use crate::config;
use crate::dialect::Dialect;
use crate::dialect::native::{self, Greeting, Request};
use crate::error::{Error, Result};
use crate::hub::{Close, Connection, Hub, Outbox};
use crate::messages::Posted;
use crate::protocol::{AccountId, Actor, Command, ConnectionId, Event, Guest, LoginId, Proof, Reply, Room, RoomName};
use crate::router::{Caller, NewMessage, Router, slash_text};

/// How many posts of one connection may be on their way at a time.
const IN_FLIGHT: u32 = 64;
/// What a message costs its sender, in commands, if a filter fails over it: it may have been made to that end.
const FAULT_COST: u32 = 50;
/// How long before a token ends its connection is told.
const EXPIRY_WARNING: Duration = Duration::from_secs(60);

/// What a session gets from its socket.
#[derive(Debug)]
pub enum Incoming {
    Text(Utf8Bytes),
    Binary,
    /// A pong or another sign of life.
    Alive,
    /// The socket is beyond use; the client is told this, if it can be.
    Failed(Close),
}

/// What all sessions share.
pub struct Core {
    pub router: Router,
    pub accounts: Arc<Accounts>,
    pub hub: Arc<Hub>,
    pub limits: config::Limits,
    pub guests: bool,
    pub greeting: Greeting,
}

pub struct Session {
    core: Arc<Core>,
    id: ConnectionId,
    outbox: Arc<Outbox>,
    origin: Origin,
    /// Set once the connection has said who it is.
    me: Option<Arc<Connection>>,
    /// The first frame decides about a connection that did not choose its dialect.
    first_frame_decides: bool,
    token: Option<TokenClock>,
    connect_by: Instant,
    heard_at: Instant,
    next_ping: Instant,
    flood: Arc<DefaultDirectRateLimiter>,
    refusals: u32,
    in_flight: Arc<Semaphore>,
}

/// When a connection's token ends.
struct TokenClock {
    expires_at: Timestamp,
    ends: Instant,
    warned: bool,
}

impl TokenClock {
    fn new(expires_at: Timestamp) -> Self {
        Self { expires_at, ends: Instant::now() + expires_at.remaining(), warned: false }
    }

    fn next(&self) -> Instant {
        if self.warned { self.ends } else { self.ends.checked_sub(EXPIRY_WARNING).unwrap_or(self.ends) }
    }
}

impl Session {
    pub fn new(core: Arc<Core>, outbox: Arc<Outbox>, origin: Origin, first_frame_decides: bool) -> Self {
        let now = Instant::now();
        let positive = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(core.limits.commands_per_second))
            .allow_burst(positive(core.limits.command_burst));
        Self {
            id: ConnectionId::new(),
            outbox,
            origin,
            me: None,
            first_frame_decides,
            token: None,
            connect_by: now + core.limits.connect_timeout,
            heard_at: now,
            next_ping: now + core.limits.ping_interval,
            flood: Arc::new(RateLimiter::direct(quota)),
            refusals: 0,
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT as usize)),
            core,
        }
    }

    /// Lives until the socket or the server ends it. `identity` is whoever the upgrade request's token proved.
    pub async fn run(mut self, identity: Option<Identity>, incoming: impl Stream<Item = Incoming>) {
        let mut incoming = pin!(incoming);
        if let Some(identity) = identity {
            self.identify(identity, false).await;
        }
        let mut timer = pin!(sleep_until(self.next_deadline()));
        loop {
            tokio::select! {
                frame = incoming.next() => match frame {
                    None => break,
                    // On the way out nothing more is done, but the peer's own close is waited for.
                    Some(_) if self.outbox.is_closed() => {}
                    Some(frame) => {
                        self.heard_at = Instant::now();
                        self.on_frame(frame).await;
                    }
                },
                () = timer.as_mut() => self.on_deadline(),
            }
            timer.as_mut().reset(self.next_deadline());
        }
        if let Some(me) = &self.me {
            self.core.hub.disconnect(me);
        }
    }

    fn next_deadline(&self) -> Instant {
        let connect = self.me.is_none().then_some(self.connect_by);
        let token = self.token.as_ref().map(TokenClock::next);
        [connect, token].into_iter().flatten().fold(self.next_ping, Instant::min)
    }

    fn on_deadline(&mut self) {
        let now = Instant::now();
        if self.me.is_none() && now >= self.connect_by {
            let seconds = self.core.limits.connect_timeout.as_secs_f32();
            self.outbox.close(Close::new(Close::TOKEN_EXPIRED, format!("no connect within {seconds} s")));
        }
        if let Some(token) = &mut self.token {
            if now >= token.ends {
                self.outbox.close(Close::new(Close::TOKEN_EXPIRED, "the token has expired"));
            } else if now >= token.next() {
                token.warned = true;
                let event = Event::TokenExpiring { at: token.expires_at };
                if let Some(text) = native::encode_event(&event) {
                    self.outbox.offer(text);
                }
            }
        }
        if now >= self.next_ping {
            if now.duration_since(self.heard_at) > 2 * self.core.limits.ping_interval {
                self.outbox.close(Close::new(Close::TOO_SLOW, "no answer to pings"));
            }
            self.outbox.ping();
            self.next_ping = now + self.core.limits.ping_interval;
        }
    }

    async fn on_frame(&mut self, frame: Incoming) {
        let text = match frame {
            Incoming::Text(text) => text,
            Incoming::Alive => return,
            Incoming::Failed(close) => return self.outbox.close(close),
            Incoming::Binary => {
                let error = Error::BadRequest("binary frames are not understood; send JSON as text".into());
                return self.refuse(None, &error);
            }
        };
        if let Err(wait) = self.flood.check() {
            let retry_after = wait.wait_time_from(governor::clock::DefaultClock::default().now());
            self.refusals += 1;
            if self.refusals > self.core.limits.refusals_before_close {
                return self.outbox.close(Close::new(Close::FLOODING, "flooding"));
            }
            let id = native::decode(&text).map_or_else(|(id, _)| id, |request| request.id);
            return self.refuse(id.as_ref(), &Error::RateLimited { retry_after });
        }
        match native::decode(&text) {
            Ok(request) => {
                self.first_frame_decides = false;
                self.on_request(request).await;
            }
            Err((id, error)) => {
                self.refuse(id.as_ref(), &error);
                if std::mem::take(&mut self.first_frame_decides) {
                    self.outbox
                        .close(Close::new(Close::BAD_FIRST_FRAME, "the first frame is in no dialect spoken here"));
                }
            }
        }
    }

    async fn on_request(&mut self, Request { id, command }: Request) {
        if let Command::Connect { proof, listen_all } = command {
            let done = self.connect(proof, listen_all).await;
            return self.answer(id.as_ref(), done);
        }
        let Some(me) = self.me.clone() else {
            let error = Error::Unauthenticated("say who you are first: `connect` with `token` or `guest`".into());
            return self.refuse(id.as_ref(), &error);
        };
        let caller =
            Caller { actor: me.actor.clone(), connection: Some(self.id), origin: self.origin, request: Uuid::now_v7() };
        match command {
            Command::Post { room, body, key, reply_to, attachments } if slash_text(&body).is_none() => {
                let message = NewMessage { body, key, reply_to, attachments };
                self.post(&caller, &room, message, id).await;
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

    async fn post(&self, caller: &Caller, room: &RoomName, message: NewMessage, id: Option<Value>) {
        // Closed never: the session owns it.
        let place = self.in_flight.clone().acquire_owned().await.ok();
        let (outbox, core, flood) = (self.outbox.clone(), self.core.clone(), self.flood.clone());
        let done = move |outcome: Result<Posted>| {
            if let Err(Error::Plugin { .. }) = outcome {
                // As much of it as there is.
                let _ = (1..FAULT_COST).try_for_each(|_| flood.check());
            }
            answer(
                &outbox,
                &core.greeting,
                id.as_ref(),
                outcome.map(|Posted { seq, at, duplicate }| Reply::Posted { seq, at, duplicate }),
            );
            drop(place);
        };
        self.core.router.post(caller, room, message, Box::new(done)).await;
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
                let room = router.join(caller, &room, &credentials).await?;
                self.listen(me, caller, id, room, since).await.map(|()| None)
            }
            Command::RoomLeave { room } => {
                let id = router.rooms.get(&room).await?.id;
                let reply = router.handle(caller, Command::RoomLeave { room }).await?;
                self.core.hub.stop_listening(id, me);
                Ok(Some(reply))
            }
            Command::Edit { .. } | Command::Delete { .. } | Command::React { .. } => {
                let (outbox, core, id) = (self.outbox.clone(), self.core.clone(), id.cloned());
                // Before the event of what was changed.
                let first = move |reply| answer(&outbox, &core.greeting, id.as_ref(), Ok(reply));
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
        self.hear(&room, me);
        let joined = match self.core.router.catch_up(caller, room, since).await {
            Ok(joined) => joined,
            Err(error) => {
                self.core.hub.stop_listening(room_id, me);
                return Err(error);
            }
        };
        let recovered = joined.backlog.is_some();
        self.answer(id, Ok(Reply::Joined { room: joined.room, recovered, last_seq: joined.last_seq }));
        for entry in joined.backlog.unwrap_or_default() {
            if let Some(text) = native::encode_event(&Event::Entry(entry)) {
                self.outbox.offer(text);
            }
        }
        self.core.hub.release(room_id, me.id, joined.last_seq);
        Ok(())
    }

    async fn connect(&mut self, proof: Proof, listen_all: bool) -> Result<Reply> {
        match (proof, self.me.clone()) {
            (Proof::Token(token), None) => {
                let identity = self.core.accounts.identify(&token).await?;
                Ok(self.identify(identity, listen_all).await)
            }
            // A fresh token prolongs a live connection; it cannot become somebody else.
            (Proof::Token(token), Some(me)) => {
                let identity = self.core.accounts.identify(&token).await?;
                if me.actor.account().map(|account| account.id) != Some(identity.account.id) {
                    return Err(Error::Forbidden("this connection is somebody else's; open another one".into()));
                }
                self.token = Some(TokenClock::new(identity.expires_at));
                Ok(self.connected(&me, Some(identity.expires_at)))
            }
            (Proof::Guest(name), None) => {
                if !self.core.guests {
                    return Err(Error::Unauthenticated(
                        "guests are not let in here; log in and connect with `token`".into(),
                    ));
                }
                let name = match name {
                    Some(name) => self.core.accounts.guest_name(&name).await?,
                    None => format!("guest-{:04x}", rand::random::<u16>()),
                };
                let guest = Guest { id: self.id, name: name.into() };
                let me = self.enter(Actor::Guest(guest), None, false);
                Ok(self.connected(&me, None))
            }
            (Proof::Guest(_), Some(_)) => Err(Error::Conflict("this connection has said who it is already".into())),
        }
    }

    async fn identify(&mut self, identity: Identity, listen_all: bool) -> Reply {
        self.token = Some(TokenClock::new(identity.expires_at));
        let expires_at = identity.expires_at;
        let account = identity.account.id;
        let me = self.enter(Actor::Account(identity.account), Some(identity.login), listen_all);
        if listen_all {
            self.listen_to_all(&me, account).await;
        }
        self.connected(&me, Some(expires_at))
    }

    fn enter(&mut self, actor: Actor, login: Option<LoginId>, listen_all: bool) -> Arc<Connection> {
        let me = Arc::new(Connection::new(Dialect::Native, self.outbox.clone(), actor, self.id, login));
        me.listens_to_all.store(listen_all, Ordering::Relaxed);
        self.core.hub.connect(&me);
        self.me = Some(me.clone());
        me
    }

    async fn listen_to_all(&self, me: &Arc<Connection>, account: AccountId) {
        let rooms = match self.core.router.rooms.of(account).await {
            Ok(rooms) => rooms,
            // The client hears nothing until it joins its rooms one by one, which tells it what is wrong.
            Err(_) => return me.listens_to_all.store(false, Ordering::Relaxed),
        };
        for room in rooms {
            // One that was deleted meanwhile is not heard of any more.
            if let Ok(room) = self.core.router.rooms.get(&RoomName::Id(room)).await {
                self.hear(&room, me);
                self.core.hub.release(room.id, me.id, 0);
            }
        }
    }

    fn hear(&self, room: &Room, me: &Arc<Connection>) {
        // Without a nick there is nothing that could be in use.
        let _ = self.core.hub.listen(room, me, None);
    }

    fn connected(&self, me: &Connection, expires_at: Option<Timestamp>) -> Reply {
        Reply::Connected { actor: me.actor.clone(), connection: self.id, expires_at }
    }

    fn answer(&self, id: Option<&Value>, outcome: Result<Reply>) {
        answer(&self.outbox, &self.core.greeting, id, outcome);
    }

    fn refuse(&self, id: Option<&Value>, error: &Error) {
        self.outbox.offer(native::encode_error(id, error));
    }
}

/// A request without an id is answered only if it failed.
fn answer(outbox: &Outbox, greeting: &Greeting, id: Option<&Value>, outcome: Result<Reply>) {
    match (outcome, id) {
        (Ok(reply), Some(id)) => outbox.offer(native::encode_reply(id, reply, greeting)),
        (Ok(_), None) => {}
        (Err(error), id) => outbox.offer(native::encode_error(id, &error)),
    }
}
