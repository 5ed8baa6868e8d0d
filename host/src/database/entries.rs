//! Reading rooms' logs, and how an entry that is not a post is kept in its `data`.

use serde::{Deserialize, Serialize};

use super::rows::{AuthorRow, damaged};
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{Entry, Happening, Message, Page, Post, Removal, Role, RoomId, Visibility, Whom};

/// What the `data` column holds, by kind. Stored for good: fields are only ever added, with a default.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Data {
    #[serde(rename = "message.edited")]
    Edited { of: u64, body: String },
    #[serde(rename = "message.deleted")]
    Deleted { of: u64 },
    #[serde(rename = "member.added")]
    MemberAdded { whom: Whom, role: Role },
    #[serde(rename = "member.removed")]
    MemberRemoved { whom: Whom, why: Removal, reason: Option<String> },
    #[serde(rename = "member.role")]
    MemberRole { whom: Whom, role: Role },
    #[serde(rename = "room.invited")]
    Invited { whom: Whom },
    #[serde(rename = "room.updated")]
    RoomUpdated { name: String, topic: String, visibility: Visibility, member_limit: Option<u32> },
}

/// The word for posts in the `kind` column.
pub(super) const POSTED: &str = "message.posted";

/// What the `kind` and `data` columns say of an entry that is no post; none for what is not kept.
pub(super) fn to_columns(what: &Happening) -> Result<Option<(&'static str, String)>> {
    let (kind, data) = match what.clone() {
        Happening::Edited { of, body } => ("message.edited", Data::Edited { of, body: (*body).into() }),
        Happening::Deleted { of } => ("message.deleted", Data::Deleted { of }),
        Happening::MemberAdded { whom, role } => ("member.added", Data::MemberAdded { whom, role }),
        Happening::MemberRemoved { whom, why, reason } => ("member.removed", Data::MemberRemoved { whom, why, reason }),
        Happening::MemberRole { whom, role } => ("member.role", Data::MemberRole { whom, role }),
        Happening::Invited { whom } => ("room.invited", Data::Invited { whom }),
        Happening::RoomUpdated { name, topic, visibility, member_limit } => (
            "room.updated",
            Data::RoomUpdated { name: (*name).into(), topic: (*topic).into(), visibility, member_limit },
        ),
        // A room that is gone takes its log along.
        Happening::RoomDeleted { .. } | Happening::Posted(_) => return Ok(None),
    };
    Ok(Some((kind, serde_json::to_string(&data).map_err(damaged)?)))
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    seq: i64,
    kind: String,
    at: i64,
    body: Option<String>,
    key: Option<String>,
    reply_to: Option<i64>,
    edited_at: Option<i64>,
    data: Option<String>,
    #[sqlx(flatten)]
    author: AuthorRow,
}

impl EntryRow {
    fn post(body: Option<String>, key: Option<String>, reply_to: Option<i64>) -> Post {
        Post {
            body: body.unwrap_or_default().into(),
            key: key.map(Into::into),
            reply_to: reply_to.map(i64::unsigned_abs),
        }
    }

    fn entry(self, room: RoomId) -> Result<Entry> {
        let what = if self.kind == POSTED {
            Happening::Posted(Self::post(self.body, self.key, self.reply_to))
        } else {
            match serde_json::from_str(&self.data.unwrap_or_default()).map_err(damaged)? {
                Data::Edited { of, body } => Happening::Edited { of, body: body.into() },
                Data::Deleted { of } => Happening::Deleted { of },
                Data::MemberAdded { whom, role } => Happening::MemberAdded { whom, role },
                Data::MemberRemoved { whom, why, reason } => Happening::MemberRemoved { whom, why, reason },
                Data::MemberRole { whom, role } => Happening::MemberRole { whom, role },
                Data::Invited { whom } => Happening::Invited { whom },
                Data::RoomUpdated { name, topic, visibility, member_limit } => {
                    Happening::RoomUpdated { name: name.into(), topic: topic.into(), visibility, member_limit }
                }
            }
        };
        Ok(Entry { room, seq: self.seq.unsigned_abs(), at: Timestamp(self.at), by: self.author.into(), what })
    }

