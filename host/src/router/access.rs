//! Coming into a room, and what was missed meanwhile.

use super::{Caller, Joined, Router, call};
use crate::accounts::throttle::Guesser;
use crate::error::{Error, Result};
use crate::protocol::{Actor, Credential, Entry, EntryPayload, Room, RoomId, RoomName};
use crate::rooms::{JoinAccess, Rooms, not_a_member};

/// How many names are made up for a guest until one is nobody's.
const NAMES_MADE_UP: usize = 8;

impl Router {
    /// A guest's name: the one that it wants, if that is neither an account's nor a plugin's, or one that is made up.
    pub async fn guest_name(&self, wanted: Option<&str>) -> Result<String> {
        let Some(wanted) = wanted else {
            for _ in 0..NAMES_MADE_UP {
                match self.accounts.guest_name(&format!("guest-{:04x}", rand::random::<u16>())).await {
                    Err(Error::Conflict(_)) => {}
                    found => return found,
                }
            }
            return Err(Error::Conflict("no name was found for a guest; choose one".into()));
        };
        self.accounts.guest_name(wanted).await
    }

    /// Lets somebody into a room, if the door or a guard says so.
    pub async fn join(&self, caller: &Caller, name: &RoomName, credentials: &[Credential]) -> Result<Room> {
        let room = self.rooms.get(name).await?;
        self.check_guest(caller, room.id).await?;
        // Another node may have changed it and not said so yet.
        let membership = match caller.actor.account() {
            Some(account) if self.hub.has_others() => self.rooms.membership_now(room.id, account.id).await?.1,
            _ => self.membership(caller, &room).await?,
        };
        match Rooms::join_access(&room, membership)? {
            JoinAccess::Member => return Ok(room),
            JoinAccess::Open => {}
            JoinAccess::Guarded => self.ask_guards(caller, &room, credentials).await?,
        }
        self.rooms.add_member(room.id, &caller.actor).await?;
        Ok(room)
    }

    /// Whether the room's moderators let this guest in; accounts have their own standing.
    async fn check_guest(&self, caller: &Caller, room: RoomId) -> Result<()> {
        match &caller.actor {
            Actor::Guest(_) => self.rooms.check_guest(room, caller.connection, caller.origin).await,
            _ => Ok(()),
        }
    }

    /// Whether the room guards let somebody in. Whoever offers wrong credentials too often has to wait.
    async fn ask_guards(&self, caller: &Caller, room: &Room, credentials: &[Credential]) -> Result<()> {
        let guesser = match caller.actor.account() {
            Some(account) => Guesser::Account(account.id),
            None => Guesser::Origin(caller.origin),
        };
        // Taken before the guess is looked at, and given back unless it was wrong.
        let throttles = self.accounts.throttles();
        let permit = match credentials {
            [] => None,
            _ => Some(throttles.room_passwords.permit(&(room.id, guesser)).await?),
        };
        let verdict = self.plugins.admit(&call(caller, Some(room.clone()), None), credentials).await;
        if let (Ok(()) | Err(Error::Unavailable(_)), Some(permit)) = (&verdict, permit) {
            permit.give_back().await;
        }
        verdict
    }

    /// The entry that somebody has read up to, if it is one of the room that bears this name now. Where the name was another
    /// room's before, nobody can tell: then nothing is recovered, and the history is read instead.
    pub async fn since_in(&self, name: &RoomName, since: Option<u64>) -> Result<Option<u64>> {
        match (name, since) {
            (RoomName::Name(name), Some(_)) if self.rooms.is_reused_name(name).await? => Ok(None),
            _ => Ok(since),
        }
    }

    /// What somebody who listens from now on has missed since `since`. To be asked after listening began: whoever was
    /// put out between coming in and listening is found out here.
    pub async fn catch_up(&self, caller: &Caller, room: Room, since: Option<u64>) -> Result<Joined> {
        let (room, last_seq) = match caller.actor.account() {
            Some(account) => {
                let (last_seq, membership) = self.rooms.membership_now(room.id, account.id).await?;
                if membership.role.is_none() {
                    return Err(not_a_member());
                }
                (room, last_seq)
            }
            None => {
                let (room, _) = self.require_presence(caller, &RoomName::Id(room.id)).await?;
                self.check_guest(caller, room.id).await?;
                let last_seq = self.messages.last_seq(room.id).await?;
                (room, last_seq)
            }
        };
        let backlog = match since {
            Some(since) => self.messages.backlog(room.id, since, last_seq).await?,
            None => None,
        };
        Ok(Joined { room, last_seq, backlog })
    }

    /// The next entries of a room that somebody is catching up on; none if there are none, an error if they are not in it
    /// any more.
    pub async fn next_entries(&self, caller: &Caller, room: RoomId, after: u64) -> Result<Vec<Entry>> {
        let in_cluster = self.hub.has_others();
        if !in_cluster {
            self.require_presence(caller, &RoomName::Id(room)).await?;
        }
        let entries = self.messages.next_entries(room, after).await?;
        // Whoever has caught up hears what comes next, so it is asked for once more, of the database and after reading; in a
        // cluster each time, since what is kept may be news to others.
        match caller.actor.account() {
            Some(account) if in_cluster || entries.is_empty() => {
                let (_, membership) = self.rooms.membership_now(room, account.id).await?;
                if membership.role.is_none() { Err(not_a_member()) } else { Ok(entries) }
            }
            None if in_cluster => self.require_presence(caller, &RoomName::Id(room)).await.map(|_| entries),
            _ => Ok(entries),
        }
    }

    /// What somebody who was put out may still be told: the entries up to the one that says so.
    pub async fn last_entries(&self, caller: &Caller, room: RoomId, after: u64) -> Result<Vec<Entry>> {
        let me = caller.actor.account().map(|account| account.id);
        let mut entries = self.messages.next_entries(room, after).await?;
        let put_out = entries
            .iter()
            .position(|entry| matches!(&entry.what, EntryPayload::MemberRemoved { whom, .. } if Some(whom.id) == me));
        entries.truncate(put_out.map_or(0, |last| last + 1));
        Ok(entries)
    }
}
