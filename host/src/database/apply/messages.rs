//! Applies the changes of messages: posts within a unit of work, edits, deletions, reactions, read markers, retention.

use super::super::entries::{POSTED, bounded, edited_data};
use super::super::posts::PostOutcome;
use super::super::search_index::Indexed;
use super::super::{Tx, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{Author, Entry, EntryPayload, Event, MemberRef, NewPost, RoomId};

/// The most different emojis that one message may have.
const MAX_REACTIONS: i64 = 50;

impl Tx {
    pub(super) async fn post(&mut self, new: &NewPost, at: Timestamp) -> Result<Entry> {
        match self.add_posts_unguarded(std::slice::from_ref(new), at).await?.pop() {
            Some(PostOutcome::Posted(entry)) => Ok(entry),
            _ => Err(Error::not_found("room")),
        }
    }

    pub(super) async fn edit_message(
        &mut self,
        room: RoomId,
        seq: u64,
        body: &std::sync::Arc<str>,
        at: Timestamp,
    ) -> Result<(RoomId, EntryPayload)> {
        let head = self.room_head(room).await?;
        let edited: Option<Indexed> = each!(Tx: self, tx => sqlx::query_as(
            "UPDATE entries SET body = $1, edited_at = $2 \
             WHERE room_id = $3 AND seq = $4 AND kind = $5 AND deleted_at IS NULL \
             RETURNING id, room_id, author_id, author_name, body",
        )
        .bind(&**body)
        .bind(at)
        .bind(head.id)
        .bind(bounded(seq))
        .bind(POSTED)
        .fetch_optional(&mut **tx)
        .await)?;
        let edited = edited.ok_or_else(|| Error::not_found("message"))?;
        self.index(&[edited]).await?;
        Ok((room, EntryPayload::Edited { of: seq, body: body.clone() }))
    }

    /// Deletes a message's text, also from its edits, with its reactions and files. The entry stays, as a tombstone.
    pub(super) async fn delete_message(
        &mut self,
        room: RoomId,
        seq: u64,
        at: Timestamp,
    ) -> Result<(RoomId, EntryPayload)> {
        let head = self.room_head(room).await?;
        let number = bounded(seq);
        let deleted = each!(Tx: self, tx => sqlx::query(
            "UPDATE entries SET body = NULL, attachments = NULL, deleted_at = $1 \
             WHERE room_id = $2 AND seq = $3 AND kind = $4 AND deleted_at IS NULL",
        )
        .bind(at)
        .bind(head.id)
        .bind(number)
        .bind(POSTED)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if deleted == 0 {
            return Err(Error::not_found("message"));
        }
        let blank = edited_data(seq, "")?;
        each!(Tx: self, tx => sqlx::query(
            "UPDATE entries SET data = $1 WHERE room_id = $2 AND target = $3 AND kind = 'message.edited'",
        )
        .bind(&blank)
        .bind(head.id)
        .bind(number)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        for sql in [
            "DELETE FROM reactions WHERE room_id = $1 AND seq = $2",
            "DELETE FROM media WHERE id IN (SELECT a.media_id FROM attachments a WHERE a.room_id = $1 AND a.seq = $2) \
             AND NOT EXISTS (SELECT 1 FROM attachments o WHERE o.media_id = media.id AND NOT (o.room_id = $1 AND o.seq = $2))",
            "DELETE FROM attachments WHERE room_id = $1 AND seq = $2",
        ] {
            each!(Tx: self, tx => sqlx::query(sql).bind(head.id).bind(number).execute(&mut **tx).await.map(|_| ()))?;
        }
        Ok((room, EntryPayload::Deleted { of: seq }))
    }

    /// Adds or removes a reaction; None if nothing changed.
    pub(super) async fn react(
        &mut self,
        room: RoomId,
        seq: u64,
        by: &Author,
        emoji: &std::sync::Arc<str>,
        on: bool,
        at: Timestamp,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        let head = self.room_head(room).await?;
        let Some((_, account)) = by.account else {
            return Err(Error::Forbidden("only accounts can react to messages; log in first".into()));
        };
        let others: Option<i64> = each!(Tx: self, tx => sqlx::query_scalar(
            "SELECT (SELECT COUNT(DISTINCT r.emoji) FROM reactions r \
                     WHERE r.room_id = e.room_id AND r.seq = e.seq AND r.emoji <> $4) \
             FROM entries e WHERE e.room_id = $1 AND e.seq = $2 AND e.kind = $3 AND e.deleted_at IS NULL",
        )
        .bind(head.id)
        .bind(bounded(seq))
        .bind(POSTED)
        .bind(&**emoji)
        .fetch_optional(&mut **tx)
        .await)?;
        let others = others.ok_or_else(|| Error::not_found("message"))?;
        if on && others >= MAX_REACTIONS {
            return Err(Error::Conflict(format!("the message has {MAX_REACTIONS} different reactions already")));
        }
        let changed = if on {
            each!(Tx: self, tx => sqlx::query(
                "INSERT INTO reactions (room_id, seq, user_id, emoji, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(head.id)
            .bind(bounded(seq))
            .bind(account)
            .bind(&**emoji)
            .bind(at)
            .execute(&mut **tx)
            .await
            .map(|done| done.rows_affected()))?
        } else {
            each!(Tx: self, tx => sqlx::query(
                "DELETE FROM reactions WHERE room_id = $1 AND seq = $2 AND user_id = $3 AND emoji = $4",
            )
            .bind(head.id)
            .bind(bounded(seq))
            .bind(account)
            .bind(&**emoji)
            .execute(&mut **tx)
            .await
            .map(|done| done.rows_affected()))?
        };
        Ok((changed > 0).then(|| (room, EntryPayload::Reacted { of: seq, emoji: emoji.clone(), on })))
    }

    /// Advances a read marker; None if it was there or further already.
    pub(super) async fn mark_read(&mut self, room: RoomId, by: &Author, seq: u64) -> Result<Option<Event>> {
        let head = self.room_head(room).await?;
        let seq = bounded(seq).min(head.last_seq);
        let Some((account, number)) = by.account else { return Ok(None) };
        let moved = each!(Tx: self, tx => sqlx::query(
            "UPDATE members SET read_seq = $1 WHERE room_id = $2 AND user_id = $3 AND read_seq < $1",
        )
        .bind(seq)
        .bind(head.id)
        .bind(number)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        let whom = MemberRef { id: account, name: by.name.clone() };
        Ok((moved > 0).then(|| Event::Read { room, whom, seq: seq.unsigned_abs() }))
    }

    pub(super) async fn prune(&mut self, room: RoomId, up_to: u64, limit: u32) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "DELETE FROM entries WHERE id IN (SELECT e.id FROM entries e JOIN rooms r ON r.id = e.room_id \
             WHERE r.uid = $1 AND e.seq <= $2 ORDER BY e.seq LIMIT $3)",
        )
        .bind(room)
        .bind(bounded(up_to))
        .bind(i64::from(limit))
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }
}
