//! The state of the mock host: accounts, rooms and stored values.

use std::collections::{BTreeMap, BTreeSet};

use crate::rooms::{Member, Room};
use crate::rooms_admin::{Created, NewRoom, RoomChange};
use crate::{
    AccountId, AccountRef, Author, ConnectionId, Error, GuestRef, Message, Result, Role, RoomId, RoomKind, Timestamp,
    Visibility,
};

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) accounts: Vec<AccountRef>,
    guests: Vec<GuestRef>,
    /// In the order of creation.
    pub(super) rooms: Vec<MockRoom>,
    pub(super) storage: BTreeMap<String, Vec<u8>>,
    /// Due time and payload, by name.
    pub(super) timers: BTreeMap<String, (Timestamp, String)>,
    ids: u32,
}

#[derive(Debug, Clone)]
pub(super) struct MockRoom {
    room: Room,
    code: String,
    pub(super) members: BTreeMap<AccountId, Member>,
    banned: BTreeSet<AccountId>,
    /// The end of the mute, by account.
    muted: BTreeMap<AccountId, Timestamp>,
    pub(super) messages: Vec<Message>,
    last_seq: u64,
    pub(super) guests: Vec<GuestRef>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: 1_700_000_000_000,
            accounts: Vec::new(),
            guests: Vec::new(),
            rooms: Vec::new(),
            storage: BTreeMap::new(),
            timers: BTreeMap::new(),
            ids: 0,
        }
    }
}

impl World {
    /// Restores the state before a failed call. Ids are not reused, even those of discarded objects.
    pub(super) fn restore(&mut self, before: World) {
        let ids = self.ids;
        *self = World { ids, ..before };
    }

    fn next_id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }

    /// The account of this name, created if needed.
    pub(super) fn account(&mut self, name: &str) -> AccountRef {
        if let Some(account) = self.accounts.iter().find(|account| same_name(&account.name, name)) {
            return account.clone();
        }
        let id = format!("aaaaaaaa-0000-7000-8000-{:012}", self.next_id());
        let account = AccountRef { id: id.into(), name: name.to_owned() };
        self.accounts.push(account.clone());
        account
    }

    /// The guest of this name, created if needed.
    pub(super) fn guest(&mut self, name: &str) -> GuestRef {
        if let Some(guest) = self.guests.iter().find(|guest| same_name(&guest.name, name)) {
            return guest.clone();
        }
        let id = format!("cccccccc-0000-7000-8000-{:012}", self.next_id());
        let guest = GuestRef { id: id.into(), name: name.to_owned() };
        self.guests.push(guest.clone());
        guest
    }

    pub(super) fn account_by_id(&self, id: &AccountId) -> Result<&AccountRef> {
        let account = self.accounts.iter().find(|account| account.id == *id);
        account.ok_or_else(|| Error::not_found("there is no such account"))
    }

    pub(super) fn add_room(&mut self, name: &str, kind: RoomKind, visibility: Visibility) -> &mut MockRoom {
        let number = self.next_id();
        let room = Room {
            id: format!("bbbbbbbb-0000-7000-8000-{number:012}").into(),
            name: name.to_owned(),
            kind,
            visibility,
            topic: String::new(),
            member_limit: None,
            member_count: 0,
            created_at: self.now,
        };
        let at = self.rooms.len();
        self.rooms.push(MockRoom {
            room,
            code: format!("R{number:04}"),
            members: BTreeMap::new(),
            banned: BTreeSet::new(),
            muted: BTreeMap::new(),
            messages: Vec::new(),
            last_seq: 0,
            guests: Vec::new(),
        });
        &mut self.rooms[at]
    }

    pub(super) fn last_room(&mut self) -> Option<&mut MockRoom> {
        self.rooms.last_mut()
    }

    pub(super) fn find_room(&self, name: &str) -> Option<&MockRoom> {
        self.rooms.iter().find(|room| same_name(&room.room.name, name))
    }

    pub(super) fn room_by_id(&self, id: &RoomId) -> Option<&MockRoom> {
        self.rooms.iter().find(|room| room.room.id == *id)
    }

    pub(super) fn room_mut(&mut self, id: &RoomId) -> Result<&mut MockRoom> {
        let room = self.rooms.iter_mut().find(|room| room.room.id == *id);
        room.ok_or_else(|| Error::not_found("there is no such room"))
    }

    /// The number of the last message in each room.
    pub(super) fn last_seqs(&self) -> BTreeMap<RoomId, u64> {
        self.rooms.iter().map(|room| (room.room.id.clone(), room.last_seq)).collect()
    }

    fn check_name(&self, name: &str, of: Option<&RoomId>) -> Result<()> {
        if !(1..=64).contains(&name.chars().count()) {
            return Err(Error::invalid("a room's name has 1 to 64 characters"));
        }
        match self.find_room(name) {
            Some(taken) if Some(&taken.room.id) != of => Err(Error::conflict("that name is taken")),
            _ => Ok(()),
        }
    }

    pub(super) fn create_room(&mut self, new: &NewRoom) -> Result<Created> {
        self.check_name(&new.name, None)?;
        check_topic(&new.topic)?;
        check_limit(new.member_limit)?;
        let owner = new.owner.as_ref().map(|id| self.account_by_id(id).cloned()).transpose()?;
        let room = self.add_room(&new.name, RoomKind::Room, new.visibility);
        room.room.topic.clone_from(&new.topic);
        room.room.member_limit = new.member_limit;
        if let Some(owner) = owner {
            room.add(owner, Role::Owner);
        }
        Ok(Created { id: room.room.id.clone(), code: room.code.clone() })
    }

    pub(super) fn update_room(&mut self, id: &RoomId, change: &RoomChange) -> Result<()> {
        if let Some(name) = &change.name {
            self.check_name(name, Some(id))?;
        }
        check_topic(change.topic.as_deref().unwrap_or_default())?;
        check_limit(change.member_limit.flatten())?;
        let room = &mut self.room_mut(id)?.room;
        room.name = change.name.clone().unwrap_or_else(|| room.name.clone());
        room.topic = change.topic.clone().unwrap_or_else(|| room.topic.clone());
        room.visibility = change.visibility.unwrap_or(room.visibility);
        room.member_limit = change.member_limit.unwrap_or(room.member_limit);
        Ok(())
    }

    pub(super) fn delete_room(&mut self, id: &RoomId) -> Result<()> {
        self.room_mut(id)?;
        self.rooms.retain(|room| room.room.id != *id);
        Ok(())
    }

    pub(super) fn invite(&mut self, room: &RoomId, account: &AccountId) -> Result<()> {
        self.account_by_id(account)?;
        self.room_mut(room)?.check_not_banned(account)
    }

    pub(super) fn add_member(&mut self, room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
        let account = self.account_by_id(account)?.clone();
        let room = self.room_mut(room)?;
        room.check_not_banned(&account.id)?;
        if room.room.member_limit.is_some_and(|limit| room.members.len() >= limit as usize) {
            return Err(Error::conflict("the room is full"));
        }
        room.add(account, role);
        Ok(())
    }

    pub(super) fn remove_member(&mut self, room: &RoomId, account: &AccountId) -> Result<()> {
        let room = self.room_mut(room)?;
        room.member_mut(account)?;
        room.members.remove(account);
        Ok(())
    }

    pub(super) fn set_role(&mut self, room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
        self.room_mut(room)?.member_mut(account)?.role = role;
        Ok(())
    }

    pub(super) fn ban(&mut self, room: &RoomId, account: &AccountId) -> Result<()> {
        self.account_by_id(account)?;
        let room = self.room_mut(room)?;
        room.members.remove(account);
        room.banned.insert(account.clone());
        Ok(())
    }

    pub(super) fn unban(&mut self, room: &RoomId, account: &AccountId) -> Result<()> {
        self.account_by_id(account)?;
        self.room_mut(room)?.banned.remove(account);
        Ok(())
    }

    pub(super) fn mute(&mut self, room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
        let until = self.now + u64::from(seconds) * 1_000;
        let room = self.room_mut(room)?;
        room.member_mut(account)?;
        match seconds {
            0 => room.muted.remove(account),
            _ => room.muted.insert(account.clone(), until),
        };
        Ok(())
    }

    /// Adds a guest to the last room.
    pub(super) fn add_guest(&mut self, name: &str) {
        let guest = self.guest(name);
        if let Some(room) = self.last_room() {
            room.guests.push(guest);
        }
    }

    pub(super) fn check_guest(&mut self, room: &RoomId, guest: &ConnectionId) -> Result<()> {
        match self.room_mut(room)?.guests.iter().any(|one| one.id == *guest) {
            true => Ok(()),
            false => Err(Error::not_found("this guest is not in the room")),
        }
    }

    pub(super) fn remove_guest(&mut self, room: &RoomId, guest: &ConnectionId) -> Result<()> {
        self.check_guest(room, guest)?;
        self.room_mut(room)?.guests.retain(|one| one.id != *guest);
        Ok(())
    }

    /// Checks the duration of a guest's ban or mute.
    pub(super) fn check_seconds(seconds: u32) -> Result<()> {
        match seconds {
            1..=2_592_000 => Ok(()),
            _ => Err(Error::invalid("1 to 2,592,000 seconds")),
        }
    }
}

