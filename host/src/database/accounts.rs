//! Accounts of users and plugins.

use super::names::Space;
use super::rooms::escape_like;
use super::rows::AccountRow;
use super::{Database, each, unique_violation};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::{is_too_long, key, legacy_key, spelling};
use crate::protocol::{Account, AccountId, Bot};

/// A user, with the columns that a log-in needs.
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
    pub handle: Option<String>,
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
    /// A second name, by which clients know the account.
    pub handle: Option<&'a str>,
}

impl Database {
    /// Adds a user. Fails with a conflict if the name or address is taken.
    pub async fn add_user(&self, new: &NewUser<'_>, at: Timestamp) -> Result<User> {
        // A node of an older version may have added accounts whose names have no key.
        self.complete_names().await?;
        let mut tx = self.begin().await?;
        let added = each!(Tx: &mut tx, tx => sqlx::query_as::<_, User>(
            "INSERT INTO users \
             (uid, username, username_key, email, email_key, password_hash, created_at, updated_at, handle, handle_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) \
             RETURNING id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle",
        )
        .bind(AccountId::new())
        .bind(new.username)
        .bind(legacy_key(new.username))
        .bind(new.email)
        .bind(new.email.map(legacy_key))
        .bind(new.password_hash)
        .bind(at)
        .bind(new.handle)
        .bind(new.handle.map(legacy_key))
        .fetch_one(&mut **tx)
        .await);
        let added = added.map_err(is_taken)?;
        tx.claim_names(Space::Account, added.id).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// Finds a user with a password here by name, handle or e-mail address, in any case. Of names that are the same but
    /// for case, the exact spelling counts.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>> {
        let Some(login) = spelling(login) else { return Ok(None) };
        let named = self.named(Space::Account, &login).await?;
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle FROM users \
             WHERE (id = $1 OR email_key = $2) AND issuer IS NULL AND plugin IS NULL AND deleted_at IS NULL",
        )
        .bind(named)
        .bind(legacy_key(&login))
        .fetch_optional(pool)
        .await)?)
    }

    pub async fn user(&self, id: AccountId) -> Result<Option<User>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle FROM users \
             WHERE uid = $1 AND deleted_at IS NULL",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?)
    }

    /// Users in the order in which they were added, with numbers above `after`; with `query`, those whose name
    /// or address contains it.
    pub async fn users(&self, query: Option<&str>, after: i64, limit: u32) -> Result<Vec<User>> {
        let query = query.unwrap_or_default();
        crate::text::check_query("query", query)?;
        if is_too_long(query) {
            return Ok(Vec::new());
        }
        let pattern = format!("%{}%", escape_like(&legacy_key(query)));
        let name_pattern = format!("%{}%", escape_like(&key(query)));
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle FROM users \
             WHERE id > $1 AND plugin IS NULL AND deleted_at IS NULL \
             AND ($2 = '%%' OR email_key LIKE $2 ESCAPE '\\' OR LOWER(external_id) LIKE $2 ESCAPE '\\' \
             OR EXISTS (SELECT 1 FROM names n WHERE n.space = 'account' AND n.owner_id = users.id AND n.key LIKE $4 ESCAPE '\\')) \
             ORDER BY id LIMIT $3",
        )
        .bind(after)
        .bind(&pattern)
        .bind(i64::from(limit))
        .bind(&name_pattern)
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

    /// Disables the account; `since: None` enables it again.
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

    /// Replaces the password hash that was read with `user`; false if it was replaced meanwhile.
    pub async fn set_password(&self, user: &User, password_hash: &str, at: Timestamp) -> Result<bool> {
        let rows = each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE users SET password_hash = $1, updated_at = $2 WHERE id = $3 AND password_hash = $4 AND deleted_at IS NULL",
        )
        .bind(password_hash)
        .bind(at)
        .bind(user.id)
        .bind(&user.password_hash)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Changes name and address. Fails with a conflict if one of them is taken.
    pub async fn set_profile(
        &self,
        user: AccountId,
        username: &str,
        email: Option<&str>,
        at: Timestamp,
    ) -> Result<User> {
        self.complete_names().await?;
        let mut tx = self.begin().await?;
        let changed = each!(Tx: &mut tx, tx => sqlx::query_as::<_, User>(
            "UPDATE users SET username = $1, username_key = $2, email = $3, email_key = $4, updated_at = $5 \
             WHERE uid = $6 AND deleted_at IS NULL \
             RETURNING id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle",
        )
        .bind(username)
        .bind(legacy_key(username))
        .bind(email)
        .bind(email.map(legacy_key))
        .bind(at)
        .bind(user)
        .fetch_optional(&mut **tx)
        .await);
        let changed = changed.map_err(is_taken)?.ok_or_else(|| Error::not_found("account"))?;
        tx.claim_names(Space::Account, changed.id).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Finds an account by its number, its id in dialects whose ids are integers.
    pub async fn account_numbered(&self, number: i64) -> Result<Option<Account>> {
        let row: Option<AccountRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(
            "SELECT id, uid, username, is_admin FROM users WHERE id = $1 AND deleted_at IS NULL AND plugin IS NULL",
        )
        .bind(number)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(Into::into))
    }

    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        let row: Option<AccountRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(
            "SELECT id, uid, username, is_admin FROM users WHERE uid = $1 AND deleted_at IS NULL",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(Into::into))
    }

    /// Finds an account by name or handle, in any case; external accounts by their exact name, since `a` and `A` may differ there.
    pub async fn account_named(&self, name: &str) -> Result<Option<Account>> {
        let name = name.trim();
        if is_too_long(name) {
            return Ok(None);
        }
        if let Some(external) = self.external_user_named(name).await? {
            return Ok(Some(external.account()));
        }
        match self.named(Space::Account, name).await? {
            Some(number) => self.account_numbered(number).await,
            None => Ok(None),
        }
    }

    /// The account that a plugin posts as; created when it is first needed.
    pub async fn bot(&self, plugin: &str, at: Timestamp) -> Result<Bot> {
        // No user's name has a colon after `plugin`, and no password has an empty hash.
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
}

fn is_taken(error: sqlx::Error) -> Error {
    match unique_violation(&error) {
        Some(which) if which.contains("email") => Error::Conflict("this e-mail address has an account already".into()),
        Some(_) => Error::Conflict("this user name is taken".into()),
        None => error.into(),
    }
}
