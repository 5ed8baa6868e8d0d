//! Operations on rooms: looking up, listing, viewing, leaving and deleting them.

use std::cmp::Reverse;

use super::{Caller, LIST_PAGE_SIZE, MembersPage, RoomDetails, RoomView, RoomsPage, Router};
use crate::error::{Error, Result};
use crate::protocol::JoinAccess;
use crate::protocol::{Account, AccountId, Actor, Change, Membership, Role, Room, RoomId, RoomKind, RoomName, Unit};

impl Router {
    /// A room by its id or name, without an access check.
    pub async fn room(&self, name: &RoomName) -> Result<Room> {
        self.rooms.get(name).await
    }

    /// A room by its five-character code, without an access check.
    pub async fn room_by_code(&self, code: &str) -> Result<Room> {
        self.rooms.by_code(code).await
    }

    /// A room by its number, without an access check.
    pub async fn room_by_number(&self, number: i64) -> Result<Room> {
        self.rooms.by_number(number).await
    }

    /// The rooms that an account is a member of.
    pub async fn rooms_of(&self, account: AccountId) -> Result<Vec<RoomId>> {
        self.rooms.of(account).await
    }

    /// An account's membership, read from the database, with the number of the room's last entry.
    pub async fn membership_now(&self, room: RoomId, account: AccountId) -> Result<(u64, Membership)> {
        self.rooms.membership_now(room, account).await
    }

    /// Public rooms and the caller's own, by name.
    pub async fn list_rooms(&self, caller: &Caller, query: Option<&str>, cursor: Option<&str>) -> Result<RoomsPage> {
        let account = caller.actor.account().map(|account| account.id);
        let rooms = self.rooms.list(account, query, cursor.unwrap_or_default(), LIST_PAGE_SIZE).await?;
        let full = rooms.len() == LIST_PAGE_SIZE as usize;
        let next = rooms.last().filter(|_| full).map(|(room, _)| crate::name::legacy_key(&room.name));
        Ok(RoomsPage { rooms, next })
    }

    /// The public rooms, for clients that know no pages: preset rooms first, then those with the most connections, then the largest.
    pub async fn open_rooms(&self) -> Result<Vec<Room>> {
        let (mut rooms, preset) = self.rooms.open_rooms().await?;
        rooms[preset..].sort_by_cached_key(|room| Reverse(self.hub.count_subscribers(room.id)));
        Ok(rooms)
    }

    /// A room as the caller may see it.
    pub async fn view_room(&self, caller: &Caller, name: &RoomName) -> Result<RoomView> {
        let room = self.rooms.get(name).await?;
        let membership = self.membership(caller, &room).await?;
        if membership.join_access(&room)? == JoinAccess::Guarded {
            return Ok(RoomView::Closed(room));
        }
        let (room, members) = self.rooms.get_counted(room.id).await?;
        let guests = !self.rooms.guest_rules(room.id).await?.closed;
        Ok(RoomView::Open(RoomDetails { room, members, role: membership.role, guests }))
    }

    /// The members of a room that the caller is in, a page at a time.
    pub async fn members(&self, caller: &Caller, name: &RoomName, cursor: Option<AccountId>) -> Result<MembersPage> {
        let (room, _) = self.require_presence(caller, name).await?;
        let members = self.rooms.members(room.id, cursor, LIST_PAGE_SIZE).await?;
        let full = members.len() == LIST_PAGE_SIZE as usize;
        let next = members.last().filter(|_| full).map(|last| last.account.id);
        let members = members.into_iter().map(|member| (self.hub.is_online(member.account.id), member));
        let members = members.map(|(online, member)| (member, online)).collect();
        Ok(MembersPage { members, guests: self.hub.guests(room.id), next })
    }

    /// Ends the caller's membership. Their connections are unsubscribed by the event; a guest's session unsubscribes itself.
    pub async fn leave(&self, caller: &Caller, name: &RoomName) -> Result<()> {
        let (room, _) = self.require_presence(caller, name).await?;
        match room.kind {
            RoomKind::Room => self.rooms.leave(room.id, &caller.actor).await,
            RoomKind::Direct => Err(Error::Forbidden("a direct conversation cannot be left".into())),
            RoomKind::Echo => Err(Error::Forbidden("a session cannot be left".into())),
        }
    }

    /// The direct room of the caller and another account, created if there is none.
    pub async fn open_direct(&self, caller: &Caller, whom: &str) -> Result<RoomDetails> {
        let me = self.account(caller)?;
        let other = self.named_account(whom).await?;
        let room = self.rooms.direct(me, &other, caller.origin).await?;
        let (room, members) = self.rooms.get_counted(room.id).await?;
        Ok(RoomDetails { room, members, role: Some(Role::Member), guests: true })
    }

    /// Hides a direct room from the caller's list until something is posted there.
    pub async fn hide_direct(&self, caller: &Caller, name: &RoomName) -> Result<()> {
        let (room, _) = self.require_presence(caller, name).await?;
        if room.kind != RoomKind::Direct {
            return Err(Error::Forbidden("only direct rooms can be hidden; other rooms can be left".into()));
        }
        self.rooms.hide_direct(self.account(caller)?, room.id).await
    }

    /// Deletes an ordinary room with all its messages, on behalf of an administrator.
    pub async fn delete_room(&self, admin: Account, id: RoomId) -> Result<Room> {
        let room = self.rooms.get(&RoomName::Id(id)).await?;
        if room.kind != RoomKind::Room {
            return Err(Error::not_found("room"));
        }
        self.writer.commit(Unit::new(Actor::Account(admin), vec![Change::DeleteRoom { room: id }])).await?;
        Ok(room)
    }

    /// Removes deleted accounts from their rooms.
    pub async fn finish_account_deletions(&self) -> Result<()> {
        self.rooms.end_deleted_memberships().await
    }
}
