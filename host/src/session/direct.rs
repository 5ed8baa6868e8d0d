//! Sessions of the `direct` dialect: a token identifies the account, and the connection subscribes to all of its rooms.

use std::sync::atomic::Ordering;

use super::{ClientSession, MAX_POSTS_IN_FLIGHT};
use crate::accounts::Identity;
use crate::dialect::direct::{self, Ids, Nested, Read, Request};
use crate::dialect::{Dialect, message_id};
use crate::error::{Error, Result};
use crate::hub::Close;
use crate::messages::Attach;
use crate::protocol::{AccountId, Actor, MAX_PAGE, Room, RoomName};
use crate::router::{Caller, NewMessage};

impl ClientSession {
    /// Identifies the connection, and reports its account online once it is subscribed to all rooms.
    pub(super) async fn begin_direct(&mut self, identity: Identity) {
        if identity.external.is_some() {
            self.dialect = Some(Dialect::DirectExternal);
        }
        self.external = identity.external;
        let account = identity.account.id;
        let me = self.register(Actor::Account(identity.account), Some(identity.login), true);
        // Sent before any event.
        let receives_all = || me.subscribes_to_all.load(Ordering::Relaxed);
        let first = || {
            if receives_all() {
                self.send_online(account)
            }
        };
        self.subscribe_to_all(&me, account, |_| first()).await;
        if !receives_all() {
            let error = Error::Unavailable("your conversations cannot be read just now; connect again".into());
            self.count_failure(&error);
            self.outbox.enqueue(direct::error(&error, &Nested::default()));
            return self.outbox.close(Close::new(Close::GOING_AWAY, error.to_string()));
        }
        // Only after its own status: the first frame is the answer to its token.
        self.core.hub.follow_all_presence(&me);
    }

    fn send_online(&self, account: AccountId) {
        let id = self.external.as_deref().map_or_else(|| account.to_string(), str::to_owned);
        self.outbox.enqueue(direct::user_status(&id, true));
    }

