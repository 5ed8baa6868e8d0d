//! The `rooms` import: reads rooms and their members.

use super::id;
use crate::plugins::bindings::host::rooms;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;
use crate::protocol::{Member, Room};

impl rooms::Host for State {
    async fn get(&mut self, room: String) -> Result<Option<rooms::Room>, wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.room(id("room", &room)?).await?.map(to_wire))
    }

    async fn find(&mut self, name: String) -> Result<Option<rooms::Room>, wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.room_named(&name).await?.map(to_wire))
    }

    async fn get_member(&mut self, room: String, account: String) -> Result<Option<rooms::Member>, wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.member(id("room", &room)?, id("account", &account)?).await?.map(member))
    }

    async fn members(
        &mut self,
        room: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<rooms::Member>, wire::Error> {
        let (unit, _) = self.unit()?;
        let after = after.map(|after| id("after", &after)).transpose()?;
        Ok(unit.members(id("room", &room)?, after, limit).await?.into_iter().map(member).collect())
    }

    async fn guests(&mut self, room: String) -> Result<Vec<wire::GuestRef>, wire::Error> {
        let (unit, _) = self.unit()?;
        let guests = unit.guests(id("room", &room)?).await?.into_iter();
        Ok(guests.map(|guest| wire::GuestRef { id: guest.id.to_string(), name: guest.name.to_string() }).collect())
    }

    async fn muted_until(&mut self, room: String, account: String) -> Result<Option<u64>, wire::Error> {
        let (unit, _) = self.unit()?;
        let until = unit.muted_until(id("room", &room)?, id("account", &account)?).await?;
        Ok(until.map(|until| u64::try_from(until.0).unwrap_or(0)))
    }
}

fn to_wire((room, members): (Room, u32)) -> rooms::Room {
    rooms::Room {
        id: room.id.to_string(),
        name: room.name.to_string(),
        kind: room.kind.into(),
        visibility: room.visibility.into(),
        topic: room.topic.to_string(),
        member_limit: room.member_limit,
        member_count: members,
        created_at: u64::try_from(room.created_at.0).unwrap_or(0),
    }
}

fn member(member: Member) -> rooms::Member {
    rooms::Member {
        account: wire::AccountRef { id: member.account.id.to_string(), name: member.account.name.to_string() },
        role: member.role.into(),
        joined_at: u64::try_from(member.joined_at.0).unwrap_or(0),
    }
}
