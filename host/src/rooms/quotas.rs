//! Quotas for creating rooms (per account, per address, for all guests), and blocking of accounts.

use super::{Rooms, origin_key};
use crate::accounts::throttle::{Buckets, Origin, Quota};
use crate::config;
use crate::error::{Error, Result};
use crate::protocol::{Account, AccountId, Actor, ConnectionId, Room, RoomId, RoomKind, RoomQuota};

/// Rooms created from each address within the last hour.
#[derive(Default)]
pub(super) struct Creations(Buckets<Origin>);

impl Creations {
    fn take(&self, origin: Origin, limits: &config::Limits) -> Result<()> {
        if origin.is_in(&limits.exempt) {
            return Ok(());
        }
        let quota = Quota::per_hour(limits.creations_per_address_per_hour);
        self.0.take(&origin, quota, 1).map_err(|retry_after| Error::RateLimited { retry_after })
    }
}

impl Rooms {
    /// Counts the creation of a room of any kind from this address.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if the address has reached its limit.
    pub fn take_creation(&self, from: Origin) -> Result<()> {
        self.creations.take(from, &self.limits.latest())
    }

    /// An account's quota for rooms of this kind.
    pub(super) fn quota(&self, kind: RoomKind) -> RoomQuota {
        let limits = self.limits.latest();
        RoomQuota::Account(match kind {
            RoomKind::Room => limits.rooms_per_account,
            RoomKind::Direct => limits.direct_rooms_per_account,
            RoomKind::Echo => limits.sessions_per_account,
        })
    }

    /// This actor's quota for named rooms.
    pub fn room_quota(&self, by: &Actor, origin: Option<Origin>) -> RoomQuota {
        match by {
            Actor::Account(_) => self.quota(RoomKind::Room),
            Actor::Guest(_) => {
                let limits = self.limits.latest();
                let origin = origin.map(|origin| origin_key(origin).to_string()).unwrap_or_default();
                RoomQuota::Guests { origin, per_origin: limits.guest_rooms_per_address, total: limits.guest_rooms }
            }
            Actor::Plugin(_) | Actor::Server => RoomQuota::Unlimited,
        }
    }

    /// Checks that an account may write to another one directly. A blocked account gets the same error as for a disabled one.
    pub async fn check_contact(&self, me: AccountId, other: AccountId) -> Result<()> {
        let contact = self.database.contact(me, other).await?;
        if contact.blocked {
            return Err(Error::Forbidden("you have blocked this account; unblock it to write to it".into()));
        }
        if contact.gone || contact.blocks_me {
            return Err(Error::Forbidden("this account cannot be written to".into()));
        }
        Ok(())
    }

    /// Checks whether blocking in a direct room, or the rules for guests, forbid posting in this room.
    pub async fn check_partner(
        &self,
        actor: &Actor,
        connection: Option<ConnectionId>,
        origin: Option<Origin>,
        room: &Room,
    ) -> Result<()> {
        match (actor, origin) {
            (Actor::Guest(_), Some(origin)) => self.check_guest_can_post(room.id, connection, origin).await,
            (Actor::Account(me), _) if room.kind == RoomKind::Direct => match room.other_than(me.id) {
                Some(other) => self.check_contact(me.id, other.id).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Blocks or unblocks another account from writing to this one directly.
    pub async fn block(&self, me: &Account, other: &Account, on: bool) -> Result<()> {
        if me.id == other.id {
            return Err(Error::invalid("account", "should be another account than your own"));
        }
        if !on {
            return self.database.unblock(me.number, other.number).await;
        }
        let most = self.limits.latest().blocked_per_account;
        match self.database.block(me.number, other.number, most).await? {
            true => Ok(()),
            false => Err(Error::Conflict(format!("this account has blocked {most} others, which is its limit"))),
        }
    }

    /// The accounts that an account has blocked, in the order of their ids.
    pub async fn blocked(&self, me: &Account, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>> {
        self.database.blocked(me.number, after, limit).await
    }

    /// Hides a direct room from the account's list until something is posted there.
    pub async fn hide_direct(&self, me: &Account, room: RoomId) -> Result<()> {
        self.database.hide_direct(me.number, room).await
    }
}
