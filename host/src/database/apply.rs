//! Applies a unit of work: its changes in order, in a savepoint of the batch's transaction.

mod guests;
mod members;
mod messages;
mod rooms;

use super::entries::{bounded, to_columns};
use super::rows::AccountRow;
use super::{Tx, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Author, AuthorKind, Change, Entry, EntryPayload, Event, MemberRef, RoomId, Unit};

/// The columns of a room that changes need.
#[derive(sqlx::FromRow)]
struct RoomHead {
    id: i64,
    kind: String,
    name: String,
    visibility: String,
    topic: String,
    member_limit: Option<i64>,
    member_count: i64,
    last_seq: i64,
}

impl Tx {
    /// Applies all of a unit or nothing of it; returns the resulting events in order.
    pub async fn apply(&mut self, unit: &Unit, at: Timestamp) -> Result<Vec<Event>> {
        self.in_savepoint(async |tx| tx.apply_changes(unit, at).await).await
    }

    async fn apply_changes(&mut self, unit: &Unit, at: Timestamp) -> Result<Vec<Event>> {
        for read in &unit.reads {
            self.check_read(read).await?;
        }
        let mut events = Vec::new();
        let by = Author::from(&unit.by);
        for change in &unit.changes {
            match change {
                Change::Post(new) => events.push(Event::Entry(self.post(new, at).await?)),
                Change::MarkRead { room, seq } => events.extend(self.mark_read(*room, &by, *seq).await?),
                Change::OpenDirect { id, code, between, quota } => {
                    for what in self.open_direct(*id, code, *between, quota, &by, at).await? {
                        events.push(Event::Entry(self.log(*id, &by, at, what).await?));
                    }
                }
                change => {
                    if let Some((room, what)) = self.apply_change(change, &by, at).await? {
                        events.push(Event::Entry(self.log(room, &by, at, what).await?));
                    }
                }
            }
        }
        // Rooms are deleted last, after all entries of the unit are logged.
        for change in &unit.changes {
            if let Change::DeleteRoom { room } = change {
                self.delete_room(*room).await?;
            }
        }
        Ok(events)
    }

    /// Applies one change; returns the room and payload of the resulting entry, if there is one.
    async fn apply_change(
        &mut self,
        change: &Change,
        by: &Author,
        at: Timestamp,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        match change {
            Change::CreateRoom(new) => self.create_room(new, by, at).await,
            Change::UpdateRoom { room, change } => self.update_room(*room, change).await,
            Change::DeleteRoom { room } => {
                let was = Box::new(self.room(*room).await?);
                Ok(Some((*room, EntryPayload::RoomDeleted { was })))
            }
            Change::Invite { room, account } => self.invite(*room, *account).await,
            Change::AddMember { room, account, role } => self.add_member(*room, *account, *role, at).await,
            Change::OpenSession { id, name, owner, quota } => self.open_session(*id, name, *owner, quota, by, at).await,
            Change::RemoveMember { room, account, why, reason } => {
                self.remove_member(*room, *account, *why, reason.clone()).await
            }
            Change::SetRole { room, account, role } => self.set_role(*room, *account, *role).await,
            Change::Unban { room, account } => {
                self.set_standing(*room, *account, None, Some(false), None).await.map(|()| None)
            }
            Change::Mute { room, account, until } => {
                self.set_standing(*room, *account, None, None, Some(*until)).await.map(|()| None)
            }
            Change::EditMessage { room, seq, body } => self.edit_message(*room, *seq, body, at).await.map(Some),
            Change::DeleteMessage { room, seq } => self.delete_message(*room, *seq, at).await.map(Some),
            Change::React { room, seq, emoji, on } => self.react(*room, *seq, by, emoji, *on, at).await,
            Change::SetGuarded { room, guarded } => self.set_guarded(*room, *guarded).await.map(|()| None),
            Change::RestrictGuests { room, rule } => self.restrict_guests(*room, rule, at).await.map(|()| None),
            Change::PardonGuests { room } => self.pardon_guests(*room).await.map(|()| None),
            Change::AllowGuests { room, allowed } => self.allow_guests(*room, *allowed).await.map(|()| None),
            Change::Prune { room, up_to, limit } => self.prune(*room, *up_to, *limit).await.map(|()| None),
            Change::SetTimer(timer) => self.set_timer(timer).await.map(|()| None),
            Change::CancelTimer { plugin, name } => self.cancel_timer(plugin, name).await.map(|()| None),
            Change::EndTimer { plugin, name, due_at } => self.end_timer(plugin, name, *due_at).await.map(|()| None),
            Change::PutValue { plugin, key, value } => self.put_value(plugin, key, value).await.map(|()| None),
            Change::DeleteValue { plugin, key } => self.delete_value(plugin, key).await.map(|()| None),
            // These make entries or events of their own.
            Change::Post(_) | Change::MarkRead { .. } | Change::OpenDirect { .. } => Ok(None),
            // These concern live connections only.
            Change::RemoveGuests { .. } | Change::BanOriginsElsewhere { .. } => Ok(None),
        }
    }

    /// Adds an entry to a room's log.
    async fn log(&mut self, room: RoomId, by: &Author, at: Timestamp, what: EntryPayload) -> Result<Entry> {
        let (id, seq): (i64, i64) = each!(Tx: self, tx => sqlx::query_as(
            "UPDATE rooms SET last_seq = last_seq + 1 WHERE uid = $1 RETURNING id, last_seq",
        )
        .bind(room)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("room"))?;
        let mut number = 0;
        if let Some((kind, data)) = to_columns(&what)? {
            number = each!(Tx: self, tx => sqlx::query_scalar(
                "INSERT INTO entries (room_id, seq, kind, at, author_id, author_name, author_guest, data, target) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
            )
            .bind(id)
            .bind(seq)
            .bind(kind)
            .bind(at)
            .bind(by.account.map(|(_, number)| number))
            .bind(by.account.is_none().then_some(&*by.name))
            .bind(by.kind == AuthorKind::Guest)
            .bind(&data)
            .bind(what.target().map(bounded))
            .fetch_one(&mut **tx)
            .await)?;
        }
        Ok(Entry { room, seq: seq.unsigned_abs(), number, at, by: by.clone(), what })
    }

    async fn room_head(&mut self, room: RoomId) -> Result<RoomHead> {
        each!(Tx: self, tx => sqlx::query_as(
            "SELECT id, kind, name, visibility, topic, member_limit, member_count, last_seq FROM rooms WHERE uid = $1",
        )
        .bind(room)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("room"))
    }

    async fn whom(&mut self, account: AccountId) -> Result<(i64, MemberRef)> {
        let row: AccountRow = each!(Tx: self, tx => sqlx::query_as(
            "SELECT id, uid, username, is_admin FROM users WHERE uid = $1",
        )
        .bind(account)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("account"))?;
        Ok((row.id, MemberRef { id: row.uid, name: row.username.into() }))
    }

    pub(super) async fn execute_on_room(&mut self, sql: &'static str, room: RoomId) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(sql).bind(room).execute(&mut **tx).await.map(|_| ()))?;
        Ok(())
    }
}
