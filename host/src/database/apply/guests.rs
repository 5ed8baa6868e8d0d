//! Applies the changes of a room's rules for guests: bans, mutes, and whether guests may join at all.

use super::super::{Tx, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{GuestRule, RoomId};

/// The most rules that a room may have at a time.
const MAX_RULES: i64 = 1000;

impl Tx {
    pub(super) async fn restrict_guests(&mut self, room: RoomId, rule: &GuestRule, at: Timestamp) -> Result<()> {
        let head = self.room_head(room).await?;
        each!(Tx: self, tx => sqlx::query("DELETE FROM guest_rules WHERE room_id = $1 AND until <= $2")
            .bind(head.id)
            .bind(at)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        let count: i64 = each!(Tx: self, tx => sqlx::query_scalar("SELECT COUNT(*) FROM guest_rules WHERE room_id = $1")
            .bind(head.id)
            .fetch_one(&mut **tx)
            .await)?;
        if count >= MAX_RULES {
            let why = format!("this room has {MAX_RULES} bans and mutes of guests; pardon them, or let no guests in");
            return Err(Error::Conflict(why));
        }
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO guest_rules (room_id, kind, connection, origin, until) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(head.id)
        .bind(rule.kind.as_str())
        .bind(rule.connection)
        .bind(rule.origin.as_deref())
        .bind(rule.until)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    pub(super) async fn pardon_guests(&mut self, room: RoomId) -> Result<()> {
        self.execute_on_room("DELETE FROM guest_rules WHERE room_id = (SELECT id FROM rooms WHERE uid = $1)", room)
            .await
    }

    pub(super) async fn allow_guests(&mut self, room: RoomId, allowed: bool) -> Result<()> {
        each!(Tx: self, tx => sqlx::query("UPDATE rooms SET no_guests = $1 WHERE uid = $2")
            .bind(!allowed)
            .bind(room)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        Ok(())
    }
}
