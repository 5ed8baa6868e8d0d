//! Reads rooms' logs, and converts entries that are not posts to and from their `data` column.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rows::{AuthorRow, damaged};
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{
    AccountId, Attachment, Entry, EntryPayload, MemberRef, Message, Page, Post, Reaction, Removal, Role, RoomId,
    Visibility,
};

/// The most accounts that are listed for one reaction.
const MAX_ACCOUNTS_PER_REACTION: usize = 100;

/// Contents of the `data` column, by kind. Stored permanently: fields are only ever added, with a default.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Data {
    #[serde(rename = "message.edited")]
    Edited { of: u64, body: String },
    #[serde(rename = "message.deleted")]
    Deleted { of: u64 },
    #[serde(rename = "message.reacted")]
    Reacted { of: u64, emoji: String, on: bool },
    #[serde(rename = "member.added")]
    MemberAdded { whom: MemberRef, role: Role },
    #[serde(rename = "member.removed")]
    MemberRemoved { whom: MemberRef, why: Removal, reason: Option<String> },
    #[serde(rename = "member.role")]
    MemberRole { whom: MemberRef, role: Role },
    #[serde(rename = "room.invited")]
    Invited { whom: MemberRef },
    #[serde(rename = "room.updated")]
    RoomUpdated { name: String, topic: String, visibility: Visibility, member_limit: Option<u32> },
}

/// The value of the `kind` column for posts.
pub(super) const POSTED: &str = "message.posted";

/// The `kind` and `data` columns of an entry that is not a post; None for entries that are not stored.
pub(super) fn to_columns(what: &EntryPayload) -> Result<Option<(&'static str, String)>> {
    let (kind, data) = match what.clone() {
        EntryPayload::Edited { of, body } => ("message.edited", Data::Edited { of, body: (*body).into() }),
        EntryPayload::Deleted { of } => ("message.deleted", Data::Deleted { of }),
        EntryPayload::Reacted { of, emoji, on } => {
            ("message.reacted", Data::Reacted { of, emoji: (*emoji).into(), on })
        }
        EntryPayload::MemberAdded { whom, role } => ("member.added", Data::MemberAdded { whom, role }),
        EntryPayload::MemberRemoved { whom, why, reason } => {
            ("member.removed", Data::MemberRemoved { whom, why, reason })
        }
        EntryPayload::MemberRole { whom, role } => ("member.role", Data::MemberRole { whom, role }),
        EntryPayload::Invited { whom } => ("room.invited", Data::Invited { whom }),
        EntryPayload::RoomUpdated { name, topic, visibility, member_limit } => (
            "room.updated",
            Data::RoomUpdated { name: (*name).into(), topic: (*topic).into(), visibility, member_limit },
        ),
        // Deleting a room deletes its log.
        EntryPayload::RoomDeleted { .. } | EntryPayload::Posted(_) | EntryPayload::Tombstone => return Ok(None),
    };
    Ok(Some((kind, serde_json::to_string(&data).map_err(damaged)?)))
}

/// The `data` of an edit, which is rewritten when the message is deleted.
pub(super) fn edited_data(of: u64, body: &str) -> Result<String> {
    serde_json::to_string(&Data::Edited { of, body: body.to_owned() }).map_err(damaged)
}

/// The columns to select for an [`EntryRow`], from `entries e` and `users u`.
macro_rules! columns {
    () => {
        "e.id, e.seq, e.kind, e.at, e.body, e.key, e.reply_to, e.edited_at, e.deleted_at, e.attachments, e.data, \
         e.author_id, e.author_name, e.author_guest, u.uid AS author_uid, u.username, u.plugin"
    };
}
pub(super) use columns;

#[derive(sqlx::FromRow)]
pub(super) struct EntryRow {
    pub(super) id: i64,
    seq: i64,
    kind: String,
    at: i64,
    body: Option<String>,
    key: Option<String>,
    reply_to: Option<i64>,
    edited_at: Option<i64>,
    deleted_at: Option<i64>,
    attachments: Option<String>,
    data: Option<String>,
    #[sqlx(flatten)]
    author: AuthorRow,
}

impl EntryRow {
    fn entry(self, room: RoomId) -> Result<Entry> {
        let what = match (&*self.kind, self.deleted_at) {
            (POSTED, Some(_)) => EntryPayload::Tombstone,
            (POSTED, None) => EntryPayload::Posted(post(self.body, self.key, self.reply_to, self.attachments)?),
            _ => payload_from_data(&self.data.unwrap_or_default())?,
        };
        Ok(Entry {
            room,
            seq: self.seq.unsigned_abs(),
            number: self.id,
            at: Timestamp(self.at),
            by: self.author.into(),
            what,
        })
    }

