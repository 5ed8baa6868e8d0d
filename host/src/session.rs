//! The session of one live connection: reads its frames, decides its dialect, handles its commands, and enforces deadlines and
//! rate limits.

mod ahead;
mod catch_up;
mod direct;
mod go;
mod groups;
mod identity;
mod native;
mod rooms;
mod sessions;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument as _;
use uuid::Uuid;

use self::ahead::{Heartbeat, ReadAhead};
use self::identity::TokenClock;
use crate::accounts::throttle::Origin;
use crate::accounts::{Accounts, FailedLogIns, Identity};
use crate::config::{self, Reloadable};
use crate::dialect::native::Greeting;
use crate::dialect::{self, Dialect, Encoded};
use crate::error::{Error, Result};
use crate::hub::{Close, Connection, Hub, Outbox};
use crate::messages::Posted;
use crate::metrics::Metrics;
use crate::protocol::{Actor, ConnectionId, Event, RoomName};
use crate::router::{Caller, NewMessage, Router, Sender};

/// How many posts of one connection may wait for the writer.
const MAX_POSTS_IN_FLIGHT: u32 = 64;
/// Cost of a message on which a filter faults, in commands of the rate limit: it may be an attack.
const FAULT_COST_COMMANDS: u32 = 50;
/// How long a connection without a dialect may take to send its first frame.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(60);
/// Stands for no deadline; pings come sooner.
const NO_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// An event from a session's socket.
#[derive(Debug)]
pub enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// A pong or another sign of life.
    Alive,
    /// The client closes the connection; this close is sent back.
    Closing(Close),
    /// The socket failed; this close is sent if possible.
    Failed(Close),
}

/// State shared by all sessions.
pub struct Core {
    pub router: Router,
    pub accounts: Arc<Accounts>,
    pub hub: Arc<Hub>,
    pub limits: Reloadable<config::Limits>,
    pub auth: Reloadable<config::Auth>,
    pub dialects: Reloadable<config::Dialects>,
    pub greeting: Reloadable<Greeting>,
    pub metrics: Arc<Metrics>,
    pub failed_log_ins: FailedLogIns,
}

/// Counts errors of one connection in the metrics.
#[derive(Clone)]
pub(crate) struct Failures {
    core: Arc<Core>,
    transport: &'static str,
}

impl Failures {
    pub(crate) fn new(core: &Arc<Core>, dialect: Option<Dialect>) -> Self {
        Self { core: core.clone(), transport: dialect.map_or("none", Dialect::name) }
    }

    pub(crate) fn count(&self, error: &Error) {
        self.core.metrics.failed(self.transport, error.code());
    }
}

/// State of one live client connection.
pub struct ClientSession {
    core: Arc<Core>,
    /// The limits at the start of the connection.
    limits: Arc<config::Limits>,
    id: ConnectionId,
    /// Id of the current frame, for the log.
    request: Uuid,
    outbox: Arc<Outbox>,
    address: IpAddr,
    /// Set once the connection has identified itself.
    me: Option<Arc<Connection>>,
    /// None until the first frame decides.
    dialect: Option<Dialect>,
    /// The account's id at the issuer of its token, if the issuer is not this server.
    external: Option<Arc<str>>,
    /// A token from the URL, until the first frame decides the dialect.
    undecided_token: Option<String>,
    token: Option<TokenClock>,
    connect_by: Instant,
    flood: Arc<DefaultDirectRateLimiter>,
    refusals: u32,
    in_flight: Arc<Semaphore>,
}

impl ClientSession {
    /// Without a dialect the first frame decides.
    pub fn new(
        core: Arc<Core>,
        id: ConnectionId,
        outbox: Arc<Outbox>,
        address: IpAddr,
        dialect: Option<Dialect>,
    ) -> Self {
        let now = Instant::now();
        let limits = core.limits.latest();
        let timeout = if dialect.is_some() { limits.connect_timeout } else { FIRST_FRAME_TIMEOUT };
        let positive = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(positive(limits.commands_per_second)).allow_burst(positive(limits.command_burst));
        Self {
            id,
            request: Uuid::nil(),
            outbox,
            address,
            me: None,
            dialect,
            external: None,
            undecided_token: None,
            token: None,
            connect_by: now + timeout,
            flood: Arc::new(RateLimiter::direct(quota)),
            refusals: 0,
            in_flight: Arc::new(Semaphore::new(MAX_POSTS_IN_FLIGHT as usize)),
            limits,
            core,
        }
    }

