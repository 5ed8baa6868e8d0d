//! Changes that users make to their own accounts.

use super::throttle::Origin;
use super::{Accounts, Identity, clean_email, clean_username};
use crate::clock::now;
use crate::database::User;
use crate::error::{Error, Result};
use crate::name;

/// Changes to an account; fields that are None stay as they are.
#[derive(Debug, Default)]
pub struct ProfileChange {
    pub username: Option<String>,
    /// `Some(None)` removes the address.
    pub email: Option<Option<String>>,
}

impl Accounts {
    /// Changes name or address. Live connections use the old name until they reconnect; everything else shows the new one from
    /// now on.
    pub async fn change_profile(&self, from: Origin, who: &Identity, change: ProfileChange) -> Result<User> {
        let user = self.user(who.account.id).await?;
        if change.username.is_none() && change.email.is_none() {
            return Ok(user);
        }
        // A `conflict` reveals that an address has an account, so attempts are limited.
        self.take_attempt(from).await?;
        let username = change.username.as_deref().map(clean_username).transpose()?;
        // An account that had the name before a plugin did keeps it.
        if let Some(username) = username.as_deref().filter(|username| !name::same(username, &user.username)) {
            self.check_not_reserved(username)?;
        }
        let email = match change.email {
            Some(email) => clean_email(email.as_deref())?,
            None => user.email.clone(),
        };
        let username = username.unwrap_or_else(|| user.username.clone());
        let changed = self.database.set_profile(user.uid, &username, email.as_deref(), now()).await?;
        self.forget_logins(&changed).await?;
        Ok(changed)
    }

    /// Changes the password, given the current one. Ends every other login of the account.
    pub async fn change_password(&self, from: Origin, who: &Identity, current: String, new: String) -> Result<()> {
        let user = self.confirm(from, who, current).await?;
        self.replace_password(&user, new).await?;
        self.log_out_everywhere(&user, Some(who.login)).await
    }

    /// Sets the password on the operator's behalf. Ends every login of the account.
    pub async fn set_password(&self, user: &User, new: String) -> Result<()> {
        self.replace_password(user, new).await?;
        self.log_out_everywhere(user, None).await
    }

    async fn replace_password(&self, user: &User, new: String) -> Result<()> {
        let hash = self.hash_new(new).await?;
        match self.database.set_password(user, &hash, now()).await? {
            true => Ok(()),
            false => Err(Error::Conflict("the password was changed by somebody else just now".into())),
        }
    }

    /// Deletes the user's own account, given its password; with `erase`, its messages and files too.
    pub async fn delete_own(&self, from: Origin, who: &Identity, password: String, erase: bool) -> Result<()> {
        let user = self.confirm(from, who, password).await?;
        self.delete(user.uid, erase).await
    }
}
