//! Making a unit of work true: its changes one after the other, inside a savepoint of the batch's transaction.

use super::entries::{POSTED, bounded, to_columns};
use super::posts::PostOutcome;
use super::rows::{AccountRow, damaged};
use super::{Tx, each, taken};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::fold;
use crate::protocol::{
    AccountId, Author, AuthorKind, Change, Entry, Happening, NewPost, NewRoom, Removal, Role, RoomChange, RoomId,
    StorageRead, Unit, Whom,
};

/// A room's row as a change needs it.
#[derive(sqlx::FromRow)]
struct RoomHead {
    id: i64,
    kind: String,
    name: String,
    visibility: String,
    topic: String,
    member_limit: Option<i64>,
    member_count: i64,
}

impl Tx {
    /// Applies all of a unit or nothing of it; gives the entries that it made.
    pub async fn apply(&mut self, unit: &Unit, at: Timestamp) -> Result<Vec<Entry>> {
        self.all_or_nothing(async |tx| tx.apply_changes(unit, at).await).await
    }

    async fn apply_changes(&mut self, unit: &Unit, at: Timestamp) -> Result<Vec<Entry>> {
        for read in &unit.reads {
            self.check_read(read).await?;
        }
        let mut entries = Vec::new();
        let by = Author::from(&unit.by);
        for change in &unit.changes {
            if let Change::Post(new) = change {
                entries.push(self.post(new, at).await?);
            } else if let Some((room, what)) = self.apply_change(change, at).await? {
                entries.push(self.log(room, &by, at, what).await?);
            }
        }
        // A room goes when nothing more is to be said in its log.
        for change in &unit.changes {
            if let Change::DeleteRoom { room } = change {
                self.execute_on_room("DELETE FROM rooms WHERE uid = $1", *room).await?;
            }
        }
        Ok(entries)
    }

    /// Makes one change and says what happened by it, in which room.
    async fn apply_change(&mut self, change: &Change, at: Timestamp) -> Result<Option<(RoomId, Happening)>> {
        match change {
            Change::CreateRoom(new) => self.create_room(new, at).await,
            Change::UpdateRoom { room, change } => self.update_room(*room, change).await,
            Change::DeleteRoom { room } => {
                let was = Box::new(self.room(*room).await?);
                Ok(Some((*room, Happening::RoomDeleted { was })))
            }
            Change::Invite { room, account } => self.invite(*room, *account).await,
            Change::AddMember { room, account, role } => self.add_member(*room, *account, *role, at).await,
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
            Change::DeleteMessage { room, seq } => self.delete_message(*room, *seq, at).await,
            // Makes its own entry.
            Change::Post(_) => Ok(None),
            Change::SetTimer(timer) => self.set_timer(timer).await.map(|()| None),
            Change::CancelTimer { plugin, name } => self.cancel_timer(plugin, name).await.map(|()| None),
            Change::EndTimer { plugin, name, due_at } => self.end_timer(plugin, name, *due_at).await.map(|()| None),
            Change::PutValue { plugin, key, value } => self.put_value(plugin, key, value).await.map(|()| None),
            Change::DeleteValue { plugin, key } => self.delete_value(plugin, key).await.map(|()| None),
        }
    }

    async fn create_room(&mut self, new: &NewRoom, at: Timestamp) -> Result<Option<(RoomId, Happening)>> {
        let added = each!(Tx: self, tx => sqlx::query(
            "INSERT INTO rooms (uid, code, name, name_key, kind, visibility, topic, member_limit, created_at) \
             VALUES ($1, $2, $3, $4, 'room', $5, $6, $7, $8)",
        )
        .bind(new.id)
        .bind(&new.code)
        .bind(&new.name)
        .bind(fold(&new.name))
        .bind(new.visibility.as_str())
        .bind(&new.topic)
        .bind(new.member_limit.map(i64::from))
        .bind(at)
        .execute(&mut **tx)
        .await
        .map(|_| ()));
        added.map_err(|error| name_taken(error, &new.name))?;
        match new.owner {
            Some(owner) => self.add_member(new.id, owner, Role::Owner, at).await,
            None => Ok(None),
        }
    }

