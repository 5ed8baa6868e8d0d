//! Rooms as a call reads and changes them.

use super::UnitOfWork;
use crate::clock;
use crate::error::{Error, Result, rooms};
use crate::name;
use crate::protocol::{AccountId, Change, Credential, Member, NewRoom, Role, Room, RoomChange, RoomId, RoomKind};

const MAX_TOPIC_CHARS: usize = 500;
const MEMBER_LIMIT_RANGE: std::ops::RangeInclusive<u32> = 1..=100_000;

impl UnitOfWork {
    /// Stages whether a guard protects the room, after a guard has accepted its credentials.
    pub(in super::super) fn set_guarded(&mut self, room: RoomId, guarded: bool) -> Result<()> {
        self.stage(Change::SetGuarded { room, guarded })
    }

    /// A room and its number of members.
    pub(in super::super) async fn room(&self, id: RoomId) -> Result<Option<(Room, u32)>> {
        match self.rooms.get(&id) {
            Some(staged) => Ok(staged.clone()),
            None => self.services.database.room(id).await,
        }
    }

    pub(in super::super) async fn room_named(&self, name: &str) -> Result<Option<(Room, u32)>> {
        if name::is_too_long(name) {
            return Ok(None);
        }
        let wanted = name::key(name);
        let mut staged = self.rooms.values().flatten();
        if let Some(found) = staged.find(|(room, _)| room.kind == RoomKind::Room && name::key(&room.name) == wanted) {
            return Ok(Some(found.clone()));
        }
        let found = self.services.database.room_named(name).await?;
        // A room that this call renamed or deleted is no longer found by its old name.
        Ok(found.filter(|(room, _)| !self.rooms.contains_key(&room.id)))
    }

    pub(in super::super) async fn create_room(&mut self, mut new: NewRoom, credentials: Vec<Credential>) -> Result<()> {
        new.name = name::clean("name", &new.name)?;
        new.quota = self.services.rooms.room_quota(&self.actor, self.origin);
        check_topic(&new.topic)?;
        check_limit(new.member_limit)?;
        self.check_name_is_free(&new.name, None).await?;
        let owner = match new.owner {
            Some(owner) => Some(self.account(owner).await?),
            None => None,
        };
        let room = Room {
            guarded: false,
            pair: None,
            id: new.id,
            // Assigned by the database; not part of the contract.
            number: 0,
            code: new.code.as_str().into(),
            name: new.name.as_str().into(),
            kind: RoomKind::Room,
            visibility: new.visibility,
            topic: new.topic.as_str().into(),
            member_limit: new.member_limit,
            created_at: clock::now(),
        };
        self.offer(&room, credentials)?;
        self.stage(Change::CreateRoom(new))?;
        let members = u32::from(owner.is_some());
        if let Some(account) = owner {
            let member = Member { account, role: Role::Owner, joined_at: room.created_at };
            self.members.insert((room.id, member.account.id), Some(member));
        }
        self.rooms.insert(room.id, Some((room, members)));
        Ok(())
    }

    pub(in super::super) async fn update_room(
        &mut self,
        id: RoomId,
        mut change: RoomChange,
        credentials: Vec<Credential>,
    ) -> Result<()> {
        let (mut room, members) = self.changeable(id).await?;
        if let Some(name) = &mut change.name {
            *name = name::clean("name", name)?;
            self.check_name_is_free(name, Some(id)).await?;
            room.name = name.as_str().into();
        }
        if let Some(topic) = &change.topic {
            check_topic(topic)?;
            room.topic = topic.as_str().into();
        }
        if let Some(limit) = change.member_limit {
            check_limit(limit)?;
            room.member_limit = limit;
        }
        room.visibility = change.visibility.unwrap_or(room.visibility);
        self.offer(&room, credentials)?;
        if change != RoomChange::default() {
            self.stage(Change::UpdateRoom { room: id, change })?;
            self.rooms.insert(id, Some((room, members)));
        }
        Ok(())
    }

    pub(in super::super) async fn delete_room(&mut self, id: RoomId) -> Result<()> {
        self.changeable(id).await?;
        self.stage(Change::DeleteRoom { room: id })?;
        self.rooms.insert(id, None);
        self.offered.retain(|offer| offer.room.id != id);
        Ok(())
    }

    /// A room that plugins may change, which excludes direct and echo rooms.
    pub(super) async fn changeable(&self, id: RoomId) -> Result<(Room, u32)> {
        let (room, members) = self.room(id).await?.ok_or_else(|| Error::not_found("room"))?;
        match room.kind {
            RoomKind::Room => Ok((room, members)),
            kind => Err(Error::Forbidden(format!("a {kind} room cannot be changed"))),
        }
    }

    pub(super) async fn account(&self, id: AccountId) -> Result<crate::protocol::Account> {
        self.services.database.account(id).await?.ok_or_else(|| Error::not_found("account"))
    }

    async fn check_name_is_free(&self, name: &str, by: Option<RoomId>) -> Result<()> {
        match self.room_named(name).await? {
            Some((room, _)) if Some(room.id) != by => Err(Error::Conflict(rooms::NAME_TAKEN.into())),
            _ => Ok(()),
        }
    }
}

fn check_topic(topic: &str) -> Result<()> {
    if topic.chars().count() > MAX_TOPIC_CHARS {
        return Err(Error::invalid("topic", format!("at most {MAX_TOPIC_CHARS} characters")));
    }
    crate::text::check_line("topic", topic)
}

fn check_limit(limit: Option<u32>) -> Result<()> {
    if limit.is_some_and(|limit| !MEMBER_LIMIT_RANGE.contains(&limit)) {
        return Err(Error::invalid("member_limit", "1 to 100,000"));
    }
    Ok(())
}
