//! Rows of the tables, and their conversion to the types of the rest of the server.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{Account, AccountId, Author, AuthorKind, Member, Peer, Room, RoomId};

/// The error for a column with a value that this program never writes.
pub(super) fn damaged(what: impl std::fmt::Display) -> Error {
    Error::internal(format_args!("unexpected value in the database: {what}"))
}

/// The columns to select for a [`RoomRow`], from `rooms r`.
macro_rules! room_columns {
    () => {
        "r.id, r.uid, r.code, r.name, r.kind, r.visibility, r.topic, r.member_limit, r.member_count, r.guarded, r.created_at, \
         r.pair_low, r.pair_high, (SELECT p.uid FROM users p WHERE p.id = r.pair_low) AS low_uid, \
         (SELECT p.uid FROM users p WHERE p.id = r.pair_high) AS high_uid, \
         (SELECT p.external_id FROM users p WHERE p.id = r.pair_low) AS low_external, \
         (SELECT p.external_id FROM users p WHERE p.id = r.pair_high) AS high_external"
    };
}
pub(super) use room_columns;

#[derive(sqlx::FromRow)]
pub(super) struct RoomRow {
    pub id: i64,
    pub uid: RoomId,
    pub code: String,
    pub name: String,
    pub kind: String,
    pub visibility: String,
    pub topic: String,
    pub member_limit: Option<i64>,
    pub member_count: i64,
    pub guarded: bool,
    pub created_at: i64,
    pub pair_low: Option<i64>,
    pub pair_high: Option<i64>,
    pub low_uid: Option<AccountId>,
    pub high_uid: Option<AccountId>,
    pub low_external: Option<String>,
    pub high_external: Option<String>,
}

impl RoomRow {
    pub(super) fn members(&self) -> u32 {
        u32::try_from(self.member_count).unwrap_or(0)
    }

    pub(super) fn room(self) -> Result<Room> {
        let peer = |id: Option<AccountId>, number: Option<i64>, external: Option<String>| {
            Some(Peer { id: id?, number: number?, external: external.map(Into::into) })
        };
        let low = peer(self.low_uid, self.pair_low, self.low_external);
        let high = peer(self.high_uid, self.pair_high, self.high_external);
        let pair = low.zip(high).map(|(low, high)| [low, high]);
        Ok(Room {
            id: self.uid,
            number: self.id,
            code: self.code.into(),
            name: self.name.into(),
            kind: self.kind.parse().map_err(damaged)?,
            visibility: self.visibility.parse().map_err(damaged)?,
            topic: self.topic.into(),
            member_limit: self.member_limit.and_then(|limit| u32::try_from(limit).ok()),
            guarded: self.guarded,
            pair,
            created_at: Timestamp(self.created_at),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct AccountRow {
    pub id: i64,
    pub uid: AccountId,
    pub username: String,
    pub is_admin: bool,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self { id: row.uid, number: row.id, name: row.username.into(), is_admin: row.is_admin }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct MemberRow {
    #[sqlx(flatten)]
    pub account: AccountRow,
    pub role: String,
    pub joined_at: i64,
}

impl MemberRow {
    pub(super) fn member(self) -> Result<Member> {
        Ok(Member {
            account: self.account.into(),
            role: self.role.parse().map_err(damaged)?,
            joined_at: Timestamp(self.joined_at),
        })
    }
}

/// The author's columns of an entry, with the account's row joined.
#[derive(sqlx::FromRow)]
pub(super) struct AuthorRow {
    pub author_id: Option<i64>,
    pub author_name: Option<String>,
    pub author_guest: bool,
    pub author_uid: Option<AccountId>,
    pub username: Option<String>,
    pub plugin: Option<String>,
}

impl From<AuthorRow> for Author {
    fn from(row: AuthorRow) -> Self {
        let kind = match (row.author_guest, row.author_id, &row.plugin) {
            (true, _, _) => AuthorKind::Guest,
            (false, Some(_), Some(_)) => AuthorKind::Plugin,
            (false, Some(_), None) => AuthorKind::Account,
            (false, None, _) => AuthorKind::Server,
        };
        let name = row.plugin.or(row.username).or(row.author_name).unwrap_or_default().into();
        Self { kind, account: row.author_uid.zip(row.author_id), name }
    }
}
