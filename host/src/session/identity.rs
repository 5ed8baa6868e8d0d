//! Identifying a connection: by token or as a guest, token expiry, and subscribing to an account's rooms.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::ClientSession;
use crate::accounts::Identity;
use crate::clock::Timestamp;
use crate::config::Echo;
use crate::dialect::Dialect;
use crate::error::{Error, Result};
use crate::hub::{Close, Connection, Released};
use crate::protocol::{AccountId, Actor, Guest, LoginId, Proof, Reply, Room, RoomId, RoomName};
use crate::rooms::origin_key;

/// How long before a token expires its connection is warned.
const EXPIRY_WARNING: Duration = Duration::from_secs(60);

/// Expiry of a connection's token.
pub(super) struct TokenClock {
    pub(super) expires_at: Timestamp,
    pub(super) ends: Instant,
    pub(super) warned: bool,
}

impl TokenClock {
    pub(super) fn new(expires_at: Timestamp) -> Self {
        Self { expires_at, ends: Instant::now() + expires_at.remaining(), warned: false }
    }

    pub(super) fn next(&self) -> Instant {
        if self.warned { self.ends } else { self.ends.checked_sub(EXPIRY_WARNING).unwrap_or(self.ends) }
    }
}

/// How many generated names are tried at most.
pub(super) const MAX_GENERATED_NAMES: u32 = 8;

/// A random name for a guest; later attempts have more digits.
pub(super) fn generated_guest_name(attempt: u32) -> String {
    match attempt {
        1 => format!("guest-{:04x}", rand::random::<u16>()),
        _ => format!("guest-{:08x}", rand::random::<u32>()),
    }
}

impl ClientSession {
    /// Identifies the connection by a token or as a guest, or renews its token.
    pub(super) async fn connect(&mut self, proof: Proof, listen_all: bool) -> Result<Reply> {
        match (proof, self.me.clone()) {
            (Proof::Token(token), None) => {
                let identity = self.core.accounts.identify(&token).await?;
                Ok(self.identify(identity, listen_all).await)
            }
            // A fresh token extends a live connection; its account cannot change.
            (Proof::Token(token), Some(me)) => {
                let identity = self.core.accounts.identify(&token).await?;
                if me.actor.account().map(|account| account.id) != Some(identity.account.id) {
                    return Err(Error::Forbidden("this connection belongs to another account; open a new one".into()));
                }
                self.token = Some(TokenClock::new(identity.expires_at));
                Ok(self.connected(&me, Some(identity.expires_at)))
            }
            (Proof::Guest(name), None) => {
                if !self.core.auth.get().guests {
                    return Err(Error::Unauthenticated(
                        "guests are not allowed on this server; log in and connect with `token`".into(),
                    ));
                }
                let name = self.core.router.guest_name(name.as_deref()).await?;
                let guest = Guest { id: self.id, name: name.into() };
                let me = self.register(Actor::Guest(guest), None, false);
                Ok(self.connected(&me, None))
            }
            (Proof::Guest(_), Some(_)) => Err(Error::Conflict("this connection is already identified".into())),
        }
    }

    /// Registers the connection as an account until its token expires; with `listen_all`, subscribes to all of its rooms.
    pub(super) async fn identify(&mut self, identity: Identity, listen_all: bool) -> Reply {
        self.token = Some(TokenClock::new(identity.expires_at));
        let expires_at = identity.expires_at;
        let account = identity.account.id;
        let me = self.register(Actor::Account(identity.account), Some(identity.login), listen_all);
        if listen_all {
            self.subscribe_to_all(&me, account, |_| ()).await;
        }
        self.connected(&me, Some(expires_at))
    }

    /// Registers the identified connection with the hub, and closes it if its account has too many connections.
    pub(super) fn register(&mut self, actor: Actor, login: Option<LoginId>, listen_all: bool) -> Arc<Connection> {
        let dialect = self.dialect.unwrap_or(Dialect::Native);
        let mut me = Connection::new(dialect, self.outbox.clone(), actor, self.id, login);
        me.external = self.external.clone();
        me.origin = Some(origin_key(self.origin()));
        if dialect == Dialect::Groups {
            me.echoes = self.core.dialects.get().groups.echo == Echo::All;
        }
        let me = Arc::new(me);
        me.subscribes_to_all.store(listen_all, Ordering::Relaxed);
        self.core.hub.connect(&me);
        self.me = Some(me.clone());
        if let Some(account) = me.actor.account()
            && self.core.hub.connections(account.id) > self.limits.connections_per_account
        {
            let why = "this account has as many connections as it may; close others first";
            self.outbox.close(Close::new(Close::TOO_MANY, why));
        }
        me
    }

    /// Subscribes to every room of the account; `first` is called with these rooms before any of their events is sent.
    pub(super) async fn subscribe_to_all(&self, me: &Arc<Connection>, account: AccountId, first: impl FnOnce(&[Room])) {
        let (router, hub) = (&self.core.router, &self.core.hub);
        let of_account = async || {
            router.rooms_of(account).await.unwrap_or_else(|error| {
                // The client receives no events until it joins its rooms one by one, which gives it the error.
                tracing::warn!(%error, "reading the account's rooms failed, connection is not subscribed");
                me.subscribes_to_all.store(false, Ordering::Relaxed);
                Vec::new()
            })
        };
        let mut subscribed = Vec::new();
        for room in of_account().await {
            // Skip rooms that were deleted meanwhile.
            let Ok(room) = router.room(&RoomName::Id(room)).await else { continue };
            if self.subscribe(&room, me).is_ok() {
                subscribed.push(room);
            }
        }
        for room in &subscribed {
            if let Err(error) = hub.wait_until_open(room.id).await {
                tracing::warn!(room = %room.id, %error, "room is not open yet, its events come later");
            }
        }
        // An account that was removed before subscribing must not receive events.
        let current: HashSet<RoomId> = of_account().await.into_iter().collect();
        subscribed.retain(|room| {
            let stays = current.contains(&room.id);
            if !stays {
                hub.unsubscribe(room.id, me);
            }
            stays
        });
        first(&subscribed);
        for room in subscribed {
            // Events dropped meanwhile leave a gap in the numbers, which the client notices.
            while hub.release(room.id, me.id, 0, || ()) == Released::Behind {}
        }
    }

    /// Subscribes to a room under the connection's own name; for a guest that may be in use there.
    pub(super) fn subscribe(&self, room: &Room, me: &Arc<Connection>) -> Result<()> {
        self.core.hub.subscribe(room, me, None).map_err(|_| {
            Error::Conflict(format!("the name {1} is in use in {0}; choose another one", room.name, me.actor.name()))
        })
    }

    fn connected(&self, me: &Connection, expires_at: Option<Timestamp>) -> Reply {
        Reply::Connected { actor: me.actor.clone(), connection: self.id, expires_at }
    }
}
