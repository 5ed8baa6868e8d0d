//! Conversations, each known by who the other one is, or by its room.

use uuid::Uuid;

use super::{Caller, NewMessage, Router};
use crate::error::{Error, Result};
use crate::messages::MAX_PAGE;
use crate::protocol::{AccountId, Message, Page, Room, RoomId, RoomKind, RoomName};

/// How many entries back a message is looked for by an id that does not say where it is …
const SEARCHED: u64 = 100_000;
/// … and how many at a time, so that others get their turn.
const AT_A_TIME: u64 = 1000;

/// How far one has read, and how far anybody else has.
#[derive(Clone, Copy, Debug)]
pub struct ReadBy {
    pub me: u64,
    pub other: u64,
}

impl Router {
    /// The room of the caller and this account, made where there is none for this message: a bad one makes no room.
    pub async fn room_with(&self, caller: &Caller, other: AccountId, first: &NewMessage) -> Result<Room> {
        let me = self.account(caller)?;
        // Also with an account that is deleted since: a post there is refused as such.
        if let Some(room) = self.rooms.direct_of(me.id, other).await? {
            return Ok(room);
        }
        let other = self.accounts.user(other).await?.account();
        self.check(caller, first).await?;
        self.rooms.direct(me, &other, caller.origin).await
    }

    /// The same if it is there, also if the other account is deleted.
    pub async fn known_room_with(&self, caller: &Caller, other: AccountId) -> Result<Option<Room>> {
        self.rooms.direct_of(self.account(caller)?.id, other).await
    }

    /// The room of this id, if the caller is a member of it and it is no conversation of a kind of its own.
    pub async fn room_of_mine(&self, caller: &Caller, id: RoomId) -> Result<Option<Room>> {
        match self.require_presence(caller, &RoomName::Id(id)).await {
            Ok((room, _)) => Ok(Some(room).filter(|room| room.kind == RoomKind::Room)),
            Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is unread of a room that the caller is in: the latest of it, the oldest first, and how much it is.
    pub async fn unread_in(&self, caller: &Caller, room: &Room) -> Result<(Vec<Message>, u64)> {
        self.require_presence(caller, &RoomName::Id(room.id)).await?;
        self.messages.unread_in(room.id, self.account(caller)?.id, MAX_PAGE).await
    }

    pub async fn read_by(&self, caller: &Caller, room: &Room) -> Result<ReadBy> {
        let (me, other) = self.messages.read_by(room.id, self.account(caller)?.id).await?;
        Ok(ReadBy { me, other })
    }

    /// The page of a room's messages before the one whose id this is; without one, the latest.
    pub async fn page_before(
        &self,
        caller: &Caller,
        room: &Room,
        before: Option<Uuid>,
        limit: u32,
        id: impl Fn(u64) -> Uuid,
    ) -> Result<Vec<Message>> {
        let before = match before {
            Some(before) => Some(self.seq_of(room, before, id).await?),
            None => None,
        };
        Ok(self.page(caller, room, Page::Before(before), limit).await?.0)
    }

    /// An id is made of the message's number and does not give it back: it is compared, the latest first.
    async fn seq_of(&self, room: &Room, wanted: Uuid, id: impl Fn(u64) -> Uuid) -> Result<u64> {
        let last = self.messages.last_seq(room.id).await?;
        let first = last.saturating_sub(SEARCHED) + 1;
        for seq in (first..=last).rev() {
            if id(seq) == wanted {
                return Ok(seq);
            }
            if seq % AT_A_TIME == 0 {
                tokio::task::yield_now().await;
            }
        }
        Err(Error::invalid("before", format!("is no message among the latest {SEARCHED} of this conversation")))
    }
}