    fn message(self) -> Message {
        Message {
            seq: self.seq.unsigned_abs(),
            at: Timestamp(self.at),
            from: self.author.into(),
            post: Self::post(self.body, self.key, self.reply_to),
            edited_at: self.edited_at.map(Timestamp),
        }
    }
}

impl Database {
    /// Whether the room has a message of this number that was not deleted.
    pub async fn has_message(&self, room: RoomId, seq: u64) -> Result<bool> {
        let found: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT e.seq FROM entries e JOIN rooms r ON r.id = e.room_id \
             WHERE r.uid = $1 AND e.seq = $2 AND e.kind = $3 AND e.deleted_at IS NULL",
        )
        .bind(room)
        .bind(bounded(seq))
        .bind(POSTED)
        .fetch_optional(pool)
        .await)?;
        Ok(found.is_some())
    }

    /// The `seq` of the room's last entry; 0 for an empty log.
    pub async fn last_seq(&self, room: RoomId) -> Result<u64> {
        let last: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT last_seq FROM rooms WHERE uid = $1",
        )
        .bind(room)
        .fetch_optional(pool)
        .await)?;
        Ok(last.unwrap_or(0).unsigned_abs())
    }

    /// Entries after `after` up to and with `to`, in order.
    pub async fn entries(&self, room: RoomId, after: u64, to: u64, limit: u32) -> Result<Vec<Entry>> {
        let rows: Vec<EntryRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT e.seq, e.kind, e.at, e.body, e.key, e.reply_to, e.edited_at, e.data, e.author_id, e.author_name, e.author_guest, \
             u.uid AS author_uid, u.username, u.plugin FROM entries e LEFT JOIN users u ON u.id = e.author_id \
             WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4",
        )
        .bind(room)
        .bind(bounded(after))
        .bind(bounded(to))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(|row| row.entry(room)).collect()
    }

    /// Messages in their present state, oldest first, and whether there are more in that direction.
    pub async fn messages(&self, room: RoomId, page: Page, limit: u32) -> Result<(Vec<Message>, bool)> {
        let wanted = i64::from(limit) + 1;
        let mut rows: Vec<EntryRow> = match page {
            Page::Before(before) => each!(Pool: &self.read, pool => sqlx::query_as(
                "SELECT e.seq, e.kind, e.at, e.body, e.key, e.reply_to, e.edited_at, e.data, e.author_id, e.author_name, e.author_guest, \
                 u.uid AS author_uid, u.username, u.plugin FROM entries e LEFT JOIN users u ON u.id = e.author_id \
                 WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.kind = $2 AND e.deleted_at IS NULL AND e.seq < $3 \
                 ORDER BY e.seq DESC LIMIT $4",
            )
            .bind(room)
            .bind(POSTED)
            .bind(before.map_or(i64::MAX, bounded))
            .bind(wanted)
            .fetch_all(pool)
            .await),
            Page::After(after) => each!(Pool: &self.read, pool => sqlx::query_as(
                "SELECT e.seq, e.kind, e.at, e.body, e.key, e.reply_to, e.edited_at, e.data, e.author_id, e.author_name, e.author_guest, \
                 u.uid AS author_uid, u.username, u.plugin FROM entries e LEFT JOIN users u ON u.id = e.author_id \
                 WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.kind = $2 AND e.deleted_at IS NULL AND e.seq > $3 \
                 ORDER BY e.seq LIMIT $4",
            )
            .bind(room)
            .bind(POSTED)
            .bind(bounded(after))
            .bind(wanted)
            .fetch_all(pool)
            .await),
        }?;
        let more = rows.len() as i64 == wanted;
        rows.truncate(limit as usize);
        if matches!(page, Page::Before(_)) {
            rows.reverse();
        }
        Ok((rows.into_iter().map(EntryRow::message).collect(), more))
    }
}

/// A `seq` as the column has it; clients may send any number.
pub(super) fn bounded(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
