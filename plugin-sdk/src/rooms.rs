//! Reads rooms and their members, if `rooms` is granted, including this call's own staged changes.

use crate::error::Result;
use crate::host;
use crate::types::{AccountId, AccountRef, GuestRef, Role, RoomId, RoomKind, Timestamp, Visibility};

/// A room with all its properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
    /// The topic; empty if there is none.
    pub topic: String,
    /// The maximum number of members.
    pub member_limit: Option<u32>,
    /// The number of members.
    pub member_count: u32,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub account: AccountRef,
    /// The role in the room.
    pub role: Role,
    /// When the account joined.
    pub joined_at: Timestamp,
}

/// Looks up a room by id.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn get(id: &RoomId) -> Result<Option<Room>> {
    host::rooms::get(id)
}

/// Looks up a room by name, ignoring case. Only rooms of kind [`RoomKind::Room`] are found.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn find(name: &str) -> Result<Option<Room>> {
    host::rooms::find(name)
}

/// An account's membership in a room.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn member(room: &RoomId, account: &AccountId) -> Result<Option<Member>> {
    host::rooms::member(room, account)
}

/// Members sorted by account id, after `after` (if given), at most `limit` (1 to 1,000).
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn members(room: &RoomId, after: Option<&AccountId>, limit: u32) -> Result<Vec<Member>> {
    host::rooms::members(room, after, limit)
}

/// The end of an account's mute in a room, member or not; none if it is not muted. A plugin that posts on somebody's behalf
/// from a timer must check this itself, since the host does not know on whose behalf the timer posts.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn muted_until(room: &RoomId, account: &AccountId) -> Result<Option<Timestamp>> {
    host::rooms::muted_until(room, account)
}

/// The guests in a room now, by their names in the room.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn guests(room: &RoomId) -> Result<Vec<GuestRef>> {
    host::rooms::guests(room)
}
