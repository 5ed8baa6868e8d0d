//! Messages as a call reads, posts and deletes them.

use std::sync::Arc;

use super::UnitOfWork;
use crate::database::Tombstones;
use crate::error::{Error, Result};
use crate::protocol::{Actor, Change, MAX_PAGE, Message, NewPost, Page, Post, Room, RoomId};

/// Messages that one call may post.
const MAX_POSTS: usize = 20;

impl UnitOfWork {
    /// Messages before this number, oldest first, except those that this call deletes.
    pub(in super::super) async fn history(
        &self,
        room: RoomId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Message>> {
        self.readable(room).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        // Reads as many more as may be filtered out.
        let deleted = self.deleted.range((room, 0)..=(room, u64::MAX)).count();
        let wanted = limit.saturating_add(u32::try_from(deleted).unwrap_or(u32::MAX));
        let (mut messages, _) =
            self.services.database.messages(room, Page::Before(before), wanted, Tombstones::LeftOut).await?;
        messages.retain(|message| !self.deleted.contains(&(room, message.seq)));
        Ok(messages.split_off(messages.len().saturating_sub(limit as usize)))
    }

    pub(in super::super) async fn post(
        &mut self,
        plugin: &Arc<str>,
        room: RoomId,
        body: String,
        reply_to: Option<u64>,
    ) -> Result<()> {
        let there = self.readable(room).await?;
        if self.posts == MAX_POSTS {
            return Err(Error::TooLarge { what: "the number of posts in one call", limit: MAX_POSTS.to_string() });
        }
        self.services.messages.check_body(&body)?;
        if let Some(seq) = reply_to
            && !self.has_message(room, seq).await?
        {
            return Err(Error::not_found("replied-to message"));
        }
        self.check_can_post(&there).await?;
        let by = Actor::Plugin(self.services.bot(plugin).await?);
        let post = Post { body: body.into(), key: None, reply_to, attachments: Arc::default() };
        let on_behalf_of = self.requester.as_ref().and_then(|requester| requester.actor.account()).cloned();
        self.stage(Change::Post(NewPost { room, by, from: None, on_behalf_of, post }))?;
        self.posts += 1;
        self.posted_in.insert(room, there);
        Ok(())
    }

    pub(in super::super) async fn delete_message(&mut self, room: RoomId, seq: u64) -> Result<()> {
        self.readable(room).await?;
        if !self.has_message(room, seq).await? {
            return Err(Error::not_found("message"));
        }
        self.stage(Change::DeleteMessage { room, seq })?;
        self.deleted.insert((room, seq));
        Ok(())
    }

    /// The staged posts, each with its room, for the filters of other plugins.
    pub(in super::super) fn posts(&mut self) -> impl Iterator<Item = (&mut NewPost, Option<&Room>)> {
        let rooms = &self.posted_in;
        self.changes.iter_mut().filter_map(|change| match change {
            Change::Post(new) => {
                let room = rooms.get(&new.room);
                Some((new, room))
            }
            _ => None,
        })
    }

    async fn readable(&self, room: RoomId) -> Result<Room> {
        Ok(self.room(room).await?.ok_or_else(|| Error::not_found("room"))?.0)
    }

    async fn has_message(&self, room: RoomId, seq: u64) -> Result<bool> {
        Ok(!self.deleted.contains(&(room, seq)) && self.services.database.has_message(room, seq).await?)
    }
}
