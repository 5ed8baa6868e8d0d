//! Changes rooms and their members, if `rooms-admin` is granted.
//!
//! Every change is staged, checked again when it is committed, and recorded in the room's log. The plugin
//! decides who may make it; the host enforces the rooms' invariants (unique names, member limits, no banned members).

use crate::error::Result;
use crate::host;
use crate::types::{AccountId, ConnectionId, Credential, Role, RoomId, Visibility};

/// A room to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoom {
    /// The name, 1 to 64 characters; a taken name is a `conflict`.
    pub name: String,
    /// Who may join.
    pub visibility: Visibility,
    /// The topic, at most 500 characters.
    pub topic: String,
    /// The maximum number of members, 1 to 100,000.
    pub member_limit: Option<u32>,
    /// Passed to the room guards; if there are any credentials, a guard must accept them.
    pub credentials: Vec<Credential>,
    /// The account that becomes the owner and first member.
    pub owner: Option<AccountId>,
}

/// Changes of a room. A field that is none stays unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomChange {
    /// A new name.
    pub name: Option<String>,
    /// Who may join.
    pub visibility: Option<Visibility>,
    /// A new topic; an empty one removes it.
    pub topic: Option<String>,
    /// `Some(None)` lifts the limit.
    pub member_limit: Option<Option<u32>>,
    /// Passed to the room guards; if there are any credentials, a guard must accept them.
    pub credentials: Vec<Credential>,
}

/// The identifiers of a new room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: RoomId,
    /// A join code of five characters from A–Z and 0–9, for people to share.
    pub code: String,
}

/// Creates a room.
///
/// # Errors
/// `conflict` if the name is taken, `invalid` if a value is out of range.
pub fn create_room(room: &NewRoom) -> Result<Created> {
    host::rooms_admin::create_room(room)
}

/// Changes a room.
///
/// # Errors
/// As [`create_room`]; `not_found` if there is no such room.
pub fn update_room(room: &RoomId, change: &RoomChange) -> Result<()> {
    host::rooms_admin::update_room(room, change)
}

/// Deletes a room and its log. Its members are notified.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn delete_room(room: &RoomId) -> Result<()> {
    host::rooms_admin::delete_room(room)
}

/// Lets the account join without credentials, once.
///
/// # Errors
/// `not_found` if there is no such room or account.
pub fn invite(room: &RoomId, account: &AccountId) -> Result<()> {
    host::rooms_admin::invite(room, account)
}

/// Adds the account as a member.
///
/// # Errors
/// `forbidden` if it is banned, `conflict` if the room is full.
pub fn add_member(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
    host::rooms_admin::add_member(room, account, role)
}

/// Removes a member. The reason is shown to the room, and the account's connections no longer receive its events.
///
/// # Errors
/// `not_found` if it is not a member.
pub fn remove_member(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
    host::rooms_admin::remove_member(room, account, reason)
}

/// Sets a member's role.
///
/// # Errors
/// `not_found` if it is not a member.
pub fn set_role(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
    host::rooms_admin::set_role(room, account, role)
}

/// Removes the account if it is a member, and bans it until [`unban`].
///
/// # Errors
/// `not_found` if there is no such room or account.
pub fn ban(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
    host::rooms_admin::ban(room, account, reason)
}

/// Lifts an account's ban.
///
/// # Errors
/// `not_found` if there is no such room or account.
pub fn unban(room: &RoomId, account: &AccountId) -> Result<()> {
    host::rooms_admin::unban(room, account)
}

/// Mutes the account for this many seconds; 0 lifts the mute.
///
/// # Errors
/// `not_found` if it is not a member.
pub fn mute(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
    host::rooms_admin::mute(room, account, seconds)
}

/// Removes a guest, who may return. This is not recorded in the room's log.
///
/// # Errors
/// `not_found` if the guest is not in the room; see [`rooms::guests`](crate::rooms::guests).
pub fn remove_guest(room: &RoomId, guest: &ConnectionId) -> Result<()> {
    host::rooms_admin::remove_guest(room, guest)
}

/// Removes a guest, and bans all guests from its address, but no accounts, for this many seconds, at most 30 days.
///
/// # Errors
/// `not_found` if the guest is not in the room, `invalid` if the time is out of range.
pub fn ban_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
    host::rooms_admin::ban_guest(room, guest, seconds)
}

/// Mutes a guest, and all other guests from its address, for this many seconds, at most 30 days.
///
/// # Errors
/// As [`ban_guest`].
pub fn mute_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
    host::rooms_admin::mute_guest(room, guest, seconds)
}

/// Bans guests from the addresses that the account is connected from now, for this many seconds. This prevents a banned user
/// from returning as a guest.
///
/// # Errors
/// `not_found` if there is no such room or account, `invalid` if the time is out of range.
pub fn ban_origins(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
    host::rooms_admin::ban_origins(room, account, seconds)
}

/// Lifts all bans and mutes of guests in the room.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn pardon_guests(room: &RoomId) -> Result<()> {
    host::rooms_admin::pardon_guests(room)
}

/// Sets whether guests may join; if not, guests in the room are removed.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn allow_guests(room: &RoomId, allowed: bool) -> Result<()> {
    host::rooms_admin::allow_guests(room, allowed)
}
