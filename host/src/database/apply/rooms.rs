//! Applies the changes that create and update rooms.

use super::super::names::Space;
use super::super::rows::damaged;
use super::super::{Tx, each, unique_violation};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::legacy_key;
use crate::protocol::{
    AccountId, Author, AuthorKind, EntryPayload, NewRoom, Role, RoomChange, RoomId, RoomKind, RoomQuota,
};

impl Tx {
    pub(super) async fn create_room(
        &mut self,
        new: &NewRoom,
        by: &Author,
        at: Timestamp,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        self.check_quota(&new.quota, by, RoomKind::Room).await?;
        let origin = match &new.quota {
            RoomQuota::Guests { origin, .. } if by.kind == AuthorKind::Guest => Some(origin.as_str()),
            _ => None,
        };
        let added = each!(Tx: self, tx => sqlx::query_scalar(
            "INSERT INTO rooms (uid, code, name, name_key, kind, visibility, topic, member_limit, created_at, guest_seen_at, \
             created_by, guest_origin) VALUES ($1, $2, $3, $4, 'room', $5, $6, $7, $8, $9, $10, $11) RETURNING id",
        )
        .bind(new.id)
        .bind(&new.code)
        .bind(&new.name)
        .bind(legacy_key(&new.name))
        .bind(new.visibility.as_str())
        .bind(&new.topic)
        .bind(new.member_limit.map(i64::from))
        .bind(at)
        .bind((by.kind == AuthorKind::Guest).then_some(at))
        .bind(by.account.map(|(_, number)| number))
        .bind(origin)
        .fetch_one(&mut **tx)
        .await);
        let number: i64 = added.map_err(|error| name_taken(error, &new.name))?;
        self.claim_names(Space::Room, number).await?;
        match new.owner {
            Some(owner) => self.add_member(new.id, owner, Role::Owner, at).await,
            None => Ok(None),
        }
    }

    pub(super) async fn update_room(
        &mut self,
        room: RoomId,
        change: &RoomChange,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
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
        .bind(legacy_key(&name))
        .bind(&topic)
        .bind(visibility.as_str())
        .bind(member_limit.map(i64::from))
        .bind(head.id)
        .execute(&mut **tx)
        .await
        .map(|_| ()));
        updated.map_err(|error| name_taken(error, &name))?;
        self.claim_names(Space::Room, head.id).await?;
        let what = EntryPayload::RoomUpdated { name: name.into(), topic: topic.into(), visibility, member_limit };
        Ok(Some((room, what)))
    }

    pub(super) async fn set_guarded(&mut self, room: RoomId, guarded: bool) -> Result<()> {
        each!(Tx: self, tx => sqlx::query("UPDATE rooms SET guarded = $1 WHERE uid = $2")
            .bind(guarded)
            .bind(room)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// Creates the direct room of two accounts, with both as members. Returns no entries if it exists already.
    pub(super) async fn open_direct(
        &mut self,
        id: RoomId,
        code: &str,
        between: [AccountId; 2],
        quota: &RoomQuota,
        by: &Author,
        at: Timestamp,
    ) -> Result<Vec<EntryPayload>> {
        let [(one, _), (other, _)] = [self.whom(between[0]).await?, self.whom(between[1]).await?];
        self.check_quota(quota, by, RoomKind::Direct).await?;
        let added = each!(Tx: self, tx => sqlx::query(
            "INSERT INTO rooms (uid, code, name, kind, visibility, pair_low, pair_high, created_at, created_by) \
             VALUES ($1, $2, '', 'direct', 'private', $3, $4, $5, $6) ON CONFLICT (pair_low, pair_high) DO NOTHING",
        )
        .bind(id)
        .bind(code)
        .bind(one.min(other))
        .bind(one.max(other))
        .bind(at)
        .bind(by.account.map(|(_, number)| number))
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()));
        if added.map_err(|error| name_taken(error, ""))? == 0 {
            return Ok(Vec::new());
        }
        let mut happened = Vec::with_capacity(between.len());
        for account in between {
            happened.extend(self.add_member(id, account, Role::Member, at).await?.map(|(_, what)| what));
        }
        Ok(happened)
    }

    /// Fails if the author has made as many rooms of this kind as the quota allows. Runs in the transaction that adds the room.
    async fn check_quota(&mut self, quota: &RoomQuota, by: &Author, kind: RoomKind) -> Result<()> {
        match (quota, by.kind, by.account) {
            (RoomQuota::Account(most), AuthorKind::Account, Some((_, number))) => {
                // On PostgreSQL two nodes must not count at the same time.
                let lock = self
                    .pick("SELECT id FROM users WHERE id = $1", "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE");
                each!(Tx: self, tx => sqlx::query(lock).bind(number).execute(&mut **tx).await.map(|_| ()))?;
                let made: i64 = each!(Tx: self, tx => sqlx::query_scalar(
                    "SELECT COUNT(*) FROM rooms WHERE created_by = $1 AND kind = $2",
                )
                .bind(number)
                .bind(kind.as_str())
                .fetch_one(&mut **tx)
                .await)?;
                let what = match kind {
                    RoomKind::Room => "rooms",
                    RoomKind::Direct => "direct conversations",
                    RoomKind::Echo => "sessions",
                };
                if made >= i64::from(*most) {
                    return Err(Error::Conflict(format!("this account has created {made} {what}, which is its limit")));
                }
            }
            (RoomQuota::Guests { origin, per_origin, total }, AuthorKind::Guest, _) => {
                let (from_origin, all): (i64, i64) = each!(Tx: self, tx => sqlx::query_as(
                    "SELECT (SELECT COUNT(*) FROM rooms WHERE guest_origin = $1 AND guest_seen_at IS NOT NULL), \
                     (SELECT COUNT(*) FROM rooms WHERE guest_seen_at IS NOT NULL)",
                )
                .bind(origin)
                .fetch_one(&mut **tx)
                .await)?;
                if from_origin >= i64::from(*per_origin) {
                    let why = format!(
                        "guests from your address have made {from_origin} rooms, as many as they may; log in to make more"
                    );
                    return Err(Error::Conflict(why));
                }
                if all >= i64::from(*total) {
                    let why = format!("guests have made {all} rooms, as many as there may be; log in to make more");
                    return Err(Error::Conflict(why));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Creates a session with its owner as a member; None if a room of this id exists.
    pub(super) async fn open_session(
        &mut self,
        id: RoomId,
        name: &str,
        owner: AccountId,
        quota: &RoomQuota,
        by: &Author,
        at: Timestamp,
    ) -> Result<Option<(RoomId, EntryPayload)>> {
        self.check_quota(quota, by, RoomKind::Echo).await?;
        let added = each!(Tx: self, tx => sqlx::query(
            // Nobody types the code of a session, so it takes none of the short ones.
            "INSERT INTO rooms (uid, code, name, kind, visibility, created_at, created_by) \
             VALUES ($1, $1, $2, 'session', 'private', $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(name)
        .bind(at)
        .bind(by.account.map(|(_, number)| number))
        .execute(&mut **tx)
        .await
        .map(|done| done.rows_affected()))?;
        if added == 0 { Ok(None) } else { self.add_member(id, owner, Role::Owner, at).await }
    }
}

fn name_taken(error: sqlx::Error, name: &str) -> Error {
    match unique_violation(&error) {
        Some(which) if which.contains("code") => Error::Conflict("the room's code is taken; try again".into()),
        Some(_) => Error::Conflict(format!("a room named {name} exists already")),
        None => error.into(),
    }
}
