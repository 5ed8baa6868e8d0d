//! The mock `rooms-admin` import.

use super::granted;
use crate::mock::world::World;
use crate::rooms_admin::{Created, NewRoom, RoomChange};
use crate::{AccountId, ConnectionId, Result, Role, RoomId, Write};

/// Applies a change to the world, and records it if it succeeded.
fn change<R>(write: Write, apply: impl FnOnce(&mut World) -> Result<R>) -> Result<R> {
    granted("rooms-admin", |state| {
        let done = apply(&mut state.world)?;
        state.writes.push(write);
        Ok(done)
    })
}

pub(crate) fn create_room(room: &NewRoom) -> Result<Created> {
    change(Write::CreateRoom(room.clone()), |world| world.create_room(room))
}

pub(crate) fn update_room(room: &RoomId, to: &RoomChange) -> Result<()> {
    change(Write::UpdateRoom(room.clone(), to.clone()), |world| world.update_room(room, to))
}

pub(crate) fn delete_room(room: &RoomId) -> Result<()> {
    change(Write::DeleteRoom(room.clone()), |world| world.delete_room(room))
}

pub(crate) fn invite(room: &RoomId, account: &AccountId) -> Result<()> {
    change(Write::Invite(room.clone(), account.clone()), |world| world.invite(room, account))
}

pub(crate) fn add_member(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
    change(Write::AddMember(room.clone(), account.clone(), role), |world| world.add_member(room, account, role))
}

pub(crate) fn remove_member(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
    let write = Write::RemoveMember(room.clone(), account.clone(), reason.map(str::to_owned));
    change(write, |world| world.remove_member(room, account))
}

pub(crate) fn set_role(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
    change(Write::SetRole(room.clone(), account.clone(), role), |world| world.set_role(room, account, role))
}

pub(crate) fn ban(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
    let write = Write::Ban(room.clone(), account.clone(), reason.map(str::to_owned));
    change(write, |world| world.ban(room, account))
}

pub(crate) fn unban(room: &RoomId, account: &AccountId) -> Result<()> {
    change(Write::Unban(room.clone(), account.clone()), |world| world.unban(room, account))
}

pub(crate) fn mute(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
    change(Write::Mute(room.clone(), account.clone(), seconds), |world| world.mute(room, account, seconds))
}

pub(crate) fn remove_guest(room: &RoomId, guest: &ConnectionId) -> Result<()> {
    change(Write::RemoveGuest(room.clone(), guest.clone()), |world| world.remove_guest(room, guest))
}

pub(crate) fn ban_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
    change(Write::BanGuest(room.clone(), guest.clone(), seconds), |world| {
        World::check_seconds(seconds)?;
        world.remove_guest(room, guest)
    })
}

pub(crate) fn mute_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
    change(Write::MuteGuest(room.clone(), guest.clone(), seconds), |world| {
        World::check_seconds(seconds)?;
        world.check_guest(room, guest)
    })
}

pub(crate) fn ban_origins(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
    change(Write::BanOrigins(room.clone(), account.clone(), seconds), |world| {
        World::check_seconds(seconds)?;
        world.account_by_id(account)?;
        world.room_mut(room).map(|_| ())
    })
}

pub(crate) fn pardon_guests(room: &RoomId) -> Result<()> {
    change(Write::PardonGuests(room.clone()), |world| world.room_mut(room).map(|_| ()))
}

pub(crate) fn allow_guests(room: &RoomId, allowed: bool) -> Result<()> {
    change(Write::AllowGuests(room.clone(), allowed), |world| {
        let room = world.room_mut(room)?;
        if !allowed {
            room.guests.clear();
        }
        Ok(())
    })
}
