//! Conversions of messages to the contract's types.

use super::bindings::wire;
use crate::clock::Timestamp;
use crate::protocol::{Attachment, Author, AuthorKind, MemberRef, Message, Post};

impl From<&Author> for wire::Author {
    fn from(author: &Author) -> Self {
        let name = author.name.to_string();
        match (author.kind, author.account) {
            (AuthorKind::Account, Some((id, _))) => Self::Account(wire::AccountRef { id: id.to_string(), name }),
            (AuthorKind::Account | AuthorKind::Guest, _) => Self::Guest(name),
            (AuthorKind::Plugin, _) => Self::Plugin(name),
            (AuthorKind::Server, _) => Self::Server,
        }
    }
}

impl From<Message> for wire::Message {
    fn from(message: Message) -> Self {
        let Message { seq, at, from, post, edited_at, .. } = message;
        Self { edited_at: edited_at.map(millis), ..new(seq, &from, at, &post) }
    }
}

impl From<&MemberRef> for wire::AccountRef {
    fn from(whom: &MemberRef) -> Self {
        Self { id: whom.id.to_string(), name: whom.name.to_string() }
    }
}

/// A message that was not edited.
pub(super) fn new(seq: u64, author: &Author, at: Timestamp, post: &Post) -> wire::Message {
    wire::Message {
        seq,
        author: author.into(),
        body: post.body.to_string(),
        at: millis(at),
        reply_to: post.reply_to,
        edited_at: None,
        attachments: post.attachments.iter().map(Attachment::url_for_plugins).collect(),
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}
