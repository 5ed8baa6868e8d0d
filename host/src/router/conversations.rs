//! Conversations identified by a number: with one account, or in one group.

use serde_json::{Map, Value};

use super::{Caller, Router};
use crate::error::{Error, Result, rooms};
use crate::protocol::MAX_PAGE;
use crate::protocol::{Message, Page, Room, RoomName};

/// The other side of a conversation, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partner {
    Account(i64),
    Group(i64),
}

impl Router {
    /// The room of a conversation. A direct room is created if there is none.
    pub async fn conversation(&self, caller: &Caller, with: Partner) -> Result<Room> {
        match with {
            Partner::Group(number) => self.rooms.by_number(number).await,
            Partner::Account(number) => {
                if let Some(room) = self.existing_direct_room(caller, number).await? {
                    return Ok(room);
                }
                let other = self.accounts.numbered(number).await?;
                self.rooms.direct(self.account(caller)?, &other, caller.origin).await
            }
        }
    }

    /// The direct room with this account, if there is one, even if the account is deleted.
    async fn existing_direct_room(&self, caller: &Caller, number: i64) -> Result<Option<Room>> {
        self.rooms.direct_by_number(self.account(caller)?, number).await
    }

    /// Creates a room by the plugin command `room.create`.
    pub async fn make_room(&self, caller: &Caller, args: Map<String, Value>) -> Result<Room> {
        self.check_room_creation()?;
        let value = self.run_command(caller, "room.create", args).await?;
        let uid = value["room"]["uid"].as_str().and_then(|uid| uid.parse().ok());
        let uid = uid.ok_or_else(|| Error::Unavailable("the id of the created room is unknown".into()))?;
        self.rooms.get(&RoomName::Id(uid)).await
    }

    /// Checks that a plugin provides `room.create`, for clients that do not name the command themselves.
    pub fn check_room_creation(&self) -> Result<()> {
        match self.plugins.command("room.create") {
            Some(_) => Ok(()),
            None => Err(Error::Unavailable(rooms::NO_ROOM_CREATION.into())),
        }
    }

    /// The latest messages of a conversation before the message with this number, oldest first; no room if the two accounts have
    /// no direct room.
    pub async fn conversation_page(
        &self,
        caller: &Caller,
        with: Partner,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Option<Room>, Vec<Message>)> {
        let room = match with {
            Partner::Group(number) => Some(self.rooms.by_number(number).await?),
            Partner::Account(number) => match self.existing_direct_room(caller, number).await? {
                Some(room) => Some(room),
                // Without a room, the account still has to exist.
                None => self.accounts.numbered(number).await.map(|_| None)?,
            },
        };
        let Some(room) = room else { return Ok((None, Vec::new())) };
        let before = match before {
            Some(number) => self.messages.seq_from_number(room.id, number).await?,
            None => None,
        };
        let (messages, _) = self.page(caller, &room, Page::Before(before), limit).await?;
        Ok((Some(room), messages))
    }

    /// Messages of a room that the caller is in, without deleted ones, and the room's last `seq` before they were read.
    pub async fn page(&self, caller: &Caller, room: &Room, page: Page, limit: u32) -> Result<(Vec<Message>, u64)> {
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(Error::invalid("limit", format!("1 to {MAX_PAGE}")));
        }
        self.require_presence(caller, &RoomName::Id(room.id)).await?;
        let last_seq = self.messages.last_seq(room.id).await?;
        Ok((self.messages.page(room.id, page, limit).await?, last_seq))
    }
}
