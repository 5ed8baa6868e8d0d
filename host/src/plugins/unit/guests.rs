//! Guests in rooms, and staged bans, mutes and removals of them.

use std::sync::Arc;
use std::time::Duration;

use super::UnitOfWork;
use crate::clock::{self, Timestamp};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Change, ConnectionId, Guest, GuestRule, GuestRuleKind, GuestSelector, RoomId};

/// The longest ban or mute of a guest. It is bounded because an address does not belong to one person for long.
const MAX_RULE_SECONDS: u32 = 30 * 24 * 60 * 60;

impl UnitOfWork {
    /// The guests that are in the room now.
    pub(in super::super) async fn guests(&self, room: RoomId) -> Result<Vec<Guest>> {
        let (room, _) = self.room(room).await?.ok_or_else(|| Error::not_found("room"))?;
        Ok(self.services.hub.guests(room.id))
    }

    pub(in super::super) async fn remove_guest(&mut self, room: RoomId, guest: ConnectionId) -> Result<()> {
        self.guest(room, guest).await?;
        self.stage(Change::RemoveGuests { room, which: GuestSelector::Connection(guest) })
    }

    pub(in super::super) async fn ban_guest(&mut self, room: RoomId, guest: ConnectionId, seconds: u32) -> Result<()> {
        let origin = self.guest(room, guest).await?;
        self.restrict(room, GuestRuleKind::Ban, Some(guest), origin.clone(), seconds)?;
        self.stage(Change::RemoveGuests { room, which: GuestSelector::Connection(guest) })?;
        match origin {
            Some(origin) => self.stage(Change::RemoveGuests { room, which: GuestSelector::Origin(origin) }),
            None => Ok(()),
        }
    }

    pub(in super::super) async fn mute_guest(&mut self, room: RoomId, guest: ConnectionId, seconds: u32) -> Result<()> {
        let origin = self.guest(room, guest).await?;
        self.restrict(room, GuestRuleKind::Mute, Some(guest), origin, seconds)
    }

    /// Bans guests from the network origins that the account is connected from, on any node.
    pub(in super::super) async fn ban_origins(&mut self, room: RoomId, account: AccountId, seconds: u32) -> Result<()> {
        self.changeable(room).await?;
        let account = self.account(account).await?.id;
        let until = until(seconds)?;
        for origin in self.services.hub.origins_of(account) {
            self.restrict(room, GuestRuleKind::Ban, None, Some(origin.clone()), seconds)?;
            self.stage(Change::RemoveGuests { room, which: GuestSelector::Origin(origin) })?;
        }
        self.stage(Change::BanOriginsElsewhere { room, account, until })
    }

    pub(in super::super) async fn pardon_guests(&mut self, room: RoomId) -> Result<()> {
        self.changeable(room).await?;
        self.stage(Change::PardonGuests { room })
    }

    pub(in super::super) async fn allow_guests(&mut self, room: RoomId, allowed: bool) -> Result<()> {
        self.changeable(room).await?;
        self.stage(Change::AllowGuests { room, allowed })?;
        if allowed { Ok(()) } else { self.stage(Change::RemoveGuests { room, which: GuestSelector::All }) }
    }

    /// The network origin of a guest in the room.
    async fn guest(&self, room: RoomId, guest: ConnectionId) -> Result<Option<Arc<str>>> {
        self.changeable(room).await?;
        let found = self.services.hub.guest_in(room, guest);
        found.map(|(_, origin)| origin).ok_or_else(|| Error::not_found("guest"))
    }

    fn restrict(
        &mut self,
        room: RoomId,
        kind: GuestRuleKind,
        connection: Option<ConnectionId>,
        origin: Option<Arc<str>>,
        seconds: u32,
    ) -> Result<()> {
        let rule = GuestRule { kind, connection, origin, until: until(seconds)? };
        self.stage(Change::RestrictGuests { room, rule })
    }
}

fn until(seconds: u32) -> Result<Timestamp> {
    match seconds {
        1..=MAX_RULE_SECONDS => Ok(clock::now() + Duration::from_secs(seconds.into())),
        _ => Err(Error::invalid("seconds", format!("1 to {MAX_RULE_SECONDS}"))),
    }
}
