//! Counts and lists an account's unread messages.

use super::entries::{EntryRow, columns};
use super::rows::{AccountRow, RoomRow, room_columns};
use super::{Database, each};
use crate::error::Result;
use crate::protocol::{AccountId, Message, RoomId, UnreadRoom};

/// Other people's messages after the read marker, among the room's latest ones. $1 the room, $2 the account, $3 how many are
/// looked at.
macro_rules! latest {
    ($columns:literal) => {
        concat!(
            "SELECT ", $columns, " FROM users me JOIN rooms r ON r.uid = $1 \
             JOIN members m ON m.room_id = r.id AND m.user_id = me.id \
             JOIN (SELECT e.id, e.seq, e.author_id, e.deleted_at FROM entries e \
              WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.seq > (SELECT m.read_seq FROM members m \
               JOIN rooms r ON r.id = m.room_id JOIN users u ON u.id = m.user_id WHERE r.uid = $1 AND u.uid = $2) \
              AND e.kind = 'message.posted' ORDER BY e.seq DESC LIMIT $3) e ON TRUE \
             WHERE me.uid = $2 AND e.deleted_at IS NULL AND (e.author_id IS NULL OR e.author_id <> me.id)"
        )
    };
}

#[derive(sqlx::FromRow)]
struct UnreadRow {
    #[sqlx(flatten)]
    room: RoomRow,
    last_seq: i64,
    read_seq: i64,
    unread: i64,
    with_number: Option<i64>,
    with_uid: Option<AccountId>,
    with_name: Option<String>,
}

/// The most messages of each room that are looked at to count the unread ones of all rooms.
const MAX_COUNTED_MESSAGES: i64 = 1000;
/// The most messages that are looked at to count the unread ones of one room.
const MAX_COUNTED_MESSAGES_IN_ROOM: i64 = 10_000;

impl Database {
    /// The rooms of an account, those with the latest entries first. Unread are other people's messages after the read
    /// marker, among the latest 1,000 messages.
    pub async fn unread(&self, account: AccountId) -> Result<Vec<UnreadRoom>> {
        let rows: Vec<UnreadRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", room_columns!(), ", r.last_seq, m.read_seq, \
             (SELECT COUNT(*) FROM (SELECT e.author_id, e.deleted_at FROM entries e \
               WHERE e.room_id = r.id AND e.seq > m.read_seq AND e.kind = 'message.posted' ORDER BY e.seq DESC LIMIT $2) l \
              WHERE l.deleted_at IS NULL AND (l.author_id IS NULL OR l.author_id <> me.id)) AS unread, \
             o.id AS with_number, o.uid AS with_uid, o.username AS with_name \
             FROM members m JOIN users me ON me.id = m.user_id JOIN rooms r ON r.id = m.room_id \
             LEFT JOIN users o ON o.id = CASE WHEN r.pair_low = me.id THEN r.pair_high ELSE r.pair_low END \
             WHERE me.uid = $1 AND (m.hidden_seq IS NULL OR EXISTS (SELECT 1 FROM entries n WHERE n.room_id = r.id \
              AND n.seq > m.hidden_seq AND n.kind = 'message.posted' AND n.deleted_at IS NULL)) \
             ORDER BY COALESCE((SELECT e.at FROM entries e WHERE e.room_id = r.id AND e.seq = r.last_seq), r.created_at) DESC, r.id",
        ))
        .bind(account)
        .bind(MAX_COUNTED_MESSAGES)
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(UnreadRow::unread).collect()
    }

    /// The latest unread messages of a member in a room, oldest first; and how many unread ones there are among
    /// the room's latest 10,000.
    pub async fn unread_in(&self, room: RoomId, account: AccountId, limit: u32) -> Result<(Vec<Message>, u64)> {
        let rows: Vec<EntryRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", columns!(), " FROM (", latest!("e.id, e.seq"), ") l JOIN entries e ON e.id = l.id \
             LEFT JOIN users u ON u.id = e.author_id ORDER BY l.seq DESC LIMIT $4",
        ))
        .bind(room)
        .bind(account)
        .bind(MAX_COUNTED_MESSAGES_IN_ROOM)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        let count = match rows.len() < limit as usize {
            true => rows.len() as u64,
            false => {
                let count: i64 = each!(Pool: &self.read, pool => sqlx::query_scalar(
                    concat!("SELECT COUNT(*) FROM (", latest!("e.seq"), ") l"),
                )
                .bind(room)
                .bind(account)
                .bind(MAX_COUNTED_MESSAGES_IN_ROOM)
                .fetch_one(pool)
                .await)?;
                count.unsigned_abs()
            }
        };
        let messages = rows.into_iter().rev().map(EntryRow::message).collect::<Result<_>>()?;
        Ok((messages, count))
    }

    /// Up to which entry an account has read a room, and up to which any other member has.
    pub async fn read_by(&self, room: RoomId, account: AccountId) -> Result<(u64, u64)> {
        let (mine, others): (Option<i64>, Option<i64>) = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT MAX(CASE WHEN u.uid = $2 THEN m.read_seq END), MAX(CASE WHEN u.uid <> $2 THEN m.read_seq END) \
             FROM members m JOIN users u ON u.id = m.user_id JOIN rooms r ON r.id = m.room_id WHERE r.uid = $1",
        )
        .bind(room)
        .bind(account)
        .fetch_one(pool)
        .await)?;
        Ok((mine.unwrap_or_default().unsigned_abs(), others.unwrap_or_default().unsigned_abs()))
    }
}

impl UnreadRow {
    fn unread(self) -> Result<UnreadRoom> {
        let with = match (self.with_number, self.with_uid, self.with_name) {
            (Some(id), Some(uid), Some(username)) => Some(AccountRow { id, uid, username, is_admin: false }.into()),
            _ => None,
        };
        Ok(UnreadRoom {
            room: self.room.room()?,
            with,
            last_seq: self.last_seq.unsigned_abs(),
            read_seq: self.read_seq.unsigned_abs(),
            unread: self.unread.unsigned_abs(),
        })
    }
}
