//! Reading rooms and their members, if `rooms` is granted, with this call's own staged changes in them.

use crate::error::Result;
use crate::host;
use crate::types::{AccountId, AccountRef, GuestRef, Role, RoomId, RoomKind, Timestamp, Visibility};

/// A room, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: RoomKind,
    /// Who may join.
    pub visibility: Visibility,
    /// Empty if there is none.
    pub topic: String,
    /// The most members it may have.
    pub member_limit: Option<u32>,
    /// How many it has.
    pub member_count: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub account: AccountRef,
    /// What they may do there.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

/// By id.
///
/// # Errors
/// As the host's.
pub fn get(id: &RoomId) -> Result<Option<Room>> {
    host::rooms::get(id)
}

/// By name, in any case. Only rooms of kind [`RoomKind::Room`] have names to be found by.
///
/// # Errors
/// As the host's.
pub fn find(name: &str) -> Result<Option<Room>> {
    host::rooms::find(name)
}

/// An account's membership in a room.
///
/// # Errors
/// As the host's.
pub fn member(room: &RoomId, account: &AccountId) -> Result<Option<Member>> {
    host::rooms::member(room, account)
}

/// Members in the order of their ids, after `after` (if given), at most `limit` (1 to 1,000).
///
/// # Errors
/// As the host's.
pub fn members(room: &RoomId, after: Option<&AccountId>, limit: u32) -> Result<Vec<Member>> {
    host::rooms::members(room, after, limit)
}

/// Until when an account may not post in a room, member or not; none if it is not muted (any more). What a plugin posts for
/// somebody later, from a timer, is nobody's call that the host could refuse: the plugin has to ask.
///
/// # Errors
/// As the host's.
pub fn muted_until(room: &RoomId, account: &AccountId) -> Result<Option<Timestamp>> {
    host::rooms::muted_until(room, account)
}

/// Guests who are in a room now, by the names that they have there.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn guests(room: &RoomId) -> Result<Vec<GuestRef>> {
    host::rooms::guests(room)
}
