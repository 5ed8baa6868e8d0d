//! Conversations by integer: with one account, or in one group.

use super::{Caller, Router};
use crate::error::{Error, Result};
use crate::messages::MAX_PAGE;
use crate::protocol::{Message, Page, Room};

/// Whom one talks to, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partner {
    Account(i64),
    Group(i64),
}

impl Router {
    /// The room of a conversation. That of two accounts is made where there is none.
    pub async fn conversation(&self, caller: &Caller, with: Partner) -> Result<Room> {
        match with {
            Partner::Group(number) => self.rooms.numbered(number).await,
            Partner::Account(number) => {
                let other = self.accounts.numbered(number).await?;
                self.rooms.direct(self.account(caller)?, &other).await
            }
        }
    }

    /// The latest messages of a conversation before the message of this number, oldest first; no room if the two have never
    /// talked.
    pub async fn conversation_page(
        &self,
        caller: &Caller,
        with: Partner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Option<Room>, Vec<Message>)> {
        let room = match with {
            Partner::Group(number) => Some(self.rooms.numbered(number).await?),
            Partner::Account(number) => {
                let other = self.accounts.numbered(number).await?;
                self.rooms.direct_between(self.account(caller)?, &other).await?
            }
        };
        let Some(room) = room else { return Ok((None, Vec::new())) };
        let before = match before {
            Some(number) => self.messages.seq_from_number(room.id, number).await?,
            None => None,
        };
        let (messages, _) = self.page(caller, &room, Page::Before(before), limit).await?;
        Ok((Some(room), messages))
    }

    /// Messages of a room that the caller is in, without those that were deleted; and the room's last entry, which was there
    /// when they were read.
    pub async fn page(&self, caller: &Caller, room: &Room, page: Page, limit: u32) -> Result<(Vec<Message>, u64)> {
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Error::invalid("limit", format!("1 to {MAX_PAGE}")));
        }
        self.presence(caller, &crate::protocol::RoomName::Id(room.id)).await?;
        let last_seq = self.messages.last_seq(room.id).await?;
        Ok((self.messages.page(room.id, page, limit).await?, last_seq))
    }
}
