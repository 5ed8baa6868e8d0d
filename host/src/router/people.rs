//! Operations on accounts: blocking, finding, watching their presence.

use super::{BlockedPage, Caller, FoundAccount, LIST_PAGE_SIZE, Router};
use crate::error::{Error, Result};
use crate::protocol::{Account, AccountId, Room};

/// Accounts that one connection may watch.
const MAX_WATCHED_ACCOUNTS: usize = 1000;

impl Router {
    /// Checks whether blocking in a direct room, or the rules for guests, forbid the caller to post in this room.
    pub(super) async fn check_partner(&self, caller: &Caller, room: &Room) -> Result<()> {
        self.rooms.check_partner(&caller.actor, caller.connection, Some(caller.origin), room).await
    }

    /// An account by uid or name.
    pub(super) async fn named_account(&self, whom: &str) -> Result<Account> {
        match whom.parse() {
            Ok(id) => Ok(self.accounts.user(id).await?.account()),
            Err(_) => self.accounts.find(whom).await,
        }
    }

    /// Blocks or unblocks an account.
    pub async fn block(&self, caller: &Caller, whom: &str, on: bool) -> Result<()> {
        let me = self.account(caller)?;
        let other = self.named_account(whom).await?;
        self.rooms.block(me, &other, on).await
    }

    /// A page of the accounts that the caller has blocked, and the next cursor.
    pub async fn blocked(&self, caller: &Caller, after: Option<AccountId>) -> Result<BlockedPage> {
        let accounts = self.rooms.blocked(self.account(caller)?, after, LIST_PAGE_SIZE).await?;
        let full = accounts.len() == LIST_PAGE_SIZE as usize;
        let next = accounts.last().filter(|_| full).map(|last| last.id);
        Ok(BlockedPage { accounts, next })
    }

    /// Looks an account up by its name.
    pub async fn find_account(&self, name: &str) -> Result<FoundAccount> {
        let account = self.accounts.find(name).await?;
        let disabled = self.accounts.is_disabled(account.id).await?;
        Ok(FoundAccount { online: self.hub.is_online(account.id), disabled, account })
    }

    /// Sends the caller's connection the presence of these accounts from now on, instead of those it watched before.
    pub fn watch_presence(&self, caller: &Caller, accounts: Vec<AccountId>) -> Result<Vec<(AccountId, bool)>> {
        if accounts.len() > MAX_WATCHED_ACCOUNTS {
            return Err(Error::TooLarge { what: "accounts", limit: format!("{MAX_WATCHED_ACCOUNTS} to be watched") });
        }
        let Some(connection) = caller.connection else {
            return Err(Error::BadRequest("presence.watch needs a live connection".into()));
        };
        let online = self.hub.watch_presence(connection, &accounts);
        Ok(accounts.into_iter().zip(online).collect())
    }
}