    /// Sets the token that identifies the connection once its first frame has decided the dialect.
    pub fn with_undecided_token(mut self, token: Option<String>) -> Self {
        self.undecided_token = token;
        self
    }

    /// Runs until the socket or the server ends the connection. `identity` comes from the upgrade request's token. In dialects
    /// that support it, the latest `recent` messages of each conversation are sent first.
    pub async fn run(
        mut self,
        identity: Option<Identity>,
        recent: Option<u32>,
        incoming: impl Stream<Item = Incoming>,
    ) {
        let mut incoming = pin!(incoming);
        let mut heartbeat = Heartbeat::new(self.outbox.clone(), self.limits.ping_interval);
        let mut ahead = ReadAhead::new(self.outbox.clone(), self.limits.frame_bytes);
        let mut timer = pin!(sleep_until(heartbeat.next()));
        let mut begin = Box::pin(self.begin(identity, recent));
        ahead.read_during(begin.as_mut(), incoming.as_mut(), &mut heartbeat, timer.as_mut()).await;
        drop(begin);
        loop {
            self.on_deadline();
            heartbeat.beat();
            let frame = match ahead.take() {
                Some(frame) => frame,
                None if ahead.has_ended() => break,
                None => {
                    timer.as_mut().reset(heartbeat.next().min(self.next_deadline()));
                    tokio::select! {
                        frame = incoming.next() => match frame {
                            Some(frame) => frame,
                            None => break,
                        },
                        () = timer.as_mut() => continue,
                    }
                }
            };
            heartbeat.note_alive();
            match frame {
                Incoming::Alive => {}
                Incoming::Closing(close) | Incoming::Failed(close) => self.outbox.close(close),
                // After a close by the server, frames are ignored, but the peer's close is awaited.
                _ if self.outbox.is_closed() && !ahead.has_closed_early() => {}
                frame => {
                    let work = pin!(self.on_frame(frame));
                    ahead.read_during(work, incoming.as_mut(), &mut heartbeat, timer.as_mut()).await;
                }
            }
        }
    }

    /// Identifies and subscribes a connection before its first frame.
    async fn begin(&mut self, identity: Option<Identity>, recent: Option<u32>) {
        match (identity, self.dialect) {
            (Some(identity), Some(Dialect::Go)) => self.begin_go(identity, recent).await,
            (Some(identity), Some(Dialect::Direct)) => self.begin_direct(identity).await,
            // Only native clients can renew their token, so these connections do not expire.
            (Some(identity), Some(Dialect::Rooms | Dialect::EchoSessions)) => {
                drop(self.register(Actor::Account(identity.account), Some(identity.login), false));
            }
            (Some(Identity { account, login, .. }), Some(Dialect::Groups)) => {
                let id = account.id;
                let me = self.register(Actor::Account(account), Some(login), true);
                self.subscribe_to_all(&me, id, |_| ()).await;
            }
            (Some(identity), _) => drop(self.identify(identity, false).await),
            (None, _) => {}
        }
    }

    /// Whether the client still has to identify itself or to choose a dialect. Some dialects allow anonymous connections.
    fn must_identify(&self) -> bool {
        match self.dialect {
            None | Some(Dialect::Native | Dialect::Direct | Dialect::DirectExternal | Dialect::EchoSessions) => {
                self.me.is_none()
            }
            Some(Dialect::Groups | Dialect::Go | Dialect::Rooms) => false,
        }
    }

    fn next_deadline(&self) -> Instant {
        let connect = self.must_identify().then_some(self.connect_by);
        let token = self.token.as_ref().map(TokenClock::next);
        let far = Instant::now() + NO_DEADLINE;
        [connect, token].into_iter().flatten().fold(far, Instant::min)
    }

