//! Members as a call reads and changes them.

use std::ops::Bound;
use std::time::Duration;

use super::UnitOfWork;
use crate::clock::{self, Timestamp};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Change, Member, Removal, Role, RoomId};

const MAX_REASON_CHARS: usize = 500;

impl UnitOfWork {
    pub(in super::super) async fn member(&self, room: RoomId, account: AccountId) -> Result<Option<Member>> {
        if let Some(None) = self.rooms.get(&room) {
            return Ok(None);
        }
        match self.members.get(&(room, account)) {
            Some(staged) => Ok(staged.clone()),
            None => self.services.database.member(room, account).await,
        }
    }

    /// Members in the order of their account ids, including staged ones.
    pub(in super::super) async fn members(
        &self,
        room: RoomId,
        after: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<Member>> {
        if let Some(None) = self.rooms.get(&room) {
            return Ok(Vec::new());
        }
        let limit = limit.clamp(1, 1000);
        let mut listed: Vec<Member> = Vec::new();
        let mut after = after;
        loop {
            let page = self.services.database.members(room, after, limit).await?;
            let end = (page.len() >= limit as usize).then(|| page.last().map(|last| last.account.id)).flatten();
            listed.extend(self.merged_members(room, after, page, end));
            match end {
                Some(end) if listed.len() < limit as usize => after = Some(end),
                _ => break,
            }
        }
        listed.truncate(limit as usize);
        Ok(listed)
    }

    fn merged_members(
        &self,
        room: RoomId,
        after: Option<AccountId>,
        page: Vec<Member>,
        end: Option<AccountId>,
    ) -> Vec<Member> {
        let from = match after {
            Some(after) => Bound::Excluded((room, after)),
            None => Bound::Included((room, AccountId(uuid::Uuid::nil()))),
        };
        let mut members = page;
        for ((_, account), staged) in self
            .members
            .range((from, Bound::Unbounded))
            .take_while(|((of, account), _)| *of == room && end.is_none_or(|end| *account <= end))
        {
            match (members.binary_search_by_key(account, |member| member.account.id), staged) {
                (Ok(at), Some(member)) => members[at] = member.clone(),
                (Ok(at), None) => drop(members.remove(at)),
                (Err(at), Some(member)) => members.insert(at, member.clone()),
                (Err(_), None) => {}
            }
        }
        members
    }

    pub(in super::super) async fn invite(&mut self, room: RoomId, account: AccountId) -> Result<()> {
        self.changeable(room).await?;
        self.account(account).await?;
        self.stage(Change::Invite { room, account })
    }

    pub(in super::super) async fn add_member(&mut self, room: RoomId, account: AccountId, role: Role) -> Result<()> {
        self.changeable(room).await?;
        let account = self.account(account).await?;
        if self.member(room, account.id).await?.is_some() {
            return Err(Error::Conflict(format!("{} is a member already", account.name)));
        }
        self.stage(Change::AddMember { room, account: account.id, role })?;
        self.adjust_count(room, 1).await?;
        let member = Member { account, role, joined_at: clock::now() };
        self.members.insert((room, member.account.id), Some(member));
        Ok(())
    }

    pub(in super::super) async fn remove_member(
        &mut self,
        room: RoomId,
        account: AccountId,
        why: Removal,
        reason: Option<String>,
    ) -> Result<()> {
        check_reason(reason.as_deref())?;
        self.changeable(room).await?;
        let is_member = self.member(room, account).await?.is_some();
        match why {
            // An account that is not a member can be banned.
            Removal::Banned => drop(self.account(account).await?),
            _ if !is_member => return Err(Error::not_found("member")),
            _ => {}
        }
        self.stage(Change::RemoveMember { room, account, why, reason })?;
        if is_member {
            self.adjust_count(room, -1).await?;
            self.members.insert((room, account), None);
        }
        Ok(())
    }

    pub(in super::super) async fn set_role(&mut self, room: RoomId, account: AccountId, role: Role) -> Result<()> {
        self.changeable(room).await?;
        let mut member = self.member(room, account).await?.ok_or_else(|| Error::not_found("member"))?;
        self.stage(Change::SetRole { room, account, role })?;
        member.role = role;
        self.members.insert((room, account), Some(member));
        Ok(())
    }

    pub(in super::super) async fn unban(&mut self, room: RoomId, account: AccountId) -> Result<()> {
        self.changeable(room).await?;
        self.stage(Change::Unban { room, account })
    }

    pub(in super::super) async fn mute(&mut self, room: RoomId, account: AccountId, seconds: u32) -> Result<()> {
        self.changeable(room).await?;
        self.account(account).await?;
        let until = (seconds > 0).then(|| clock::now() + Duration::from_secs(seconds.into()));
        self.stage(Change::Mute { room, account, until })
    }

    /// The end of the account's mute, including staged changes; none if it is not muted.
    pub(in super::super) async fn muted_until(&self, room: RoomId, account: AccountId) -> Result<Option<Timestamp>> {
        let staged = self.changes.iter().rev().find_map(|change| match change {
            Change::Mute { room: of, account: whom, until } if (*of, *whom) == (room, account) => Some(*until),
            _ => None,
        });
        let until = match staged {
            Some(until) => until,
            None => self.services.rooms.membership(room, account).await?.muted_until,
        };
        Ok(until.filter(|until| *until > clock::now()))
    }

    /// Adjusts the number of members that the call reads for a room.
    async fn adjust_count(&mut self, room: RoomId, by: i32) -> Result<()> {
        if let Some((room, members)) = self.room(room).await? {
            self.rooms.insert(room.id, Some((room, members.saturating_add_signed(by))));
        }
        Ok(())
    }
}

fn check_reason(reason: Option<&str>) -> Result<()> {
    if reason.is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
        return Err(Error::invalid("reason", format!("at most {MAX_REASON_CHARS} characters")));
    }
    reason.map_or(Ok(()), |reason| crate::text::check_line("reason", reason))
}
