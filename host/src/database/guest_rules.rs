//! Reads a room's rules for guests.

use super::rows::damaged;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{ConnectionId, GuestRule, GuestRuleKind, GuestRules, RoomId};

#[derive(sqlx::FromRow)]
struct Row {
    no_guests: bool,
    kind: Option<String>,
    connection: Option<ConnectionId>,
    origin: Option<String>,
    until: Option<i64>,
}

impl Database {
    /// The rules for guests in a room that are in force after this moment.
    pub async fn guest_rules(&self, room: RoomId, after: Timestamp) -> Result<GuestRules> {
        let rows: Vec<Row> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT r.no_guests, g.kind, g.connection, g.origin, g.until FROM rooms r \
             LEFT JOIN guest_rules g ON g.room_id = r.id AND g.until > $2 WHERE r.uid = $1",
        )
        .bind(room)
        .bind(after)
        .fetch_all(pool)
        .await)?;
        let closed = rows.first().is_some_and(|row| row.no_guests);
        let rules = rows.into_iter().filter_map(|Row { kind, connection, origin, until, .. }| {
            let until = Timestamp(until?);
            let kind = kind?.parse::<GuestRuleKind>().map_err(damaged);
            Some(kind.map(|kind| GuestRule { kind, connection, origin: origin.map(Into::into), until }))
        });
        Ok(GuestRules { closed, rules: rules.collect::<Result<_>>()? })
    }
}
