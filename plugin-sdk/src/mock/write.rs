//! A plugin's writes, recorded for tests.

use crate::push::Target;
use crate::rooms_admin::{NewRoom, RoomChange};
use crate::{AccountId, ConnectionId, Role, RoomId, Timestamp, Value};

/// A write of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// [`storage::put`](crate::storage::put) and [`storage::put_bytes`](crate::storage::put_bytes): key and value.
    Put(String, Vec<u8>),
    /// [`storage::delete`](crate::storage::delete).
    Delete(String),
    /// [`rooms_admin::create_room`](crate::rooms_admin::create_room).
    CreateRoom(NewRoom),
    /// [`rooms_admin::update_room`](crate::rooms_admin::update_room).
    UpdateRoom(RoomId, RoomChange),
    /// [`rooms_admin::delete_room`](crate::rooms_admin::delete_room).
    DeleteRoom(RoomId),
    /// [`rooms_admin::invite`](crate::rooms_admin::invite).
    Invite(RoomId, AccountId),
    /// [`rooms_admin::add_member`](crate::rooms_admin::add_member).
    AddMember(RoomId, AccountId, Role),
    /// [`rooms_admin::remove_member`](crate::rooms_admin::remove_member), with the reason.
    RemoveMember(RoomId, AccountId, Option<String>),
    /// [`rooms_admin::set_role`](crate::rooms_admin::set_role).
    SetRole(RoomId, AccountId, Role),
    /// [`rooms_admin::ban`](crate::rooms_admin::ban), with the reason.
    Ban(RoomId, AccountId, Option<String>),
    /// [`rooms_admin::unban`](crate::rooms_admin::unban).
    Unban(RoomId, AccountId),
    /// [`rooms_admin::mute`](crate::rooms_admin::mute), with the seconds.
    Mute(RoomId, AccountId, u32),
    /// [`rooms_admin::remove_guest`](crate::rooms_admin::remove_guest).
    RemoveGuest(RoomId, ConnectionId),
    /// [`rooms_admin::ban_guest`](crate::rooms_admin::ban_guest), with the seconds.
    BanGuest(RoomId, ConnectionId, u32),
    /// [`rooms_admin::mute_guest`](crate::rooms_admin::mute_guest), with the seconds.
    MuteGuest(RoomId, ConnectionId, u32),
    /// [`rooms_admin::ban_origins`](crate::rooms_admin::ban_origins), with the seconds.
    BanOrigins(RoomId, AccountId, u32),
    /// [`rooms_admin::pardon_guests`](crate::rooms_admin::pardon_guests).
    PardonGuests(RoomId),
    /// [`rooms_admin::allow_guests`](crate::rooms_admin::allow_guests).
    AllowGuests(RoomId, bool),
    /// [`messages::post`](crate::messages::post) and [`messages::reply`](crate::messages::reply): room, text, and the
    /// `seq` of the message that it replies to.
    Post(RoomId, String, Option<u64>),
    /// [`messages::delete`](crate::messages::delete).
    DeleteMessage(RoomId, u64),
    /// [`push::send`](crate::push::send) and the other functions of `push`: target, name and data.
    Push(Target, String, Value),
    /// [`timers::after`](crate::timers::after) and [`timers::at`](crate::timers::at): name, due time and payload.
    SetTimer(String, Timestamp, Value),
    /// [`timers::cancel`](crate::timers::cancel).
    CancelTimer(String),
}
