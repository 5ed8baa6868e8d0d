//! Logins: what a signing in leaves behind until it is revoked.

use super::accounts::User;
use super::{Database, Pool, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, LoginId};

/// How many ended logins are removed by one statement.
const REMOVED_AT_ONCE: i64 = 500;

/// A signing in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LoginRow {
    pub uid: LoginId,
    pub user_id: i64,
    /// Whose login it is.
    pub account: AccountId,
    pub refresh_hash: String,
    /// Of the refresh token before.
    pub previous_hash: Option<String>,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    /// How often the refresh token was replaced by this version or a later one.
    pub generation: i64,
    /// When it was replaced lately: milliseconds, the latest first, with commas between.
    pub rotations: String,
}

/// A refresh token in the place of another one.
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
    /// A new login of somebody who still is as they were read: with this password, neither disabled nor deleted.
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

    /// Those logins of a user that hold.
    pub async fn logins_of(&self, user: i64) -> Result<Vec<LoginId>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_scalar(
            "SELECT uid FROM logins WHERE user_id = $1 AND revoked_at IS NULL",
        )
        .bind(user)
        .fetch_all(pool)
        .await)?)
    }

    /// The login whose refresh token this is, or was one rotation ago.
    pub async fn login_by_refresh(&self, hash: &str) -> Result<Option<LoginRow>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", login_columns!(), " WHERE l.refresh_hash = $1 OR l.previous_hash = $1",
        ))
        .bind(hash)
        .fetch_optional(pool)
        .await)?)
    }

    /// Puts a new refresh token in the place of this one; false if somebody else was first.
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

    /// Removes some logins that ended before these times, by being revoked or by themselves; false if there are none left.
    /// Those of people who log in elsewhere stay until they are revoked: what they expire by is their issuer's token.
    pub async fn remove_ended_logins(&self, revoked: Timestamp, expired: Timestamp) -> Result<bool> {
        let rows = each!(Pool: &self.write, pool => sqlx::query(
            "DELETE FROM logins WHERE uid IN (SELECT uid FROM logins WHERE revoked_at < $1 LIMIT $3) \
             OR uid IN (SELECT l.uid FROM logins l JOIN users u ON u.id = l.user_id \
                        WHERE l.expires_at < $2 AND u.issuer IS NULL LIMIT $3)",
        )
        .bind(revoked)
        .bind(expired)
        .bind(REMOVED_AT_ONCE)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(rows >= REMOVED_AT_ONCE.unsigned_abs())
    }

    /// Ends every login of a user but this one; gives those that it ended.
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

    /// Which of these logins do not hold any more or are gone, and whether that is since their account is disabled.
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
        // As one JSON parameter: one statement, whatever their number.
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