    async fn update_room(&mut self, room: RoomId, change: &RoomChange) -> Result<Option<(RoomId, Happening)>> {
        let head = self.room_head(room).await?;
        if head.kind != "room" {
            return Err(Error::Forbidden("only rooms of kind `room` can be changed".into()));
        }
        let name = change.name.clone().unwrap_or(head.name);
        let topic = change.topic.clone().unwrap_or(head.topic);
        let old_visibility = head.visibility.parse().map_err(damaged)?;
        let visibility = change.visibility.unwrap_or(old_visibility);
        let old_limit = head.member_limit.and_then(|limit| u32::try_from(limit).ok());
        let member_limit = change.member_limit.unwrap_or(old_limit);
        let updated = each!(Tx: self, tx => sqlx::query(
            "UPDATE rooms SET name = $1, name_key = $2, topic = $3, visibility = $4, member_limit = $5 WHERE id = $6",
        )
        .bind(&name)
        .bind(fold(&name))
        .bind(&topic)
        .bind(visibility.as_str())
        .bind(member_limit.map(i64::from))
        .bind(head.id)
        .execute(&mut **tx)
        .await
        .map(|_| ()));
        updated.map_err(|error| name_taken(error, &name))?;
        let what = Happening::RoomUpdated { name: name.into(), topic: topic.into(), visibility, member_limit };
        Ok(Some((room, what)))
    }

    async fn invite(&mut self, room: RoomId, account: AccountId) -> Result<Option<(RoomId, Happening)>> {
        let whom = self.whom(account).await?;
        if self.is_banned(room, account).await? {
            return Err(Error::Conflict(format!("{} is banned from this room; lift the ban first", whom.1.name)));
        }
        self.set_standing(room, account, Some(true), None, None).await?;
        Ok(Some((room, Happening::Invited { whom: whom.1 })))
    }

    async fn add_member(
        &mut self,
        room: RoomId,
        account: AccountId,
        role: Role,
        at: Timestamp,
    ) -> Result<Option<(RoomId, Happening)>> {
        let head = self.room_head(room).await?;
        let (number, whom) = self.whom(account).await?;
        if self.is_banned(room, account).await? {
            return Err(Error::Forbidden("banned from this room".into()));
        }
        let added = each!(Tx: self, tx => sqlx::query(
            "INSERT INTO members (room_id, user_id, role, joined_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(head.id)
        .bind(number)
        .bind(role.as_str())
        .bind(at)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if added == 0 {
            // A member already: nothing happened.
            return Ok(None);
        }
        if head.member_limit.is_some_and(|limit| head.member_count >= limit) {
            return Err(Error::Conflict("the room is full".into()));
        }
        self.execute_on_room("UPDATE rooms SET member_count = member_count + 1 WHERE uid = $1", room).await?;
        // An invitation lets in once.
        self.set_standing(room, account, Some(false), None, None).await?;
        Ok(Some((room, Happening::MemberAdded { whom, role })))
    }

    async fn remove_member(
        &mut self,
        room: RoomId,
        account: AccountId,
        why: Removal,
        reason: Option<String>,
    ) -> Result<Option<(RoomId, Happening)>> {
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
                Ok(Some((room, Happening::MemberRemoved { whom, why, reason })))
            }
        }
    }

    async fn set_role(&mut self, room: RoomId, account: AccountId, role: Role) -> Result<Option<(RoomId, Happening)>> {
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
        Ok(Some((room, Happening::MemberRole { whom, role })))
    }

