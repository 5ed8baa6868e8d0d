//! Ends the memberships of deleted accounts, whether the server or the command line deleted them.

use super::Rooms;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Actor, Change, Removal, Role, RoomId, Unit};

impl Rooms {
    /// Ends the memberships of deleted accounts. After an error the next call tries the rest again.
    pub async fn end_deleted_memberships(&self) -> Result<()> {
        for account in self.database.pending_account_deletions().await? {
            for room in self.database.rooms_of(account).await? {
                self.end_membership(room, account).await?;
            }
            self.database.departed(account).await?;
        }
        Ok(())
    }

    /// Ends one membership. If it was the owner's, the moderator of longest standing becomes the owner, or else the member of
    /// longest standing; an empty room has no owner.
    async fn end_membership(&self, room: RoomId, account: AccountId) -> Result<()> {
        let Some(member) = self.database.member(room, account).await? else { return Ok(()) };
        let reason = Some("the account was deleted".to_owned());
        let mut changes = vec![Change::RemoveMember { room, account, why: Removal::Left, reason }];
        if member.role == Role::Owner
            && let Some((next_owner, role)) = self.database.next_owner(room, account).await?
            && role != Role::Owner
        {
            changes.push(Change::SetRole { room, account: next_owner, role: Role::Owner });
        }
        match self.writer.commit(Unit::new(Actor::Server, changes)).await {
            // The room, the member or the heir is gone meanwhile: if anything is left to do, the next call finds it.
            Ok(_) | Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
