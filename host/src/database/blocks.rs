//! Blocks between accounts, and direct rooms that an account has hidden.

use super::rows::AccountRow;
use super::{Database, each};
use crate::clock::now;
use crate::error::Result;
use crate::protocol::{Account, AccountId, RoomId};

/// What may keep two accounts from writing to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Contact {
    /// The other account is deleted or disabled.
    pub gone: bool,
    /// The other one has blocked this one.
    pub blocks_me: bool,
    /// This one has blocked the other one.
    pub blocked: bool,
}

impl Database {
    pub async fn contact(&self, me: AccountId, other: AccountId) -> Result<Contact> {
        let found: Option<Contact> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT (o.deleted_at IS NOT NULL OR o.disabled_at IS NOT NULL) AS gone, \
             EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = o.id AND b.blocked_id = m.id) AS blocks_me, \
             EXISTS (SELECT 1 FROM blocks b WHERE b.user_id = m.id AND b.blocked_id = o.id) AS blocked \
             FROM users m JOIN users o ON o.uid = $2 WHERE m.uid = $1",
        )
        .bind(me)
        .bind(other)
        .fetch_optional(pool)
        .await)?;
        Ok(found.unwrap_or(Contact { gone: true, ..Contact::default() }))
    }

    /// Blocks another account; false if `me` has blocked `most` others already.
    pub async fn block(&self, me: i64, other: i64, most: u32) -> Result<bool> {
        let mut tx = self.begin().await?;
        let count: i64 = each!(Tx: &mut tx, tx => sqlx::query_scalar(
            "SELECT COUNT(*) FROM blocks WHERE user_id = $1 AND blocked_id <> $2",
        )
        .bind(me)
        .bind(other)
        .fetch_one(&mut **tx)
        .await)?;
        if count >= i64::from(most) {
            return Ok(false);
        }
        each!(Tx: &mut tx, tx => sqlx::query(
            "INSERT INTO blocks (user_id, blocked_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(me)
        .bind(other)
        .bind(now())
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        tx.commit().await?;
        Ok(true)
    }

    pub async fn unblock(&self, me: i64, other: i64) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("DELETE FROM blocks WHERE user_id = $1 AND blocked_id = $2")
            .bind(me)
            .bind(other)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// The accounts that an account has blocked, in the order of their ids, after `after`.
    pub async fn blocked(&self, me: i64, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>> {
        let rows: Vec<AccountRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT u.id, u.uid, u.username, u.is_admin FROM blocks b JOIN users u ON u.id = b.blocked_id \
             WHERE b.user_id = $1 AND u.uid > $2 AND u.deleted_at IS NULL ORDER BY u.uid LIMIT $3",
        )
        .bind(me)
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub async fn hide_direct(&self, me: i64, room: RoomId) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE members SET hidden_seq = (SELECT r.last_seq FROM rooms r WHERE r.id = members.room_id) \
             WHERE user_id = $1 AND room_id = (SELECT id FROM rooms WHERE uid = $2 AND kind = 'direct')",
        )
        .bind(me)
        .bind(room)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    /// Whether the account is disabled.
    pub async fn is_disabled(&self, account: AccountId) -> Result<bool> {
        let found: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT disabled_at FROM users WHERE uid = $1 AND disabled_at IS NOT NULL",
        )
        .bind(account)
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }
}