    fn on_deadline(&mut self) {
        let now = Instant::now();
        if self.must_identify() && now >= self.connect_by {
            let close = match self.dialect {
                Some(Dialect::Direct) => Close::new(Close::TOKEN_EXPIRED, "no `authenticate` in time"),
                Some(_) => Close::new(Close::TOKEN_EXPIRED, "no `connect` in time"),
                None => Close::new(Close::BAD_FIRST_FRAME, "no first frame in time"),
            };
            self.outbox.close(close);
        }
        if let Some(token) = &mut self.token {
            if now >= token.ends {
                self.outbox.close(Close::new(Close::TOKEN_EXPIRED, "the token has expired"));
            } else if now >= token.next() {
                token.warned = true;
                let event = Event::TokenExpiring { at: token.expires_at };
                self.send_event(&event);
            }
        }
    }

    async fn on_frame(&mut self, frame: Incoming) {
        let text = match frame {
            Incoming::Text(text) => Some(text),
            Incoming::Alive | Incoming::Closing(_) | Incoming::Failed(_) => return,
            // Some libraries send every frame as bytes. Socket.IO's attachments are something else.
            Incoming::Binary(bytes) if self.dialect != Some(Dialect::EchoSessions) => Utf8Bytes::try_from(bytes).ok(),
            Incoming::Binary(_) => None,
        };
        if let Err(retry_after) = self.take_command() {
            self.refusals += 1;
            if self.refusals > self.limits.refusals_before_close {
                return self.outbox.close(Close::new(Close::FLOODING, "flooding"));
            }
            return self.refuse(text.as_deref(), &Error::RateLimited { retry_after });
        }
        let Some(text) = text else {
            let error = match self.dialect {
                Some(Dialect::EchoSessions) => {
                    Error::BadRequest("binary attachments are not supported; send JSON".into())
                }
                _ => Error::BadRequest("a binary frame should hold JSON in UTF-8, as a text frame does".into()),
            };
            self.refuse(None, &error);
            if self.dialect.is_none() {
                self.outbox.close(no_dialect());
            }
            return;
        };
        self.request = Uuid::now_v7();
        let undecided = self.dialect.is_none();
        let dialect = self.dialect.or_else(|| self.decide_dialect(&text));
        if undecided && !Box::pin(self.begin_with_undecided_token()).await {
            return;
        }
        // Costs nothing unless the debug level is enabled.
        let span = tracing::debug_span!("frame", request = %self.request, dialect = dialect.map(Dialect::name));
        // Boxed: the future of all commands together is far larger than an idle connection.
        Box::pin(self.dispatch(dialect, &text)).instrument(span).await;
    }

    /// Counts a frame for its connection, and for its account or address over all connections.
    fn take_command(&self) -> Result<(), Duration> {
        self.flood.check().map_err(|wait| wait.wait_time_from(governor::clock::DefaultClock::default().now()))?;
        self.core.router.try_take_command(&self.sender())
    }

    fn sender(&self) -> Sender {
        Sender::new(self.me.as_ref().map(|me| &me.actor), self.origin())
    }

    /// Handles a text frame in the connection's dialect.
    async fn dispatch(&mut self, dialect: Option<Dialect>, text: &Utf8Bytes) {
        match dialect {
            Some(Dialect::Native) => self.on_native(text).await,
            Some(Dialect::Groups) => self.on_groups(text).await,
            Some(Dialect::Go) => self.on_go(text).await,
            Some(Dialect::Rooms) => self.on_rooms(text).await,
            Some(Dialect::Direct | Dialect::DirectExternal) => self.on_direct(text).await,
            Some(Dialect::EchoSessions) => self.on_sessions(text).await,
            None => {
                let error = Error::BadRequest(
                    "the first frame should be a JSON object with `op`, `event` or `type`, which select the dialect"
                        .into(),
                );
                self.refuse(None, &error);
                self.outbox.close(no_dialect());
            }
        }
    }

    /// Decides the connection's dialect by its first frame.
    fn decide_dialect(&mut self, first: &str) -> Option<Dialect> {
        self.dialect = Dialect::of_first_frame(first);
        self.connect_by = Instant::now() + self.limits.connect_timeout;
        self.dialect
    }

