//! Changing rooms and their members, if `rooms-admin` is granted.
//!
//! Every change is staged, checked again when it is applied, and told to the room in its log. The plugin
//! decides who may; the host keeps the rooms whole (a name is taken once, a limit holds, a banned account
//! cannot be added).

use crate::error::Result;
use crate::host;
use crate::types::{AccountId, ConnectionId, Credential, Role, RoomId, Visibility};

/// A room to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoom {
    /// 1 to 64 characters; a taken name is a `conflict`.
    pub name: String,
    /// Who may join.
    pub visibility: Visibility,
    /// At most 500 characters.
    pub topic: String,
    /// 1 to 100,000.
    pub member_limit: Option<u32>,
    /// Handed to the room guards; if there are any, one of them has to accept.
    pub credentials: Vec<Credential>,
    /// Who becomes its owner and first member.
    pub owner: Option<AccountId>,
}

/// What to change of a room. What is none stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomChange {
    /// A new name.
    pub name: Option<String>,
    /// Who may join.
    pub visibility: Option<Visibility>,
    /// A new topic; an empty one takes it away.
    pub topic: Option<String>,
    /// `Some(None)` lifts the limit.
    pub member_limit: Option<Option<u32>>,
    /// Handed to the room guards; if there are any, one of them has to accept.
    pub credentials: Vec<Credential>,
}

/// What a new room goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: RoomId,
    /// Five characters of A–Z and 0–9, for people to pass on.
    pub code: String,
}

/// Makes a room.
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

/// Takes a room away. Its members are told, and its log is gone.
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

/// Makes the account a member.
///
/// # Errors
/// `forbidden` if it is banned, `conflict` if the room is full.
pub fn add_member(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
    host::rooms_admin::add_member(room, account, role)
}

/// Ends a membership. The reason is shown to the room, and the account's live connections stop hearing it.
///
/// # Errors
/// `not_found` if it is not a member.
pub fn remove_member(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
    host::rooms_admin::remove_member(room, account, reason)
}

/// Gives a member a role.
///
/// # Errors
/// `not_found` if it is not a member.
pub fn set_role(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
    host::rooms_admin::set_role(room, account, role)
}

/// Removes the account if it is a member, and keeps it out until [`unban`].
///
/// # Errors
/// `not_found` if there is no such room or account.
pub fn ban(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
    host::rooms_admin::ban(room, account, reason)
}

/// Lets a banned account come back.
///
/// # Errors
/// `not_found` if there is no such room or account.
pub fn unban(room: &RoomId, account: &AccountId) -> Result<()> {
    host::rooms_admin::unban(room, account)
}

/// Keeps the account from posting for this many seconds; 0 lets it post again.
///
/// # Errors
/// `not_found` if it is not a member.
pub fn mute(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
    host::rooms_admin::mute(room, account, seconds)
}

/// The guest does not hear the room any more; it may come back. Nothing of this is in the room's log.
///
/// # Errors
/// `not_found` if it is not there; [`rooms::guests`](crate::rooms::guests) tells who is.
pub fn remove_guest(room: &RoomId, guest: &ConnectionId) -> Result<()> {
    host::rooms_admin::remove_guest(room, guest)
}

/// Removes the guest, and keeps out all guests from its address, but no accounts, for this many seconds: 30 days at the most.
///
/// # Errors
/// `not_found` if it is not there, `invalid` if the time is out of range.
pub fn ban_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
    host::rooms_admin::ban_guest(room, guest, seconds)
}

/// Keeps the guest, and all others from its address, from posting for this many seconds: 30 days at the most.
///
/// # Errors
/// As [`ban_guest`].
pub fn mute_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
    host::rooms_admin::mute_guest(room, guest, seconds)
}

/// Keeps guests out who come from where the account is connected now, for this many seconds: for accounts that were banned and
/// come back without one.
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

/// Whether guests may come in; if not, those who are there do not hear the room any more.
///
/// # Errors
/// `not_found` if there is no such room.
pub fn allow_guests(room: &RoomId, allowed: bool) -> Result<()> {
    host::rooms_admin::allow_guests(room, allowed)
}
