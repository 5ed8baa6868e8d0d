//! Ends logins: their tokens, and the connections made with them.

use std::time::Duration;

use super::{Accounts, Identity};
use crate::clock::now;
use crate::database::User;
use crate::error::{Error, Result};
use crate::hub::Close;
use crate::hub::link::Outgoing;
use crate::protocol::{AccountId, LoginId};

/// Logins that one query checks.
const LOGINS_PER_RECHECK: usize = 5000;
/// How long the row of an ended login is kept.
const ENDED_LOGIN_TTL: Duration = Duration::from_secs(60 * 60);

impl Accounts {
    pub async fn log_out(&self, identity: &Identity) -> Result<()> {
        self.revoke(identity.login).await
    }

    /// Ends every login of an account except one.
    pub async fn log_out_everywhere(&self, user: &User, except: Option<LoginId>) -> Result<()> {
        let ended = self.database.revoke_logins(user.id, except, now()).await?;
        self.end(&ended, &logged_out());
        Ok(())
    }

    /// Disables an account: ends its logins and closes their connections at once.
    pub async fn disable(&self, user: &User) -> Result<()> {
        let at = now();
        self.database.set_disabled(user.uid, Some(at), at).await?;
        let ended = self.database.revoke_logins(user.id, None, at).await?;
        self.end(&ended, &disabled());
        Ok(())
    }

    pub async fn enable(&self, user: &User) -> Result<()> {
        self.database.set_disabled(user.uid, None, now()).await
    }

    /// Deletes an account. Its messages stay, as those of a deleted account, unless `erase` is set: then its messages and files
    /// are deleted too. The server does that, and ends its memberships, afterwards.
    pub async fn delete(&self, account: AccountId, erase: bool) -> Result<()> {
        let ended = self.database.delete_user(account, erase, now()).await?;
        let ended = ended.ok_or_else(|| Error::not_found("account"))?;
        self.end(&ended, &Close::new(Close::LOGGED_OUT, "the account was deleted"));
        Ok(())
    }

    /// Closes live connections whose logins have ended: another process may have ended them.
    pub async fn recheck(&self) -> Result<()> {
        let logins: Vec<LoginId> = self.hub.logins().into_iter().collect();
        for some in logins.chunks(LOGINS_PER_RECHECK) {
            let (off, out): (Vec<_>, Vec<_>) =
                self.database.ended_logins(some).await?.into_iter().partition(|(_, disabled)| *disabled);
            for (ended, close) in [(off, disabled()), (out, logged_out())] {
                self.end(&ended.into_iter().map(|(login, _)| login).collect::<Vec<_>>(), &close);
            }
        }
        Ok(())
    }

    /// Removes the rows of logins that have ended.
    pub async fn remove_ended_logins(&self) -> Result<()> {
        let at = now();
        // An access token may outlive the refresh token that it was issued with.
        let expired = at - (self.tokens.ttl() + ENDED_LOGIN_TTL);
        while self.database.remove_ended_logins(at - ENDED_LOGIN_TTL, expired).await? {}
        Ok(())
    }

    pub(super) async fn revoke(&self, login: LoginId) -> Result<()> {
        self.database.revoke_login(login, now()).await?;
        self.end(&[login], &logged_out());
        Ok(())
    }

    /// Makes ended logins known to this node and the others. Call it after the commit that ended them.
    fn end(&self, logins: &[LoginId], close: &Close) {
        if !logins.is_empty() {
            self.hub.publish_to_nodes(|| Outgoing::Logins(logins.to_vec(), Some(close.clone())));
        }
        self.invalidate_logins(logins, Some(close));
    }

    /// Drops these logins from the cache and, if they ended, closes their connections.
    pub fn invalidate_logins(&self, logins: &[LoginId], ended: Option<&Close>) {
        for login in logins {
            self.logins.forget(login);
        }
        if let Some(close) = ended {
            self.hub.close_logins(logins, close);
        }
    }

    /// Drops an account's logins from the caches of all nodes.
    pub(super) async fn forget_logins(&self, user: &User) -> Result<()> {
        let logins = self.database.logins_of(user.id).await?;
        self.invalidate_logins(&logins, None);
        self.hub.publish_to_nodes(|| Outgoing::Logins(logins, None));
        Ok(())
    }
}

fn logged_out() -> Close {
    Close::new(Close::LOGGED_OUT, "logged out")
}

fn disabled() -> Close {
    Close::new(Close::DISABLED, "the account is disabled")
}
