//! Reads rooms, their members and memberships.

use super::names::Space;
use super::rows::{MemberRow, RoomRow, damaged, room_columns};
use super::{Database, Tx, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::{is_too_long, key};
use crate::protocol::{AccountId, Member, Membership, Room, RoomId};
use crate::text::check_query;

impl Database {
    /// A room and its number of members.
    pub async fn room(&self, id: RoomId) -> Result<Option<(Room, u32)>> {
        let row: Option<RoomRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.uid = $1",
        ))
        .bind(id)
        .fetch_optional(pool)
        .await)?;
        row.map(counted).transpose()
    }

    /// Finds a room by its number, its id in dialects whose ids are integers.
    pub async fn room_numbered(&self, number: i64) -> Result<Option<Room>> {
        let row: Option<RoomRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.id = $1",
        ))
        .bind(number)
        .fetch_optional(pool)
        .await)?;
        row.map(RoomRow::room).transpose()
    }

    pub async fn room_coded(&self, code: &str) -> Result<Option<Room>> {
        check_query("code", code)?;
        let row: Option<RoomRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.code = $1 AND r.kind = 'room'",
        ))
        .bind(code)
        .fetch_optional(pool)
        .await)?;
        row.map(RoomRow::room).transpose()
    }

    /// Public and guarded rooms: those made by accounts before those made by guests, the largest first.
    pub async fn open_rooms(&self, limit: u32) -> Result<Vec<Room>> {
        let rows: Vec<RoomRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.kind = 'room' AND (r.visibility = 'public' OR r.guarded) \
             ORDER BY (r.guest_seen_at IS NOT NULL), r.member_count DESC, r.name_key LIMIT $1",
        ))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(RoomRow::room).collect()
    }

    /// Finds a room by name, in any case; of names that are the same but for case, the exact spelling counts.
    pub async fn room_named(&self, name: &str) -> Result<Option<(Room, u32)>> {
        let Some(number) = self.named(Space::Room, name).await? else { return Ok(None) };
        let row: Option<RoomRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.id = $1",
        ))
        .bind(number)
        .fetch_optional(pool)
        .await)?;
        row.map(counted).transpose()
    }

    /// Public rooms and those the account is a member of, by name, after the folded name `after`; with `query`, only
    /// names that contain it.
    pub async fn rooms(
        &self,
        account: Option<AccountId>,
        query: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(Room, u32)>> {
        let query = query.unwrap_or_default();
        check_query("query", query)?;
        check_query("cursor", after)?;
        if is_too_long(query) {
            return Ok(Vec::new());
        }
        let pattern = format!("%{}%", escape_like(&key(query)));
        let rows: Vec<RoomRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.kind = 'room' AND r.name_key > $1 \
             AND ($2 = '%%' OR EXISTS (SELECT 1 FROM names n WHERE n.space = 'room' AND n.owner_id = r.id AND n.key LIKE $2 ESCAPE '\\')) \
             AND (r.visibility = 'public' OR EXISTS (SELECT 1 FROM members m JOIN users u ON u.id = m.user_id \
                  WHERE m.room_id = r.id AND u.uid = $3)) \
             ORDER BY r.name_key LIMIT $4",
        ))
        .bind(after)
        .bind(&pattern)
        .bind(account)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(counted).collect()
    }

    /// The rooms an account is a member of.
    pub async fn rooms_of(&self, account: AccountId) -> Result<Vec<RoomId>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_scalar(
            "SELECT r.uid FROM rooms r JOIN members m ON m.room_id = r.id JOIN users u ON u.id = m.user_id WHERE u.uid = $1",
        )
        .bind(account)
        .fetch_all(pool)
        .await)?)
    }

    /// Rooms in the order in which they were made, with numbers above `after`; with `query`, those whose name contains it.
    pub async fn room_activity(&self, query: Option<&str>, after: i64, limit: u32) -> Result<Vec<RoomActivity>> {
        let query = query.unwrap_or_default();
        check_query("query", query)?;
        if is_too_long(query) {
            return Ok(Vec::new());
        }
        let pattern = format!("%{}%", escape_like(&key(query)));
        let rows: Vec<ActivityRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), ", r.last_seq, \
             (SELECT e.at FROM entries e WHERE e.room_id = r.id ORDER BY e.seq DESC LIMIT 1) AS active_at \
             FROM rooms r WHERE r.kind = 'room' AND r.id > $1 \
             AND ($2 = '%%' OR EXISTS (SELECT 1 FROM names n WHERE n.space = 'room' AND n.owner_id = r.id AND n.key LIKE $2 ESCAPE '\\')) ORDER BY r.id LIMIT $3",
        ))
        .bind(after)
        .bind(&pattern)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(ActivityRow::activity).collect()
    }

    pub async fn member(&self, room: RoomId, account: AccountId) -> Result<Option<Member>> {
        let row: Option<MemberRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(
            "SELECT u.id, u.uid, u.username, u.is_admin, m.role, m.joined_at FROM members m \
             JOIN users u ON u.id = m.user_id JOIN rooms r ON r.id = m.room_id WHERE r.uid = $1 AND u.uid = $2",
        )
        .bind(room)
        .bind(account)
        .fetch_optional(pool)
        .await)?;
        row.map(MemberRow::member).transpose()
    }

    /// Members in the order of their ids, after `after`.
    pub async fn members(&self, room: RoomId, after: Option<AccountId>, limit: u32) -> Result<Vec<Member>> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows: Vec<MemberRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT u.id, u.uid, u.username, u.is_admin, m.role, m.joined_at FROM members m JOIN users u ON u.id = m.user_id \
             WHERE m.room_id = (SELECT id FROM rooms WHERE uid = $1) AND m.account_uid > $2 ORDER BY m.account_uid LIMIT $3",
        )
        .bind(room)
        .bind(&after)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(MemberRow::member).collect()
    }

    /// An account's membership in a room: role, invitation, ban and mute.
    pub async fn membership(&self, room: RoomId, account: AccountId) -> Result<Membership> {
        let row: Option<MembershipRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(MEMBERSHIP)
            .bind(room)
            .bind(account)
            .fetch_optional(pool)
            .await)?;
        row.map_or_else(|| Ok(Membership::default()), MembershipRow::membership)
    }

    /// Like [`Self::membership`], with the `seq` of the room's last entry at that moment; None if there is no such room.
    pub async fn membership_now(&self, room: RoomId, account: AccountId) -> Result<Option<(u64, Membership)>> {
        #[derive(sqlx::FromRow)]
        struct Row {
            last_seq: i64,
            #[sqlx(flatten)]
            membership: MembershipRow,
        }
        let row: Option<Row> = each!(Pool: &self.urgent, pool => sqlx::query_as(MEMBERSHIP)
            .bind(room)
            .bind(account)
            .fetch_optional(pool)
            .await)?;
        row.map(|row| Ok((row.last_seq.unsigned_abs(), row.membership.membership()?))).transpose()
    }

    /// The direct room of two accounts, given by number.
    pub async fn direct_room(&self, one: i64, other: i64) -> Result<Option<Room>> {
        let row: Option<RoomRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.pair_low = $1 AND r.pair_high = $2",
        ))
        .bind(one.min(other))
        .bind(one.max(other))
        .fetch_optional(pool)
        .await)?;
        row.map(RoomRow::room).transpose()
    }

    /// The direct room of two accounts, which may be deleted ones.
    pub async fn direct_room_of(&self, one: AccountId, other: AccountId) -> Result<Option<Room>> {
        let row: Option<RoomRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM users a JOIN users b ON b.uid = $2 \
             JOIN rooms r ON (r.pair_low = a.id AND r.pair_high = b.id) OR (r.pair_low = b.id AND r.pair_high = a.id) \
             WHERE a.uid = $1",
        ))
        .bind(one)
        .bind(other)
        .fetch_optional(pool)
        .await)?;
        row.map(RoomRow::room).transpose()
    }
}

