//! Operations on messages: posting, editing, deleting, reacting, reading, marking as read, typing, searching.

use super::{Caller, HistoryPage, Router, SearchPage, call};
use crate::clock::{Timestamp, now};
use crate::error::{Error, Result};
use crate::hub::ObserverPermit;
use crate::messages::{Attach, Messages, PostDone, UnitDone};
use crate::plugins::Draft;
use crate::protocol::{
    Actor, Attachment, Author, Change, Event, Membership, NewPost, Page, Post, Role, Room, RoomName, Unit, UnreadRoom,
};

/// A message that a client wants to post.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub body: String,
    pub key: Option<String>,
    pub reply_to: Option<u64>,
    pub attachments: Vec<Attach>,
}

impl NewMessage {
    /// A message of text only.
    pub fn text(body: String) -> Self {
        Self { body, key: None, reply_to: None, attachments: Vec::new() }
    }
}

/// Called with the entry that records a change of a message: its number and time; none if nothing changed.
pub type Answer = Box<dyn FnOnce(Option<(u64, Timestamp)>) + Send + Sync>;

impl Router {
    /// Checks a message, runs the filters and queues it; `done` receives the outcome.
    pub async fn post(&self, caller: &Caller, to: &RoomName, message: NewMessage, done: PostDone) {
        match self.prepare(caller, to, message).await {
            Ok((new, permit)) => self.writer.post(new, permit, done).await,
            Err(error) => drop(done(Err(error))),
        }
    }

    /// Checks and filters a message; gives the post and its place in the queue of observers of echo rooms.
    async fn prepare(
        &self,
        caller: &Caller,
        to: &RoomName,
        message: NewMessage,
    ) -> Result<(NewPost, Option<ObserverPermit>)> {
        let (room, membership) = self.require_presence(caller, to).await?;
        check_can_post(caller, membership)?;
        self.check_partner(caller, &room).await?;
        let caller = &self.as_known_in(&room, caller);
        let NewMessage { body, key, reply_to, attachments } = message;
        let attachments = self.messages.attachments(&attachments, &Author::from(&caller.actor)).await?;
        self.check_text(&body, &attachments)?;
        if let Some(key) = &key {
            Messages::check_key(key)?;
        }
        if let Some(seq) = reply_to {
            self.messages.get(room.id, seq).await.map_err(|error| match error {
                Error::NotFound(_) => Error::invalid("reply_to", format!("there is no message {seq} in this room")),
                other => other,
            })?;
        }
        let (id, kind) = (room.id, room.kind);
        let draft = Draft { body, reply_to, edit_of: None, attachments: links(&attachments) };
        let body = self.filtered(caller, room, membership, draft, &attachments)?;
        let post = Post { body: body.into(), key: key.map(Into::into), reply_to, attachments };
        let permit = self.hub.reserve(kind).await;
        Ok((NewPost { room: id, by: caller.actor.clone(), from: caller.connection, on_behalf_of: None, post }, permit))
    }

    /// Checks a message's attachments and text, whatever its room.
    pub(super) async fn check(&self, caller: &Caller, message: &NewMessage) -> Result<()> {
        let attachments = self.messages.attachments(&message.attachments, &Author::from(&caller.actor)).await?;
        self.check_text(&message.body, &attachments)
    }

    /// The caller, a guest with its name in this room.
    fn as_known_in(&self, room: &Room, caller: &Caller) -> Caller {
        let mut caller = caller.clone();
        if let (Actor::Guest(guest), Some(connection)) = (&mut caller.actor, caller.connection)
            && let Some(name) = self.hub.name_in(room.id, connection)
        {
            guest.name = name;
        }
        caller
    }

    /// The text after the filters.
    fn filtered(
        &self,
        caller: &Caller,
        room: Room,
        membership: Membership,
        draft: Draft,
        attachments: &[Attachment],
    ) -> Result<String> {
        let body = draft.body.clone();
        match self.plugins.filter(&call(caller, Some(room), membership.role), draft)? {
            Some(rewritten) => self.check_text(&rewritten, attachments).map(|()| rewritten),
            None => Ok(body),
        }
    }

    fn check_text(&self, body: &str, attachments: &[Attachment]) -> Result<()> {
        if attachments.is_empty() { self.messages.check_body(body) } else { self.messages.check_caption(body) }
    }

    /// Changes the text of the caller's own message. `answer` is called after the commit and before the event.
    pub async fn edit(&self, caller: &Caller, to: &RoomName, seq: u64, body: String, answer: Answer) -> Result<()> {
        let change = self.prepare_edit(caller, to, seq, body).await?;
        self.commit_message_change(caller, change, answer).await
    }

    /// Deletes the caller's own message, or, for moderators, anybody's. `answer` as in [`Router::edit`].
    pub async fn delete(&self, caller: &Caller, to: &RoomName, seq: u64, answer: Answer) -> Result<()> {
        let change = self.prepare_deletion(caller, to, seq).await?;
        self.commit_message_change(caller, change, answer).await
    }

