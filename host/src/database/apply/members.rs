//! Applies the changes of members, roles, invitations, bans and mutes.

use super::super::{Tx, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result, rooms};
use crate::protocol::{AccountId, EntryPayload, Removal, Role, RoomId};

impl Tx {
    pub(super) async fn invite(&mut self, room: RoomId, account: AccountId) -> Result<Option<(RoomId, EntryPayload)>> {
        let whom = self.whom(account).await?;
        if self.is_banned(room, account).await? {
            return Err(Error::Conflict(format!("{} is banned from this room; lift the ban first", whom.1.name)));
        }
        self.set_standing(room, account, Some(true), None, None).await?;
        Ok(Some((room, EntryPayload::Invited { whom: whom.1 })))
    }

    pub(super) async fn add_member(
        &mut self,
        room: RoomId,
        account: AccountId,
        role: Role,
        at: Timestamp,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        let head = self.room_head(room).await?;
        let (number, whom) = self.whom(account).await?;
        if self.is_banned(room, account).await? {
            return Err(Error::Forbidden(rooms::BANNED.into()));
        }
        let added = each!(Tx: self, tx => sqlx::query(
            "INSERT INTO members (room_id, user_id, role, joined_at, read_seq) \
             SELECT $1, u.id, $3, $4, $5 FROM users u WHERE u.id = $2 AND u.deleted_at IS NULL ON CONFLICT DO NOTHING",
        )
        .bind(head.id)
        .bind(number)
        .bind(role.as_str())
        .bind(at)
        // Earlier messages do not count as unread.
        .bind(head.last_seq)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if added == 0 {
            // A member already, or an account that was deleted meanwhile: nothing happened.
            return Ok(None);
        }
        if head.member_limit.is_some_and(|limit| head.member_count >= limit) {
            return Err(Error::Conflict(rooms::FULL.into()));
        }
        self.execute_on_room("UPDATE rooms SET member_count = member_count + 1 WHERE uid = $1", room).await?;
        // Joining uses up the invitation.
        self.set_standing(room, account, Some(false), None, None).await?;
        Ok(Some((room, EntryPayload::MemberAdded { whom, role })))
    }

    pub(super) async fn remove_member(
        &mut self,
        room: RoomId,
        account: AccountId,
        why: Removal,
        reason: Option<String>,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        let head = self.room_head(room).await?;
        let (number, whom) = self.whom(account).await?;
        if why == Removal::Banned {
            self.set_standing(room, account, Some(false), Some(true), None).await?;
        }
        let removed = each!(Tx: self, tx => sqlx::query(
            "DELETE FROM members WHERE room_id = $1 AND user_id = $2",
        )
        .bind(head.id)
        .bind(number)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        match (removed, why) {
            (0, Removal::Banned) => Ok(None),
            (0, _) => Err(Error::not_found("member")),
            _ => {
                self.execute_on_room("UPDATE rooms SET member_count = member_count - 1 WHERE uid = $1", room).await?;
                Ok(Some((room, EntryPayload::MemberRemoved { whom, why, reason })))
            }
        }
    }

    pub(super) async fn set_role(
        &mut self,
        room: RoomId,
        account: AccountId,
        role: Role,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        let head = self.room_head(room).await?;
        let (number, whom) = self.whom(account).await?;
        let changed = each!(Tx: self, tx => sqlx::query(
            "UPDATE members SET role = $1 WHERE room_id = $2 AND user_id = $3",
        )
        .bind(role.as_str())
        .bind(head.id)
        .bind(number)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if changed == 0 {
            return Err(Error::not_found("member"));
        }
        Ok(Some((room, EntryPayload::MemberRole { whom, role })))
    }

    /// Sets the given columns of an account's row in `standings` and leaves the others as they are.
    pub(super) async fn set_standing(
        &mut self,
        room: RoomId,
        account: AccountId,
        invited: Option<bool>,
        banned: Option<bool>,
        muted_until: Option<Option<Timestamp>>,
    ) -> Result<()> {
        let head = self.room_head(room).await?;
        let (number, _) = self.whom(account).await?;
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO standings (room_id, user_id, invited, banned, muted_until) \
             VALUES ($1, $2, COALESCE($3, FALSE), COALESCE($4, FALSE), $5) \
             ON CONFLICT (room_id, user_id) DO UPDATE SET invited = COALESCE($3, standings.invited), \
             banned = COALESCE($4, standings.banned), \
             muted_until = CASE WHEN $6 THEN excluded.muted_until ELSE standings.muted_until END",
        )
        .bind(head.id)
        .bind(number)
        .bind(invited)
        .bind(banned)
        .bind(muted_until.flatten())
        .bind(muted_until.is_some())
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    async fn is_banned(&mut self, room: RoomId, account: AccountId) -> Result<bool> {
        let banned: Option<bool> = each!(Tx: self, tx => sqlx::query_scalar(
            "SELECT s.banned FROM standings s JOIN rooms r ON r.id = s.room_id JOIN users u ON u.id = s.user_id \
             WHERE r.uid = $1 AND u.uid = $2",
        )
        .bind(room)
        .bind(account)
        .fetch_optional(&mut **tx)
        .await)?;
        Ok(banned.unwrap_or(false))
    }
}
