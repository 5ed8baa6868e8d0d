//! Deleted accounts leave their rooms, whoever deleted them: the server itself, or the command line beside it.

use super::Rooms;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Actor, Change, Removal, Role, RoomId, Unit};

impl Rooms {
    /// Ends the memberships of deleted accounts. What is in the way of one is tried again the next time.
    pub async fn see_off_deleted(&self) -> Result<()> {
        for account in self.database.pending_account_deletions().await? {
            for room in self.database.rooms_of(account).await? {
                self.see_off(room, account).await?;
            }
            self.database.departed(account).await?;
        }
        Ok(())
    }

    /// A room without its owner goes to the moderator of longest standing, or else to such a member; with nobody left in
    /// it, it has no owner.
    async fn see_off(&self, room: RoomId, account: AccountId) -> Result<()> {
        let Some(member) = self.database.member(room, account).await? else { return Ok(()) };
        let reason = Some("the account was deleted".to_owned());
        let mut changes = vec![Change::RemoveMember { room, account, why: Removal::Left, reason }];
        if member.role == Role::Owner
            && let Some((heir, role)) = self.database.heir(room, account).await?
            && role != Role::Owner
        {
            changes.push(Change::SetRole { room, account: heir, role: Role::Owner });
        }
        match self.writer.commit(Unit::new(Actor::Server, changes)).await {
            // The room, the member or the heir went meanwhile: if anything is left to do, the next time finds it.
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
