//! Deletes accounts. A deleted account keeps its row, since its messages refer to it, but nothing that identifies the
//! person.

use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::DELETED;
use crate::protocol::{AccountId, LoginId, Role, RoomId};

impl Database {
    /// Deletes an account and revokes its logins, which it returns; None if there is no such account. Records for the server
    /// that its memberships have to end, and what has to be erased of it.
    pub async fn delete_user(&self, user: AccountId, erase: bool, at: Timestamp) -> Result<Option<Vec<LoginId>>> {
        let mut tx = self.begin().await?;
        // No name equals a uid, so this key can neither be taken nor be found by name.
        let deleted: Option<i64> = each!(Tx: &mut tx, tx => sqlx::query_scalar(
            "UPDATE users SET username = $1, username_key = uid, email = NULL, email_key = NULL, handle = NULL, handle_key = NULL, \
             password_hash = '', issuer = NULL, external_id = NULL, \
             is_admin = FALSE, deleted_at = $2, updated_at = $2 \
             WHERE uid = $3 AND deleted_at IS NULL AND plugin IS NULL RETURNING id",
        )
        .bind(DELETED)
        .bind(at)
        .bind(user)
        .fetch_optional(&mut **tx)
        .await)?;
        let Some(number) = deleted else { return Ok(None) };
        each!(Tx: &mut tx, tx => sqlx::query("INSERT INTO departures (user_id) VALUES ($1)")
            .bind(number)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        // A trigger has recorded the account's names, so that they can be removed from the log and the audit log.
        each!(Tx: &mut tx, tx => sqlx::query("UPDATE account_erasures SET erase = $1 WHERE user_id = $2")
            .bind(erase)
            .bind(number)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        let logins = each!(Tx: &mut tx, tx => sqlx::query_scalar(
            "UPDATE logins SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL RETURNING uid",
        )
        .bind(at)
        .bind(number)
        .fetch_all(&mut **tx)
        .await)?;
        tx.commit().await?;
        Ok(Some(logins))
    }

    /// Deleted accounts whose memberships have not ended yet.
    pub async fn pending_account_deletions(&self) -> Result<Vec<AccountId>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT u.uid FROM departures d JOIN users u ON u.id = d.user_id",
        )
        .fetch_all(pool)
        .await)?)
    }

    /// Removes an account from the pending deletions, unless it is still a member of a room.
    pub async fn departed(&self, account: AccountId) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "DELETE FROM departures WHERE user_id = (SELECT id FROM users WHERE uid = $1) \
             AND NOT EXISTS (SELECT 1 FROM members m WHERE m.user_id = departures.user_id)",
        )
        .bind(account)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    /// The member who inherits a room from `account`: owners before moderators before members, then the one who joined
    /// first.
    pub async fn next_owner(&self, room: RoomId, account: AccountId) -> Result<Option<(AccountId, Role)>> {
        let row: Option<(AccountId, String)> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT u.uid, m.role FROM members m JOIN users u ON u.id = m.user_id JOIN rooms r ON r.id = m.room_id \
             WHERE r.uid = $1 AND u.uid <> $2 AND u.deleted_at IS NULL AND u.plugin IS NULL \
             ORDER BY CASE m.role WHEN 'owner' THEN 0 WHEN 'moderator' THEN 1 ELSE 2 END, m.joined_at, u.id LIMIT 1",
        )
        .bind(room)
        .bind(account)
        .fetch_optional(pool)
        .await)?;
        row.map(|(account, role)| Ok((account, role.parse().map_err(super::rows::damaged)?))).transpose()
    }
}
