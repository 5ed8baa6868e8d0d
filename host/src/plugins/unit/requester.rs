//! The requester of a call's work, and whether it may post where the call does.

use super::UnitOfWork;
use crate::accounts::throttle::Origin;
use crate::error::{Error, Result, rooms};
use crate::plugins::call::Call;
use crate::protocol::{AccountId, Actor, Author, ConnectionId, Requester, Room, RoomId};

/// The caller of a command, or the account that set the timer.
#[derive(Clone, Debug)]
pub(in super::super) struct RequestedBy {
    pub(super) actor: Actor,
    connection: Option<ConnectionId>,
    origin: Option<Origin>,
    /// The room in which they asked.
    room: Option<RoomId>,
}

impl RequestedBy {
    pub(in super::super) fn caller(call: &Call) -> Self {
        let room = call.room.as_ref().map(|room| room.id);
        Self { actor: call.actor.clone(), connection: call.connection, origin: call.origin, room }
    }

    /// The account that set a timer, when the timer is due.
    pub(in super::super) fn timer(set_by: &Requester) -> Self {
        let actor = Actor::Account(set_by.account.clone());
        Self { actor, connection: None, origin: None, room: set_by.room }
    }
}

impl UnitOfWork {
    /// Checks that the requester may post in the room: a plugin's post must not bypass a mute, a ban or a block.
    pub(super) async fn check_can_post(&self, room: &Room) -> Result<()> {
        if let Some((account, _)) = Author::from(&self.actor).account {
            self.check_not_muted(room.id, account).await?;
        }
        let Some(requester) = &self.requester else { return Ok(()) };
        if let Actor::Account(account) = &requester.actor {
            // For a live connection this was checked before.
            if requester.connection.is_none() && self.services.database.is_disabled(account.id).await? {
                return Err(Error::Forbidden("the account is disabled".into()));
            }
            let membership = self.services.rooms.membership(room.id, account.id).await?;
            if membership.banned {
                return Err(Error::Forbidden(rooms::BANNED.into()));
            }
            if requester.room == Some(room.id) && membership.role.is_none() {
                return Err(Error::not_a_member());
            }
            self.check_not_muted(room.id, account.id).await?;
        }
        self.services.rooms.check_partner(&requester.actor, requester.connection, requester.origin, room).await
    }

    /// The requester to store with a timer. One that may not post in the room sets no timer there, since the timer's posts would be
    /// refused. A room guard's timers have no requester.
    pub(super) async fn timer_requester(&self) -> Result<Option<Requester>> {
        let Some(requester) = self.requester.as_ref().filter(|_| !self.guarding) else { return Ok(None) };
        if let Some(room) = requester.room
            && let Some((room, _)) = self.room(room).await?
        {
            self.check_can_post(&room).await?;
        }
        Ok(requester.actor.account().map(|account| Requester { account: account.clone(), room: requester.room }))
    }

    async fn check_not_muted(&self, room: RoomId, account: AccountId) -> Result<()> {
        match self.muted_until(room, account).await? {
            Some(until) => Err(Error::Forbidden(format!("{}{until}", rooms::MUTED_UNTIL))),
            None => Ok(()),
        }
    }
}
