//! Sessions: echo rooms, in which one account talks to the server.

use super::{Caller, Router};
use crate::error::{Error, Result};
use crate::protocol::MAX_PAGE;
use crate::protocol::{Message, Page, Room, RoomId, SessionSummary};

/// The most sessions or messages in one list. Clients without paging only see the first page.
pub const MAX_LISTED: u32 = 1000;
/// Name of a session that was created without one.
const DEFAULT_SESSION_NAME: &str = "New session";

impl Router {
    /// The room of this id that the caller is a member of, or the caller's session, created if there is neither.
    pub async fn session(&self, caller: &Caller, id: RoomId) -> Result<Room> {
        if let Some(room) = self.room_of_mine(caller, id).await? {
            return Ok(room);
        }
        self.rooms.session(self.account(caller)?, id, DEFAULT_SESSION_NAME, caller.origin).await
    }

    /// Creates a session for the caller.
    pub async fn new_session(&self, caller: &Caller, name: Option<&str>) -> Result<Room> {
        let name = match name {
            Some(name) => crate::name::clean("name", name)?,
            None => DEFAULT_SESSION_NAME.to_owned(),
        };
        self.rooms.session(self.account(caller)?, RoomId::new(), &name, caller.origin).await
    }

    /// The caller's sessions, latest first, before the one with this number; and the next cursor.
    pub async fn sessions(
        &self,
        caller: &Caller,
        before: Option<i64>,
        limit: u32,
    ) -> Result<(Vec<SessionSummary>, Option<i64>)> {
        check_limit(limit)?;
        let sessions = self.rooms.sessions(self.account(caller)?, before, limit).await?;
        let full = sessions.len() == limit as usize;
        let next = sessions.last().filter(|_| full).map(|last| last.room.number);
        Ok((sessions, next))
    }

    /// The latest messages of one of the caller's sessions before this `seq`, oldest first; and the next cursor.
    pub async fn session_messages(
        &self,
        caller: &Caller,
        id: RoomId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<Message>, Option<u64>)> {
        check_limit(limit)?;
        let room = self.rooms.own_session(self.account(caller)?, id).await?;
        let (mut newest_first, mut before, mut left) = (Vec::new(), before, limit);
        while left > 0 {
            let wanted = left.min(MAX_PAGE);
            let page = self.messages.page(room.id, Page::Before(before), wanted).await?;
            let got = u32::try_from(page.len()).unwrap_or(wanted);
            before = page.first().map(|first| first.seq).filter(|_| got == wanted);
            newest_first.extend(page.into_iter().rev());
            left -= got;
            if before.is_none() {
                break;
            }
        }
        newest_first.reverse();
        Ok((newest_first, before))
    }
}

fn check_limit(limit: u32) -> Result<()> {
    if (1..=MAX_LISTED).contains(&limit) { Ok(()) } else { Err(Error::invalid("limit", format!("1 to {MAX_LISTED}"))) }
}
