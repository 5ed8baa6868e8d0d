//! The `rooms-admin` import: stages changes of rooms and their members.

use super::id;
use crate::plugins::bindings::host::rooms_admin;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;
use crate::protocol::{Credential, NewRoom, Removal, RoomChange, RoomId, RoomQuota};
use crate::rooms::new_code;

impl rooms_admin::Host for State {
    async fn create_room(&mut self, room: rooms_admin::NewRoom) -> Result<rooms_admin::Created, wire::Error> {
        let (unit, _) = self.unit()?;
        let new = NewRoom {
            // Set by the unit of work.
            quota: RoomQuota::default(),
            id: RoomId::new(),
            code: new_code(),
            name: room.name,
            visibility: room.visibility.into(),
            topic: room.topic,
            member_limit: room.member_limit,
            owner: room.owner.map(|owner| id("owner", &owner)).transpose()?,
        };
        let created = rooms_admin::Created { id: new.id.to_string(), code: new.code.clone() };
        unit.create_room(new, credentials(room.credentials)).await?;
        Ok(created)
    }

    async fn update_room(&mut self, room: String, change: rooms_admin::RoomChange) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        let changed = RoomChange {
            name: change.name,
            visibility: change.visibility.map(Into::into),
            topic: change.topic,
            member_limit: change.member_limit,
        };
        Ok(unit.update_room(id("room", &room)?, changed, credentials(change.credentials)).await?)
    }

    async fn delete_room(&mut self, room: String) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.delete_room(id("room", &room)?).await?)
    }

    async fn invite(&mut self, room: String, account: String) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.invite(id("room", &room)?, id("account", &account)?).await?)
    }

    async fn add_member(&mut self, room: String, account: String, role: wire::Role) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.add_member(id("room", &room)?, id("account", &account)?, role.into()).await?)
    }

    async fn remove_member(
        &mut self,
        room: String,
        account: String,
        reason: Option<String>,
    ) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.remove_member(id("room", &room)?, id("account", &account)?, Removal::Kicked, reason).await?)
    }

    async fn set_role(&mut self, room: String, account: String, role: wire::Role) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.set_role(id("room", &room)?, id("account", &account)?, role.into()).await?)
    }

    async fn ban(&mut self, room: String, account: String, reason: Option<String>) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.remove_member(id("room", &room)?, id("account", &account)?, Removal::Banned, reason).await?)
    }

    async fn unban(&mut self, room: String, account: String) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.unban(id("room", &room)?, id("account", &account)?).await?)
    }

    async fn mute(&mut self, room: String, account: String, seconds: u32) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.mute(id("room", &room)?, id("account", &account)?, seconds).await?)
    }

    async fn remove_guest(&mut self, room: String, guest: String) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.remove_guest(id("room", &room)?, id("guest", &guest)?).await?)
    }

    async fn ban_guest(&mut self, room: String, guest: String, seconds: u32) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.ban_guest(id("room", &room)?, id("guest", &guest)?, seconds).await?)
    }

    async fn mute_guest(&mut self, room: String, guest: String, seconds: u32) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.mute_guest(id("room", &room)?, id("guest", &guest)?, seconds).await?)
    }

    async fn ban_origins(&mut self, room: String, account: String, seconds: u32) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.ban_origins(id("room", &room)?, id("account", &account)?, seconds).await?)
    }

    async fn pardon_guests(&mut self, room: String) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.pardon_guests(id("room", &room)?).await?)
    }

    async fn allow_guests(&mut self, room: String, allowed: bool) -> Result<(), wire::Error> {
        let (unit, _) = self.unit()?;
        Ok(unit.allow_guests(id("room", &room)?, allowed).await?)
    }
}

fn credentials(offered: Vec<wire::Credential>) -> Vec<Credential> {
    offered.into_iter().map(|credential| Credential { name: credential.name, value: credential.value }).collect()
}