    pub(super) async fn on_direct(&mut self, text: &str) {
        let done = match direct::decode(text) {
            Ok(Request::Authenticate { token }) => return self.authenticate(&token).await,
            Ok(request) => self.run_direct(request, &Nested::of(text)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            self.count_failure(&error);
            self.outbox.enqueue(direct::error(&error, &Nested::of(text)));
        }
    }

    async fn authenticate(&mut self, token: &str) {
        let identity = match self.core.accounts.identify_anyone(token).await {
            Ok(identity) => identity,
            Err(error) => {
                self.count_failure(&error);
                self.outbox.enqueue(direct::error(&error, &Nested::default()));
                let code = match error {
                    Error::Unauthenticated(_) => Close::TOKEN_EXPIRED,
                    Error::Forbidden(_) => Close::DISABLED,
                    // The token may be valid, and can be sent again.
                    _ => return,
                };
                return self.outbox.close(Close::new(code, error.to_string()));
            }
        };
        match self.me.as_ref().map(|me| me.actor.account().map(|account| account.id)) {
            None => self.begin_direct(identity).await,
            Some(mine) if mine == Some(identity.account.id) => self.send_online(identity.account.id),
            Some(_) => {
                let error = Error::Conflict("this connection belongs to another account; open a new one".into());
                self.count_failure(&error);
                self.outbox.enqueue(direct::error(&error, &Nested::default()));
            }
        }
    }

    async fn run_direct(&self, request: Request, nested: &Nested) -> Result<()> {
        let Some(me) = &self.me else {
            return Err(Error::Unauthenticated("say who you are first: `authenticate` with a `token`".into()));
        };
        let caller = self.caller(me);
        match request {
            Request::Authenticate { .. } => Ok(()),
            Request::Message { receiver, message, images } => {
                let attachments = images.into_iter().map(Attach::Image).collect();
                let message = NewMessage { body: message, key: None, reply_to: None, attachments };
                let room = self.room_for(&caller, &receiver, &message).await?;
                self.send_direct(&caller, &room, message, nested.clone()).await;
                Ok(())
            }
            Request::FetchChats { receiver, before, limit } => {
                let _settled = self.in_flight.acquire_many(MAX_POSTS_IN_FLIGHT).await;
                let Some(room) = self.room_with(&caller, &receiver).await? else {
                    self.outbox.enqueue(direct::no_room());
                    return Ok(());
                };
                let id = |seq| message_id(room.id, seq);
                let limit = limit.unwrap_or(MAX_PAGE);
                let messages = self.core.router.page_before(&caller, &room, before, limit, id).await?;
                let read = self.read(&caller, &room).await?;
                self.outbox.enqueue(direct::chats(&room, &messages, read, self.ids(), self.frame_bytes()));
                match messages.iter().rfind(|message| !read.is_mine(message)) {
                    Some(last) if last.seq > read.by_me => {
                        self.core.router.mark_read(&caller, &RoomName::Id(room.id), last.seq).await.map(drop)
                    }
                    _ => Ok(()),
                }
            }
            Request::UnreadMessages { receiver } => {
                let _settled = self.in_flight.acquire_many(MAX_POSTS_IN_FLIGHT).await;
                let answer = match self.room_with(&caller, &receiver).await? {
                    Some(room) => {
                        let read = self.read(&caller, &room).await?;
                        let (messages, count) = self.core.router.unread_in(&caller, &room).await?;
                        (count > 0)
                            .then(|| direct::unread(&room, &messages, count, read, self.ids(), self.frame_bytes()))
                    }
                    None => None,
                };
                self.outbox.enqueue(answer.unwrap_or_else(direct::nothing_unread));
                Ok(())
            }
        }
    }

    /// Posts a message. The message itself is the answer; only a failure is answered otherwise.
    async fn send_direct(&self, caller: &Caller, room: &Room, message: NewMessage, nested: Nested) {
        self.post(caller, &RoomName::Id(room.id), message, move |outbox, outcome| {
            if let Err(error) = outcome {
                outbox.enqueue(direct::error(&error, &nested));
            }
        })
        .await;
    }

    /// The room for a message to this receiver, created if there is none.
    async fn room_for(&self, caller: &Caller, receiver: &str, message: &NewMessage) -> Result<Room> {
        let nobody = || Error::NotFound("receiverId: nobody here has this id".into());
        if let Some(room) = self.room_named(caller, receiver).await? {
            return Ok(room);
        }
        let other = self.named(receiver).await?.ok_or_else(|| match receiver.parse::<uuid::Uuid>() {
            Err(_) if self.external.is_none() => Error::invalid("receiverId", "should be an account's id, a UUID"),
            _ => nobody(),
        })?;
        self.core.router.room_with(caller, other, message).await.map_err(|error| match error {
            Error::NotFound(_) => nobody(),
            other => other,
        })
    }

    /// The room with this receiver, if there is one.
    async fn room_with(&self, caller: &Caller, receiver: &str) -> Result<Option<Room>> {
        if let Some(room) = self.room_named(caller, receiver).await? {
            return Ok(Some(room));
        }
        match self.named(receiver).await? {
            Some(other) => self.core.router.known_room_with(caller, other).await,
            None => Ok(None),
        }
    }

    /// A room (not a direct one) that the account is a member of, by uid.
    async fn room_named(&self, caller: &Caller, receiver: &str) -> Result<Option<Room>> {
        let Ok(id) = receiver.parse() else { return Ok(None) };
        let room = self.core.router.room_of_mine(caller, id).await?;
        match self.me.as_ref().and_then(|me| me.eviction(|from| from.id == id)) {
            Some(eviction) if room.is_none() => Err(eviction.error("room")),
            _ => Ok(room),
        }
    }

    async fn named(&self, receiver: &str) -> Result<Option<AccountId>> {
        self.core.accounts.named_by(self.external.is_some(), receiver).await
    }

    async fn read(&self, caller: &Caller, room: &Room) -> Result<Read> {
        let me = self.core.router.account(caller)?.id;
        let by = self.core.router.read_by(caller, room).await?;
        Ok(Read { me, by_me: by.me, by_other: by.other })
    }

    fn ids(&self) -> Ids {
        if self.external.is_some() { Ids::External } else { Ids::Ours }
    }

    /// The longest frame, in bytes, for an answer without paging.
    fn frame_bytes(&self) -> usize {
        self.limits.outbox_bytes / 2
    }
}
