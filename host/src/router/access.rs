//! Joining a room, and reading the entries missed since.

use super::{Caller, Joined, Router, call};
use crate::accounts::throttle::Guesser;
use crate::error::{Error, Result};
use crate::protocol::{Actor, Credential, Entry, EntryPayload, JoinAccess, Room, RoomId, RoomName};

/// How many random names are tried for a guest.
const MAX_GENERATED_NAMES: usize = 8;

impl Router {
    /// A guest's name: the wanted one if neither an account nor a plugin has it, or a random one.
    pub async fn guest_name(&self, wanted: Option<&str>) -> Result<String> {
        let Some(wanted) = wanted else {
            for _ in 0..MAX_GENERATED_NAMES {
                match self.accounts.guest_name(&format!("guest-{:04x}", rand::random::<u16>())).await {
                    Err(Error::Conflict(_)) => {}
                    found => return found,
                }
            }
            return Err(Error::Conflict("all generated guest names are taken; choose a name".into()));
        };
        self.accounts.guest_name(wanted).await
    }

    /// Joins a room if it is open to the caller or a guard admits the caller.
    pub async fn join(&self, caller: &Caller, name: &RoomName, credentials: &[Credential]) -> Result<Room> {
        let room = self.rooms.get(name).await?;
        self.check_guest(caller, room.id).await?;
        // Another node may have changed it, and the invalidation may still be on its way.
        let membership = match caller.actor.account() {
            Some(account) if self.hub.is_clustered() => self.rooms.membership_now(room.id, account.id).await?.1,
            _ => self.membership(caller, &room).await?,
        };
        match membership.join_access(&room)? {
            JoinAccess::Member => return Ok(room),
            JoinAccess::Open => {}
            JoinAccess::Guarded => self.ask_guards(caller, &room, credentials).await?,
        }
        self.rooms.add_member(room.id, &caller.actor).await?;
        Ok(room)
    }

    /// Checks the room's rules for guests; accounts pass, since their membership decides.
    async fn check_guest(&self, caller: &Caller, room: RoomId) -> Result<()> {
        match &caller.actor {
            Actor::Guest(_) => self.rooms.check_guest(room, caller.connection, caller.origin).await,
            _ => Ok(()),
        }
    }

    /// Asks the room guards to admit the caller. Wrong credentials are rate-limited.
    async fn ask_guards(&self, caller: &Caller, room: &Room, credentials: &[Credential]) -> Result<()> {
        let guesser = match caller.actor.account() {
            Some(account) => Guesser::Account(account.id),
            None => Guesser::Origin(caller.origin),
        };
        // The permit is taken before the credentials are checked, and given back unless they were wrong.
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

    /// The client's `since`, if it can be trusted for this room. If another room had the name before, `since` may belong to that
    /// one: then nothing is recovered, and the client reads the history instead.
    pub async fn since_in(&self, name: &RoomName, since: Option<u64>) -> Result<Option<u64>> {
        match (name, since) {
            (RoomName::Name(name), Some(_)) if self.rooms.is_reused_name(name).await? => Ok(None),
            _ => Ok(since),
        }
    }

    /// Reads what a caller has missed since `since`. To be called after subscribing: it detects a caller that was removed between
    /// joining and subscribing.
    pub async fn read_missed(&self, caller: &Caller, room: Room, since: Option<u64>) -> Result<Joined> {
        let (room, last_seq) = match caller.actor.account() {
            Some(account) => {
                let (last_seq, membership) = self.rooms.membership_now(room.id, account.id).await?;
                if membership.role.is_none() {
                    return Err(Error::not_a_member());
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

    /// The next entries for a caller that is catching up; empty at the end of the log, an error if the caller is not in the room
    /// any more.
    pub async fn next_entries(&self, caller: &Caller, room: RoomId, after: u64) -> Result<Vec<Entry>> {
        let in_cluster = self.hub.is_clustered();
        if !in_cluster {
            self.require_presence(caller, &RoomName::Id(room)).await?;
        }
        let entries = self.messages.next_entries(room, after).await?;
        // A caller that has caught up receives new entries, so its membership is checked in the database after reading the last
        // ones; in a cluster each time, since other nodes may have changed it.
        match caller.actor.account() {
            Some(account) if in_cluster || entries.is_empty() => {
                let (_, membership) = self.rooms.membership_now(room, account.id).await?;
                if membership.role.is_none() { Err(Error::not_a_member()) } else { Ok(entries) }
            }
            None if in_cluster => self.require_presence(caller, &RoomName::Id(room)).await.map(|_| entries),
            _ => Ok(entries),
        }
    }

    /// The entries that a removed account may still receive: those up to its removal.
    pub async fn last_entries(&self, caller: &Caller, room: RoomId, after: u64) -> Result<Vec<Entry>> {
        let me = caller.actor.account().map(|account| account.id);
        let mut entries = self.messages.next_entries(room, after).await?;
        let removal = entries
            .iter()
            .position(|entry| matches!(&entry.what, EntryPayload::MemberRemoved { whom, .. } if Some(whom.id) == me));
        entries.truncate(removal.map_or(0, |last| last + 1));
        Ok(entries)
    }
}
