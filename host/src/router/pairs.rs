//! Conversations identified by the other account, or by their room, for clients that address messages by UUID.

use uuid::Uuid;

use super::{Caller, NewMessage, Router};
use crate::error::{Error, Result};
use crate::protocol::MAX_PAGE;
use crate::protocol::{AccountId, Message, Page, Room, RoomId, RoomKind, RoomName};

/// How many of the latest entries are searched for a message's id.
const MAX_SEARCHED_ENTRIES: u64 = 100_000;
/// After how many entries the search yields to other tasks.
const ENTRIES_PER_YIELD: u64 = 1000;

/// Read positions in a room: the caller's, and the furthest of all other members.
#[derive(Clone, Copy, Debug)]
pub struct ReadBy {
    pub me: u64,
    pub other: u64,
}

impl Router {
    /// The direct room with this account. If there is none, it is created, provided the first message is valid.
    pub async fn room_with(&self, caller: &Caller, other: AccountId, first: &NewMessage) -> Result<Room> {
        let me = self.account(caller)?;
        // Also with a deleted account: the post itself is refused then.
        if let Some(room) = self.rooms.direct_with(me.id, other).await? {
            return Ok(room);
        }
        let other = self.accounts.user(other).await?.account();
        self.check(caller, first).await?;
        self.rooms.direct(me, &other, caller.origin).await
    }

    /// The direct room with this account if there is one, even if the account is deleted.
    pub async fn known_room_with(&self, caller: &Caller, other: AccountId) -> Result<Option<Room>> {
        self.rooms.direct_with(self.account(caller)?.id, other).await
    }

    /// The room of this id, if the caller is a member and it is neither a direct room nor an echo room.
    pub async fn room_of_mine(&self, caller: &Caller, id: RoomId) -> Result<Option<Room>> {
        match self.require_presence(caller, &RoomName::Id(id)).await {
            Ok((room, _)) => Ok(Some(room).filter(|room| room.kind == RoomKind::Room)),
            Err(Error::NotFound(_) | Error::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The caller's unread messages in a room: the latest ones, oldest first, and how many there are in total.
    pub async fn unread_in(&self, caller: &Caller, room: &Room) -> Result<(Vec<Message>, u64)> {
        self.require_presence(caller, &RoomName::Id(room.id)).await?;
        self.messages.unread_in(room.id, self.account(caller)?.id, MAX_PAGE).await
    }

    pub async fn read_by(&self, caller: &Caller, room: &Room) -> Result<ReadBy> {
        let (me, other) = self.messages.read_by(room.id, self.account(caller)?.id).await?;
        Ok(ReadBy { me, other })
    }

    /// A page of a room's messages before the one with this id; without an id, the latest page.
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

    /// Finds a message by its id, latest first. An id is a hash of the message's `seq`, so it can only be compared.
    async fn seq_of(&self, room: &Room, wanted: Uuid, id: impl Fn(u64) -> Uuid) -> Result<u64> {
        let last = self.messages.last_seq(room.id).await?;
        let first = last.saturating_sub(MAX_SEARCHED_ENTRIES) + 1;
        for seq in (first..=last).rev() {
            if id(seq) == wanted {
                return Ok(seq);
            }
            if seq % ENTRIES_PER_YIELD == 0 {
                tokio::task::yield_now().await;
            }
        }
        Err(Error::invalid(
            "before",
            format!("is not a message among the latest {MAX_SEARCHED_ENTRIES} of this conversation"),
        ))
    }
}