    /// Adds a reaction to a message or takes it away. `answer` as in [`Router::edit`].
    pub async fn react(
        &self,
        caller: &Caller,
        to: &RoomName,
        seq: u64,
        emoji: String,
        on: bool,
        answer: Answer,
    ) -> Result<()> {
        let (room, membership) = self.require_presence(caller, to).await?;
        self.account(caller)?;
        if on {
            check_can_post(caller, membership)?;
            self.check_partner(caller, &room).await?;
        }
        Messages::check_emoji(&emoji)?;
        let change = Change::React { room: room.id, seq, emoji: emoji.into(), on };
        self.commit_message_change(caller, change, answer).await
    }

    async fn commit_message_change(&self, caller: &Caller, change: Change, answer: Answer) -> Result<()> {
        let first: UnitDone = Box::new(|events| {
            answer(events.iter().find_map(|event| match event {
                Event::Entry(entry) => Some((entry.seq, entry.at)),
                _ => None,
            }));
        });
        self.writer.commit_and_answer(Unit::new(caller.actor.clone(), vec![change]), first).await
    }

    async fn prepare_edit(&self, caller: &Caller, to: &RoomName, seq: u64, body: String) -> Result<Change> {
        let (room, membership) = self.require_presence(caller, to).await?;
        let me = self.account(caller)?.id;
        check_can_post(caller, membership)?;
        self.check_partner(caller, &room).await?;
        let message = self.messages.get(room.id, seq).await?;
        if message.from.account.is_none_or(|(author, _)| author != me) {
            return Err(Error::Forbidden("only its author can edit a message".into()));
        }
        let attachments = message.post.attachments;
        self.check_text(&body, &attachments)?;
        let id = room.id;
        let draft =
            Draft { body, reply_to: message.post.reply_to, edit_of: Some(seq), attachments: links(&attachments) };
        let body = self.filtered(caller, room, membership, draft, &attachments)?;
        Ok(Change::EditMessage { room: id, seq, body: body.into() })
    }

    async fn prepare_deletion(&self, caller: &Caller, to: &RoomName, seq: u64) -> Result<Change> {
        let (room, membership) = self.require_presence(caller, to).await?;
        let me = self.account(caller)?.id;
        let message = self.messages.get(room.id, seq).await?;
        let own = message.from.account.is_some_and(|(author, _)| author == me);
        if !own && membership.role < Some(Role::Moderator) {
            return Err(Error::Forbidden("only its author or a moderator can delete a message".into()));
        }
        Ok(Change::DeleteMessage { room: room.id, seq })
    }

    /// Messages of a room that the caller is in, in their current state.
    pub async fn history(&self, caller: &Caller, name: &RoomName, page: Page, limit: u32) -> Result<HistoryPage> {
        let (room, _) = self.require_presence(caller, name).await?;
        let (messages, more) = self.messages.history(room.id, page, limit).await?;
        Ok(HistoryPage { messages, more })
    }

    /// Marks a room as read up to an entry, at most the last one; returns which.
    pub async fn mark_read(&self, caller: &Caller, name: &RoomName, seq: u64) -> Result<u64> {
        let (room, _) = self.require_presence(caller, name).await?;
        self.account(caller)?;
        let seq = seq.min(self.messages.last_seq(room.id).await?);
        self.writer.commit(Unit::new(caller.actor.clone(), vec![Change::MarkRead { room: room.id, seq }])).await?;
        Ok(seq)
    }

    /// Sends the others in a room that the caller is typing.
    pub async fn typing(&self, caller: &Caller, name: &RoomName) -> Result<()> {
        let (room, membership) = self.require_presence(caller, name).await?;
        check_can_post(caller, membership)?;
        self.check_partner(caller, &room).await?;
        self.hub.typing(room.id, Author::from(&caller.actor), caller.connection);
        Ok(())
    }

    /// The caller's rooms with their numbers of unread messages.
    pub async fn unread(&self, caller: &Caller) -> Result<Vec<UnreadRoom>> {
        self.messages.unread(self.account(caller)?.id).await
    }

    /// Searches the caller's rooms, or one of them.
    pub async fn search(
        &self,
        caller: &Caller,
        query: &str,
        room: Option<&RoomName>,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<SearchPage> {
        let me = self.account(caller)?.id;
        let room = match room {
            Some(name) => Some(self.require_presence(caller, name).await?.0.id),
            None => None,
        };
        let (messages, next) = self.messages.search(me, query, room, cursor, limit).await?;
        Ok(SearchPage { messages, next })
    }
}

/// Checks that a caller who is in the room may post now. Guests have no membership.
fn check_can_post(caller: &Caller, membership: Membership) -> Result<()> {
    match caller.actor.account() {
        Some(_) => membership.check_can_post(now()),
        None => Ok(()),
    }
}

fn links(attachments: &[Attachment]) -> Vec<String> {
    attachments.iter().map(Attachment::url_for_plugins).collect()
}