impl MockRoom {
    pub(super) fn add(&mut self, account: AccountRef, role: Role) {
        let joined_at = self.room.created_at;
        self.members.insert(account.id.clone(), Member { account, role, joined_at });
    }

    pub(super) fn describe(&self) -> Room {
        Room { member_count: self.members.len() as u32, ..self.room.clone() }
    }

    fn member_mut(&mut self, account: &AccountId) -> Result<&mut Member> {
        self.members.get_mut(account).ok_or_else(|| Error::not_found("not a member of the room"))
    }

    pub(super) fn muted_until(&self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        self.muted.get(account).copied().filter(|until| *until > now)
    }

    /// Appends a message to the room's log.
    pub(super) fn post(&mut self, at: Timestamp, author: Author, body: &str, reply_to: Option<u64>) -> Message {
        self.last_seq += 1;
        let seq = self.last_seq;
        let message =
            Message { seq, author, body: body.to_owned(), at, reply_to, edited_at: None, attachments: Vec::new() };
        self.messages.push(message.clone());
        message
    }

    fn check_not_banned(&self, account: &AccountId) -> Result<()> {
        match self.banned.contains(account) {
            true => Err(Error::forbidden("banned from the room")),
            false => Ok(()),
        }
    }
}

pub(super) fn same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn check_topic(topic: &str) -> Result<()> {
    match topic.chars().count() {
        0..=500 => Ok(()),
        _ => Err(Error::invalid("a topic has at most 500 characters")),
    }
}

fn check_limit(limit: Option<u32>) -> Result<()> {
    match limit {
        None | Some(1..=100_000) => Ok(()),
        Some(_) => Err(Error::invalid("a member limit is 1 to 100,000")),
    }
}