    pub(super) fn message(self) -> Result<Message> {
        Ok(Message {
            seq: self.seq.unsigned_abs(),
            number: self.id,
            at: Timestamp(self.at),
            from: self.author.into(),
            post: post(self.body, self.key, self.reply_to, self.attachments)?,
            edited_at: self.edited_at.map(Timestamp),
            deleted_at: self.deleted_at.map(Timestamp),
            reactions: Vec::new(),
        })
    }
}

fn post(body: Option<String>, key: Option<String>, reply_to: Option<i64>, attachments: Option<String>) -> Result<Post> {
    let attachments: Arc<[Attachment]> = match attachments {
        Some(json) => serde_json::from_str(&json).map_err(damaged)?,
        None => Arc::default(),
    };
    let reply_to = reply_to.map(i64::unsigned_abs);
    Ok(Post { body: body.unwrap_or_default().into(), key: key.map(Into::into), reply_to, attachments })
}

fn payload_from_data(data: &str) -> Result<EntryPayload> {
    Ok(match serde_json::from_str(data).map_err(damaged)? {
        Data::Edited { of, body } => EntryPayload::Edited { of, body: body.into() },
        Data::Deleted { of } => EntryPayload::Deleted { of },
        Data::Reacted { of, emoji, on } => EntryPayload::Reacted { of, emoji: emoji.into(), on },
        Data::MemberAdded { whom, role } => EntryPayload::MemberAdded { whom, role },
        Data::MemberRemoved { whom, why, reason } => EntryPayload::MemberRemoved { whom, why, reason },
        Data::MemberRole { whom, role } => EntryPayload::MemberRole { whom, role },
        Data::Invited { whom } => EntryPayload::Invited { whom },
        Data::RoomUpdated { name, topic, visibility, member_limit } => {
            EntryPayload::RoomUpdated { name: name.into(), topic: topic.into(), visibility, member_limit }
        }
    })
}

/// A page of messages. The kind is a literal, so that the index over messages alone is used.
macro_rules! page {
    ($from:literal, $which:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM entries e LEFT JOIN users u ON u.id = e.author_id \
             WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.kind = 'message.posted' AND e.seq ",
            $from,
            " $2 ",
            $which,
            " ORDER BY e.seq ",
            $order,
            " LIMIT $3"
        )
    };
}

macro_rules! lower_in_the_middle {
    () => {
        "COALESCE((SELECT e.id FROM entries e WHERE e.room_id = room AND e.seq >= (low + high) / 2 ORDER BY e.seq LIMIT 1), $2) < $2"
    };
}

impl Database {
    /// Whether the room has a message of this number that was not deleted.
    pub async fn has_message(&self, room: RoomId, seq: u64) -> Result<bool> {
        let found: Option<i64> = each!(Pool: &self.urgent, pool => sqlx::query_scalar(
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
        let last: Option<i64> = each!(Pool: &self.urgent, pool => sqlx::query_scalar(
            "SELECT last_seq FROM rooms WHERE uid = $1",
        )
        .bind(room)
        .fetch_optional(pool)
        .await)?;
        Ok(last.unwrap_or(0).unsigned_abs())
    }

    /// A message in its present state, also if it was deleted; without its reactions.
    pub async fn message(&self, room: RoomId, seq: u64) -> Result<Option<Message>> {
        let row: Option<EntryRow> = each!(Pool: &self.urgent, pool => sqlx::query_as(concat!(
            "SELECT ", columns!(), " FROM entries e LEFT JOIN users u ON u.id = e.author_id \
             WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.seq = $2 AND e.kind = $3",
        ))
        .bind(room)
        .bind(bounded(seq))
        .bind(POSTED)
        .fetch_optional(pool)
        .await)?;
        row.map(EntryRow::message).transpose()
    }

    /// The `seq` of the entry with this number, or of the first one after it in the room.
    pub async fn seq_from_number(&self, room: RoomId, number: i64) -> Result<Option<u64>> {
        let seq: Option<i64> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            // Binary search: within a room, ids grow with `seq`.
            concat!(
                "WITH RECURSIVE halves (room, low, high) AS (\
                 SELECT id, CAST(0 AS BIGINT), last_seq + 1 FROM rooms WHERE uid = $1 \
                 UNION ALL \
                 SELECT room, CASE WHEN ", lower_in_the_middle!(), " THEN (low + high) / 2 + 1 ELSE low END, \
                 CASE WHEN ", lower_in_the_middle!(), " THEN high ELSE (low + high) / 2 END FROM halves WHERE low < high) \
                 SELECT e.seq FROM (SELECT room, MAX(low) AS first FROM halves GROUP BY room) f \
                 JOIN entries e ON e.room_id = f.room AND e.seq >= f.first ORDER BY e.seq LIMIT 1",
            ),
        )
        .bind(room)
        .bind(number)
        .fetch_optional(pool)
        .await)?;
        Ok(seq.map(i64::unsigned_abs))
    }

