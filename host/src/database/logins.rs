//! Logins, which begin with a log-in and end when they expire or are revoked.

use super::accounts::User;
use super::{Database, Pool, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, LoginId};

/// The most ended logins that one statement removes.
const MAX_LOGINS_PER_REMOVAL: i64 = 500;

/// A login.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LoginRow {
    pub uid: LoginId,
    pub user_id: i64,
    /// Whose login it is.
    pub account: AccountId,
    pub refresh_hash: String,
    /// Hash of the previous refresh token.
    pub previous_hash: Option<String>,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    /// How often the refresh token was rotated, counted since the version that introduced this column.
    pub generation: i64,
    /// Times of recent rotations: milliseconds, the latest first, separated by commas.
    pub rotations: String,
}

/// The replacement of a refresh token by another one.
pub struct Rotation<'a> {
    pub old_hash: &'a str,
    pub new_hash: &'a str,
    pub generation: i64,
    pub rotations: &'a str,
    pub expires: Timestamp,
}

macro_rules! login_columns {
    () => {
        "l.uid, l.user_id, u.uid AS account, l.refresh_hash, l.previous_hash, l.expires_at, l.revoked_at, l.generation, l.rotations \
         FROM logins l JOIN users u ON u.id = l.user_id"
    };
}

impl Database {
    /// Adds a login, provided that the account still has the password hash that was read and is neither disabled nor deleted.
    pub async fn add_login(
        &self,
        id: LoginId,
        user: &User,
        refresh_hash: &str,
        at: Timestamp,
        expires: Timestamp,
    ) -> Result<()> {
        let added = each!(Pool: &self.write, pool => sqlx::query(
            "INSERT INTO logins (uid, user_id, refresh_hash, created_at, expires_at) \
             SELECT $1, u.id, $2, $3, $4 FROM users u WHERE u.id = $5 AND u.password_hash = $6 \
             AND u.disabled_at IS NULL AND u.deleted_at IS NULL",
        )
        .bind(id)
        .bind(refresh_hash)
        .bind(at)
        .bind(expires)
        .bind(user.id)
        .bind(&user.password_hash)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        if added == 0 {
            return Err(Error::Unauthenticated("the account was changed just now; log in again".into()));
        }
        Ok(())
    }

    pub async fn login(&self, id: LoginId) -> Result<Option<LoginRow>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(concat!("SELECT ", login_columns!(), " WHERE l.uid = $1"))
            .bind(id)
            .fetch_optional(pool)
            .await)?)
    }

    /// Logins of a user that are not revoked.
    pub async fn logins_of(&self, user: i64) -> Result<Vec<LoginId>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_scalar(
            "SELECT uid FROM logins WHERE user_id = $1 AND revoked_at IS NULL",
        )
        .bind(user)
        .fetch_all(pool)
        .await)?)
    }

    /// The login whose current or previous refresh token has this hash.
    pub async fn login_by_refresh(&self, hash: &str) -> Result<Option<LoginRow>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", login_columns!(), " WHERE l.refresh_hash = $1 OR l.previous_hash = $1",
        ))
        .bind(hash)
        .fetch_optional(pool)
        .await)?)
    }

    /// Replaces the refresh token; false if it was replaced or revoked meanwhile.
    pub async fn rotate_refresh(&self, login: LoginId, to: &Rotation<'_>) -> Result<bool> {
        let rows = each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE logins SET refresh_hash = $1, previous_hash = $2, expires_at = $3, generation = $4, rotations = $5 \
             WHERE uid = $6 AND refresh_hash = $2 AND revoked_at IS NULL",
        )
        .bind(to.new_hash)
        .bind(to.old_hash)
        .bind(to.expires)
        .bind(to.generation)
        .bind(to.rotations)
        .bind(login)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Removes some of the logins that were revoked or expired before these times; false if there are none left. Logins of
    /// external accounts stay until they are revoked: they expire with their issuer's token.
    pub async fn remove_ended_logins(&self, revoked: Timestamp, expired: Timestamp) -> Result<bool> {
        let rows = each!(Pool: &self.write, pool => sqlx::query(
            "DELETE FROM logins WHERE uid IN (SELECT uid FROM logins WHERE revoked_at < $1 LIMIT $3) \
             OR uid IN (SELECT l.uid FROM logins l JOIN users u ON u.id = l.user_id \
                        WHERE l.expires_at < $2 AND u.issuer IS NULL LIMIT $3)",
        )
        .bind(revoked)
        .bind(expired)
        .bind(MAX_LOGINS_PER_REMOVAL)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(rows >= MAX_LOGINS_PER_REMOVAL.unsigned_abs())
    }

    /// Revokes every login of a user except one; returns those that it revoked.
    pub async fn revoke_logins(&self, user: i64, except: Option<LoginId>, at: Timestamp) -> Result<Vec<LoginId>> {
        Ok(each!(Pool: &self.write, pool => sqlx::query_scalar(
            "UPDATE logins SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL AND uid <> $3 RETURNING uid",
        )
        .bind(at)
        .bind(user)
        .bind(except.map(|login| login.to_string()).unwrap_or_default())
        .fetch_all(pool)
        .await)?)
    }

    /// Those of these logins that have ended (revoked, removed, account disabled or deleted), each with whether its account is
    /// disabled.
    pub async fn ended_logins(&self, logins: &[LoginId]) -> Result<Vec<(LoginId, bool)>> {
        const SQLITE: &str = "SELECT asked.value, u.disabled_at IS NOT NULL AND u.deleted_at IS NULL FROM json_each($1) AS asked \
             LEFT JOIN logins l ON l.uid = asked.value LEFT JOIN users u ON u.id = l.user_id \
             WHERE l.uid IS NULL OR l.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL OR u.deleted_at IS NOT NULL";
        const POSTGRES: &str = "SELECT asked.value, u.disabled_at IS NOT NULL AND u.deleted_at IS NULL \
             FROM json_array_elements_text($1::json) AS asked (value) \
             LEFT JOIN logins l ON l.uid = asked.value LEFT JOIN users u ON u.id = l.user_id \
             WHERE l.uid IS NULL OR l.revoked_at IS NOT NULL OR u.disabled_at IS NOT NULL OR u.deleted_at IS NOT NULL";
        let sql = match &self.urgent {
            Pool::Sqlite(_) => SQLITE,
            Pool::Postgres(_) => POSTGRES,
        };
        // One JSON parameter, so that one statement takes any number of them.
        let asked = serde_json::to_string(logins).map_err(Error::internal)?;
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(sql).bind(&asked).fetch_all(pool).await)?)
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

#[cfg(test)]
mod tests;