    /// Sets what is given of an account's standing and leaves the rest.
    async fn set_standing(
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

    async fn post(&mut self, new: &NewPost, at: Timestamp) -> Result<Entry> {
        match self.add_posts_unguarded(std::slice::from_ref(new), at).await?.pop() {
            Some(PostOutcome::Posted(entry)) => Ok(entry),
            _ => Err(Error::not_found("room")),
        }
    }

    /// Takes a message's text away, everywhere it stands; the number stays.
    async fn delete_message(&mut self, room: RoomId, seq: u64, at: Timestamp) -> Result<Option<(RoomId, Happening)>> {
        let head = self.room_head(room).await?;
        let deleted = each!(Tx: self, tx => sqlx::query(
            "UPDATE entries SET body = NULL, deleted_at = $1 \
             WHERE room_id = $2 AND seq = $3 AND kind = $4 AND deleted_at IS NULL",
        )
        .bind(at)
        .bind(head.id)
        .bind(bounded(seq))
        .bind(POSTED)
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if deleted == 0 {
            return Err(Error::not_found("message"));
        }
        Ok(Some((room, Happening::Deleted { of: seq })))
    }

    async fn put_value(&mut self, plugin: &str, key: &str, value: &[u8]) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "INSERT INTO plugin_values (plugin, key, value, version) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value, version = excluded.version",
        )
        .bind(plugin)
        .bind(key)
        .bind(value)
        .bind(rand::random_range(1..i64::MAX))
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    async fn delete_value(&mut self, plugin: &str, key: &str) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(
            "DELETE FROM plugin_values WHERE plugin = $1 AND key = $2",
        )
        .bind(plugin)
        .bind(key)
        .execute(&mut **tx)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    async fn check_read(&mut self, read: &StorageRead) -> Result<()> {
        let version: Option<i64> = each!(Tx: self, tx => sqlx::query_scalar(
            "SELECT version FROM plugin_values WHERE plugin = $1 AND key = $2",
        )
        .bind(&*read.plugin)
        .bind(&read.key)
        .fetch_optional(&mut **tx)
        .await)?;
        if version.unwrap_or(0) == read.version {
            Ok(())
        } else {
            Err(Error::Conflict("somebody else changed the same thing meanwhile; try again".into()))
        }
    }

    /// Adds an entry to a room's log.
    async fn log(&mut self, room: RoomId, by: &Author, at: Timestamp, what: Happening) -> Result<Entry> {
        let (id, seq): (i64, i64) = each!(Tx: self, tx => sqlx::query_as(
            "UPDATE rooms SET last_seq = last_seq + 1 WHERE uid = $1 RETURNING id, last_seq",
        )
        .bind(room)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("room"))?;
        if let Some((kind, data)) = to_columns(&what)? {
            each!(Tx: self, tx => sqlx::query(
                "INSERT INTO entries (room_id, seq, kind, at, author_id, author_name, author_guest, data) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id)
            .bind(seq)
            .bind(kind)
            .bind(at)
            .bind(by.account.map(|(_, number)| number))
            .bind(by.account.is_none().then_some(&*by.name))
            .bind(by.kind == AuthorKind::Guest)
            .bind(&data)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        }
        Ok(Entry { room, seq: seq.unsigned_abs(), at, by: by.clone(), what })
    }

    async fn room_head(&mut self, room: RoomId) -> Result<RoomHead> {
        each!(Tx: self, tx => sqlx::query_as(
            "SELECT id, kind, name, visibility, topic, member_limit, member_count FROM rooms WHERE uid = $1",
        )
        .bind(room)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("room"))
    }

    async fn whom(&mut self, account: AccountId) -> Result<(i64, Whom)> {
        let row: AccountRow = each!(Tx: self, tx => sqlx::query_as(
            "SELECT id, uid, username, is_admin FROM users WHERE uid = $1",
        )
        .bind(account)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("account"))?;
        Ok((row.id, Whom { id: row.uid, name: row.username.into() }))
    }

    async fn execute_on_room(&mut self, sql: &'static str, room: RoomId) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(sql).bind(room).execute(&mut **tx).await.map(|_| ()))?;
        Ok(())
    }
}

fn name_taken(error: sqlx::Error, name: &str) -> Error {
    match taken(&error) {
        Some(which) if which.contains("code") => Error::Conflict("the room's code is taken; try again".into()),
        Some(_) => Error::Conflict(format!("a room named {name} exists already")),
        None => error.into(),
    }
}