/// A room and its activity.
pub struct RoomActivity {
    pub room: Room,
    pub members: u32,
    pub entries: u64,
    /// Time of the last entry; None if no entry is stored.
    pub active_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct ActivityRow {
    #[sqlx(flatten)]
    room: RoomRow,
    last_seq: i64,
    active_at: Option<i64>,
}

impl ActivityRow {
    fn activity(self) -> Result<RoomActivity> {
        let (room, members) = counted(self.room)?;
        let (entries, active_at) = (self.last_seq.unsigned_abs(), self.active_at.map(Timestamp));
        Ok(RoomActivity { room, members, entries, active_at })
    }
}

const MEMBERSHIP: &str = "SELECT r.last_seq, m.role, s.invited, s.banned, s.muted_until FROM rooms r JOIN users u ON u.uid = $2 \
    LEFT JOIN members m ON m.room_id = r.id AND m.user_id = u.id \
    LEFT JOIN standings s ON s.room_id = r.id AND s.user_id = u.id WHERE r.uid = $1";

#[derive(sqlx::FromRow)]
pub(super) struct MembershipRow {
    role: Option<String>,
    invited: Option<bool>,
    banned: Option<bool>,
    muted_until: Option<i64>,
}

impl MembershipRow {
    pub(super) fn membership(self) -> Result<Membership> {
        Ok(Membership {
            role: self.role.map(|role| role.parse()).transpose().map_err(damaged)?,
            invited: self.invited.unwrap_or(false),
            banned: self.banned.unwrap_or(false),
            muted_until: self.muted_until.map(Timestamp),
        })
    }
}

impl Tx {
    /// Like [`Database::membership`], including what this transaction did so far.
    pub async fn membership(&mut self, room: RoomId, account: AccountId) -> Result<Membership> {
        let row: Option<MembershipRow> = each!(Tx: self, tx => sqlx::query_as(MEMBERSHIP)
            .bind(room)
            .bind(account)
            .fetch_optional(&mut **tx)
            .await)?;
        row.map_or_else(|| Ok(Membership::default()), MembershipRow::membership)
    }

    pub(super) async fn room(&mut self, id: RoomId) -> Result<Room> {
        let row: Option<RoomRow> = each!(Tx: self, tx => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), " FROM rooms r WHERE r.uid = $1",
        ))
        .bind(id)
        .fetch_optional(&mut **tx)
        .await)?;
        row.ok_or_else(|| Error::not_found("room"))?.room()
    }
}

fn counted(row: RoomRow) -> Result<(Room, u32)> {
    let members = row.members();
    Ok((row.room()?, members))
}

pub(super) fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