    /// Entries after `after` up to and including `to`, in order.
    pub async fn entries(&self, room: RoomId, after: u64, to: u64, limit: u32) -> Result<Vec<Entry>> {
        let rows: Vec<EntryRow> = each!(Pool: &self.read, pool => sqlx::query_as(concat!(
            "SELECT ", columns!(), " FROM entries e LEFT JOIN users u ON u.id = e.author_id \
             WHERE e.room_id = (SELECT id FROM rooms WHERE uid = $1) AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4",
        ))
        .bind(room)
        .bind(bounded(after))
        .bind(bounded(to))
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?;
        rows.into_iter().map(|row| row.entry(room)).collect()
    }

    /// A page of messages in their present state, oldest first, with or without deleted ones, and whether there are more in
    /// that direction.
    pub async fn messages(
        &self,
        room: RoomId,
        page: Page,
        limit: u32,
        tombstones: Tombstones,
    ) -> Result<(Vec<Message>, bool)> {
        let wanted = i64::from(limit) + 1;
        let (sql, from) = match (page, tombstones) {
            (Page::Before(before), Tombstones::Shown) => (page!("<", "", "DESC"), before.map_or(i64::MAX, bounded)),
            (Page::Before(before), Tombstones::LeftOut) => {
                (page!("<", "AND e.deleted_at IS NULL", "DESC"), before.map_or(i64::MAX, bounded))
            }
            (Page::After(after), Tombstones::Shown) => (page!(">", "", "ASC"), bounded(after)),
            (Page::After(after), Tombstones::LeftOut) => {
                (page!(">", "AND e.deleted_at IS NULL", "ASC"), bounded(after))
            }
        };
        let mut rows: Vec<EntryRow> = each!(Pool: &self.read, pool => sqlx::query_as(sql)
            .bind(room)
            .bind(from)
            .bind(wanted)
            .fetch_all(pool)
            .await)?;
        let more = rows.len() as i64 == wanted;
        rows.truncate(limit as usize);
        if matches!(page, Page::Before(_)) {
            rows.reverse();
        }
        let mut messages = rows.into_iter().map(EntryRow::message).collect::<Result<Vec<_>>>()?;
        self.add_reactions(room, &mut messages).await?;
        Ok((messages, more))
    }

    async fn add_reactions(&self, room: RoomId, messages: &mut [Message]) -> Result<()> {
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(()) };
        let rows: Vec<(i64, String, AccountId)> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT r.seq, r.emoji, u.uid FROM reactions r JOIN users u ON u.id = r.user_id \
             WHERE r.room_id = (SELECT id FROM rooms WHERE uid = $1) AND r.seq >= $2 AND r.seq <= $3 \
             ORDER BY r.seq, r.at, r.user_id, r.emoji",
        )
        .bind(room)
        .bind(bounded(first.seq))
        .bind(bounded(last.seq))
        .fetch_all(pool)
        .await)?;
        let mut by_message: HashMap<u64, Vec<Reaction>> = HashMap::new();
        for (seq, emoji, account) in rows {
            let reactions = by_message.entry(seq.unsigned_abs()).or_default();
            let at = reactions.iter().position(|reaction| reaction.emoji == emoji).unwrap_or_else(|| {
                reactions.push(Reaction { emoji, count: 0, accounts: Vec::new() });
                reactions.len() - 1
            });
            reactions[at].count += 1;
            if reactions[at].accounts.len() < MAX_ACCOUNTS_PER_REACTION {
                reactions[at].accounts.push(account);
            }
        }
        for message in messages {
            message.reactions = by_message.remove(&message.seq).unwrap_or_default();
        }
        Ok(())
    }
}

/// Whether deleted messages are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    Shown,
    LeftOut,
}

/// A `seq` as a column value. Clients may send any number, so it saturates.
pub(super) fn bounded(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
