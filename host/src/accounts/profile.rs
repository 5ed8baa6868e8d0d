//! What people change of their own accounts.

use super::throttle::Origin;
use super::{Accounts, Identity, clean_email, clean_username};
use crate::clock::now;
use crate::database::User;
use crate::error::{Error, Result};
use crate::name;

/// What is none stays as it is.
#[derive(Debug, Default)]
pub struct ProfileChange {
    pub username: Option<String>,
    /// None inside takes the address away.
    pub email: Option<Option<String>>,
}

impl Accounts {
    /// Another name or address. Reloadable connections go by the old name until they connect again; everything else shows the
    /// new one from now on.
    pub async fn change_profile(&self, from: Origin, who: &Identity, change: ProfileChange) -> Result<User> {
        let user = self.user(who.account.id).await?;
        if change.username.is_none() && change.email.is_none() {
            return Ok(user);
        }
        // An answer of `conflict` tells whose address has an account: not to be had by the thousand.
        self.take_attempt(from).await?;
        let username = change.username.as_deref().map(clean_username).transpose()?;
        // Who had a name before a plugin did keeps it.
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

    /// A new password for who knows the current one. Every other login of the account ends.
    pub async fn change_password(&self, from: Origin, who: &Identity, current: String, new: String) -> Result<()> {
        let user = self.confirm(from, who, current).await?;
        self.replace_password(&user, new).await?;
        self.log_out_everywhere(&user, Some(who.login)).await
    }

    /// A new password by the operator's word; every login of the account ends.
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

    /// Deletes the account of who knows its password; with `erase`, its messages and files too.
    pub async fn delete_own(&self, from: Origin, who: &Identity, password: String, erase: bool) -> Result<()> {
        let user = self.confirm(from, who, password).await?;
        self.delete(user.uid, erase).await
    }
}
