//! Users and their logins.

use super::rows::AccountRow;
use super::{Database, each, taken};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::fold;
use crate::protocol::{Account, AccountId, Bot, LoginId};

/// A user with what signing in needs.
#[derive(Clone, sqlx::FromRow)]
pub struct User {
    pub id: i64,
    pub uid: AccountId,
    pub username: String,
    pub email: Option<String>,
    pub password_hash: String,
    pub is_admin: bool,
    pub disabled_at: Option<i64>,
    pub created_at: i64,
}

impl User {
    pub fn account(&self) -> Account {
        Account { id: self.uid, number: self.id, name: self.username.as_str().into(), is_admin: self.is_admin }
    }
}

pub struct NewUser<'a> {
    pub username: &'a str,
    pub email: Option<&'a str>,
    pub password_hash: &'a str,
}

/// A signing in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LoginRow {
    pub uid: LoginId,
    pub user_id: i64,
    pub refresh_hash: String,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

impl Database {
    /// Adds a user; a taken name or address is a conflict.
    pub async fn add_user(&self, new: &NewUser<'_>, at: Timestamp) -> Result<User> {
        let added = each!(Pool: &self.write, pool => sqlx::query_as::<_, User>(
            "INSERT INTO users (uid, username, username_key, email, email_key, password_hash, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
             RETURNING id, uid, username, email, password_hash, is_admin, disabled_at, created_at",
        )
        .bind(AccountId::new())
        .bind(new.username)
        .bind(fold(new.username))
        .bind(new.email)
        .bind(new.email.map(fold))
        .bind(new.password_hash)
        .bind(at)
        .fetch_one(pool)
        .await);
        added.map_err(|error| match taken(&error) {
            Some(which) if which.contains("email") => {
                Error::Conflict("this e-mail address has an account already".into())
            }
            Some(_) => Error::Conflict("this user name is taken".into()),
            None => error.into(),
        })
    }

    /// By name or e-mail address, in any case.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>> {
        let key = fold(login);
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at \
             FROM users WHERE (username_key = $1 OR email_key = $1) AND plugin IS NULL",
        )
        .bind(key)
        .fetch_optional(pool)
        .await)?)
    }

    pub async fn user(&self, id: AccountId) -> Result<Option<User>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at FROM users WHERE uid = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?)
    }

    /// In the order in which they were added, from the one after this number on.
    pub async fn users(&self, after: i64, limit: u32) -> Result<Vec<User>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at FROM users \
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?)
    }

    pub async fn set_admin(&self, user: AccountId, is_admin: bool, at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("UPDATE users SET is_admin = $1, updated_at = $2 WHERE uid = $3")
            .bind(is_admin)
            .bind(at)
            .bind(user)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// None enables the account again.
    pub async fn set_disabled(&self, user: AccountId, since: Option<Timestamp>, at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("UPDATE users SET disabled_at = $1, updated_at = $2 WHERE uid = $3")
            .bind(since)
            .bind(at)
            .bind(user)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    pub async fn set_password(&self, user: AccountId, password_hash: &str, at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("UPDATE users SET password_hash = $1, updated_at = $2 WHERE uid = $3")
            .bind(password_hash)
            .bind(at)
            .bind(user)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let row: Option<AccountRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, username, is_admin FROM users WHERE uid = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(Into::into))
    }

    /// By name, in any case.
    pub async fn account_named(&self, name: &str) -> Result<Option<Account>> {
        let row: Option<AccountRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, username, is_admin FROM users WHERE username_key = $1 AND plugin IS NULL",
        )
        .bind(fold(name))
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(Into::into))
    }

    /// The account that a plugin posts as; made when it is first asked for.
    pub async fn bot(&self, plugin: &str, at: Timestamp) -> Result<Bot> {
        // No name of a person holds a colon after `plugin`, and no password makes an empty hash.
        let name = format!("{}{plugin}", crate::name::BOT_PREFIX);
        let (id, number): (AccountId, i64) = each!(Pool: &self.write, pool => sqlx::query_as(
            "INSERT INTO users (uid, username, username_key, password_hash, plugin, created_at, updated_at) \
             VALUES ($1, $2, $2, '', $3, $4, $4) \
             ON CONFLICT (username_key) DO UPDATE SET plugin = excluded.plugin RETURNING uid, id",
        )
        .bind(AccountId::new())
        .bind(&name)
        .bind(plugin)
        .bind(at)
        .fetch_one(pool)
        .await)?;
        Ok(Bot { plugin: plugin.into(), id, number })
    }

    pub async fn add_login(&self, user: i64, refresh_hash: &str, at: Timestamp, expires: Timestamp) -> Result<LoginId> {
        let id = LoginId::new();
        each!(Pool: &self.write, pool => sqlx::query(
            "INSERT INTO logins (uid, user_id, refresh_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(user)
        .bind(refresh_hash)
        .bind(at)
        .bind(expires)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(id)
    }

    pub async fn login(&self, id: LoginId) -> Result<Option<LoginRow>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT uid, user_id, refresh_hash, expires_at, revoked_at FROM logins WHERE uid = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?)
    }

    /// The login whose refresh token this is, or was one rotation ago.
    pub async fn login_by_refresh(&self, hash: &str) -> Result<Option<(LoginRow, AccountId)>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            login: LoginRow,
            account: AccountId,
        }
        let row: Option<Row> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT l.uid, l.user_id, l.refresh_hash, l.expires_at, l.revoked_at, u.uid AS account \
             FROM logins l JOIN users u ON u.id = l.user_id WHERE l.refresh_hash = $1 OR l.previous_hash = $1",
        )
        .bind(hash)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(|row| (row.login, row.account)))
    }

    /// Puts a new refresh token in the place of this one; false if somebody else was first.
    pub async fn rotate_refresh(&self, login: LoginId, old: &str, new: &str, expires: Timestamp) -> Result<bool> {
        let rows = each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE logins SET refresh_hash = $1, previous_hash = $2, expires_at = $3 \
             WHERE uid = $4 AND refresh_hash = $2 AND revoked_at IS NULL",
        )
        .bind(new)
        .bind(old)
        .bind(expires)
        .bind(login)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Ends every login of a user.
    pub async fn revoke_logins(&self, user: i64, at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE logins SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL",
        )
        .bind(at)
        .bind(user)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub async fn revoke_login(&self, login: LoginId, at: Timestamp) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE logins SET revoked_at = $1 WHERE uid = $2 AND revoked_at IS NULL",
        )
        .bind(at)
        .bind(login)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }
}
