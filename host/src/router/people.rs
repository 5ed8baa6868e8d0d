//! Who may write to whom, and what rooms are offered to everybody.

use std::cmp::Reverse;

use super::{Caller, LIST_PAGE, Router};
use crate::error::{Error, Result};
use crate::protocol::{Account, AccountId, Reply, Room, RoomKind};

impl Router {
    /// Whether the caller may say something in this room, as far as that depends on the other one of a direct room, or on what
    /// its moderators decided about guests.
    pub(super) async fn check_partner(&self, caller: &Caller, room: &Room) -> Result<()> {
        self.rooms.check_partner(&caller.actor, caller.connection, Some(caller.origin), room).await
    }

    /// The account that a uid or a name is of.
    pub(super) async fn named_account(&self, whom: &str) -> Result<Account> {
        match whom.parse() {
            Ok(id) => Ok(self.accounts.user(id).await?.account()),
            Err(_) => self.accounts.find(whom).await,
        }
    }

    /// Blocks an account, or no longer.
    pub async fn block(&self, caller: &Caller, whom: &str, on: bool) -> Result<Reply> {
        let me = self.account(caller)?;
        let other = self.named_account(whom).await?;
        self.rooms.block(me, &other, on).await?;
        Ok(Reply::Done)
    }

    /// Whom the caller has blocked.
    pub async fn blocked(
        &self,
        caller: &Caller,
        after: Option<AccountId>,
    ) -> Result<(Vec<Account>, Option<AccountId>)> {
        let accounts = self.rooms.blocked(self.account(caller)?, after, LIST_PAGE).await?;
        let full = accounts.len() == LIST_PAGE as usize;
        let next = accounts.last().filter(|_| full).map(|last| last.id);
        Ok((accounts, next))
    }

    pub(super) async fn hide(&self, caller: &Caller, room: &Room) -> Result<Reply> {
        if room.kind != RoomKind::Direct {
            return Err(Error::Forbidden("only direct rooms can be hidden; other rooms can be left".into()));
        }
        self.rooms.hide_direct(self.account(caller)?, room.id).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn find_account(&self, name: &str) -> Result<Reply> {
        let account = self.accounts.find(name).await?;
        let disabled = self.accounts.is_disabled(account.id).await?;
        Ok(Reply::Account { online: self.hub.is_online(account.id), disabled, account })
    }

    /// The rooms that everybody may come into, for clients that know of no pages: those that exist from the start, then those with
    /// the most connections, then the largest.
    pub async fn open_rooms(&self) -> Result<Vec<Room>> {
        let (mut rooms, preset) = self.rooms.open_rooms().await?;
        rooms[preset..].sort_by_cached_key(|room| Reverse(self.hub.count_subscribers(room.id)));
        Ok(rooms)
    }
}