    /// Identifies the connection by the token from the URL, now that its dialect is known. False if the token is refused.
    async fn begin_with_undecided_token(&mut self) -> bool {
        let (Some(token), Some(dialect)) = (self.undecided_token.take(), self.dialect) else { return true };
        let identity = match dialect {
            Dialect::Direct => self.core.accounts.identify_anyone(&token).await,
            _ => self.core.accounts.identify(&token).await,
        };
        match identity {
            Ok(identity) => {
                self.begin(Some(identity), None).await;
                true
            }
            Err(error) => {
                self.refuse(None, &error);
                self.outbox.close(Close::new(Close::TOKEN_EXPIRED, error.to_string()));
                false
            }
        }
    }

    /// Sends an error in the connection's dialect, about this frame if there is one.
    fn refuse(&self, frame: Option<&str>, error: &Error) {
        self.count_failure(error);
        match self.dialect {
            Some(Dialect::Native) | None => self.refuse_native(frame, error),
            Some(Dialect::Groups) => {
                let kind = frame.map_or(dialect::groups::Kind::Unknown, |frame| dialect::groups::decode(frame).0);
                self.outbox.enqueue(dialect::groups::refused(kind, error));
            }
            Some(Dialect::Go) => self.outbox.enqueue(dialect::go::error(error, dialect::go::MESSAGE)),
            Some(Dialect::Direct | Dialect::DirectExternal) => {
                self.outbox.enqueue(dialect::direct::error(error, &dialect::direct::Nested::default()))
            }
            Some(Dialect::EchoSessions) => self.refuse_sessions(frame, error),
            Some(Dialect::Rooms) => {
                let kind = frame.map_or_else(|| "error".to_owned(), |frame| dialect::rooms::decode(frame).0);
                self.outbox.enqueue(dialect::rooms::refused(&kind, error));
            }
        }
    }

    fn origin(&self) -> Origin {
        self.address.into()
    }

    fn failures(&self) -> Failures {
        Failures::new(&self.core, self.dialect)
    }

    fn count_failure(&self, error: &Error) {
        self.core.metrics.failed(self.dialect.map_or("none", Dialect::name), error.code());
    }

    /// Sends an event to this connection alone.
    fn send_event(&self, event: &Event) {
        if let Some(text) = self.dialect.and_then(|dialect| Encoded::new(event, None).for_dialect(dialect)) {
            self.outbox.enqueue(text);
        }
    }

    /// Queues a post without waiting for its outcome: `answer` is called with it, before the post is broadcast.
    async fn post(
        &self,
        caller: &Caller,
        room: &RoomName,
        message: NewMessage,
        answer: impl FnOnce(&Outbox, Result<Posted>) + Send + Sync + 'static,
    ) {
        // The semaphore is never closed: the session owns it.
        let permit = self.in_flight.clone().acquire_owned().await.ok();
        let (outbox, flood, failures) = (self.outbox.clone(), self.flood.clone(), self.failures());
        let (core, sender) = (self.core.clone(), self.sender());
        let done = move |outcome: Result<Posted>| {
            if let Err(error) = &outcome {
                failures.count(error);
            }
            if let Err(Error::Plugin { .. }) = outcome {
                // Takes as much of the cost as the bucket has.
                let _ = (1..FAULT_COST_COMMANDS).try_for_each(|_| flood.check());
                core.router.charge_commands(&sender, FAULT_COST_COMMANDS - 1);
            }
            // The post is broadcast right after the answer: for its sender both go out in one write.
            let corked = matches!(outcome, Ok(Posted { duplicate: false, .. })).then(|| outbox.clone().cork());
            answer(&outbox, outcome);
            drop(permit);
            corked
        };
        self.core.router.post(caller, room, message, Box::new(done)).await;
    }

    fn caller(&self, me: &Connection) -> Caller {
        Caller { actor: me.actor.clone(), connection: Some(self.id), origin: self.origin(), request: self.request }
    }
}

fn no_dialect() -> Close {
    Close::new(Close::BAD_FIRST_FRAME, "the first frame is in no known dialect")
}

impl Drop for ClientSession {
    /// Disconnects from the hub however the session ends: the transport drops it when the peer vanishes.
    fn drop(&mut self) {
        if let Some(me) = &self.me {
            self.core.hub.disconnect(me);
        }
    }
}
