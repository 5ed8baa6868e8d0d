//! Wire syntaxes: what a client writes becomes a [`Command`](crate::protocol::Command), and replies and events become what it reads.
//! No chat logic, no I/O.

pub mod direct;
pub mod go;
pub mod groups;
pub mod json;
pub mod native;
pub mod rooms;
pub mod sessions;
pub mod words;

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::direct::Ids;
use crate::error::Result;
use crate::protocol::{Event, Eviction, Room, RoomId};

/// A frame's `type`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind<'a> {
    Word(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Native,
    Groups,
    Go,
    Rooms,
    Direct,
    /// The same for people who log in elsewhere: they know each other by the ids that they have there.
    DirectExternal,
    EchoSessions,
}

/// How many there are.
pub const DIALECTS: usize = 7;

impl Dialect {
    pub const ALL: [Self; DIALECTS] =
        [Self::Native, Self::Groups, Self::Go, Self::Rooms, Self::Direct, Self::DirectExternal, Self::EchoSessions];

    /// What the configuration and the paths call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Groups => "groups",
            Self::Go => "go",
            Self::Rooms => "rooms",
            Self::Direct | Self::DirectExternal => "direct",
            Self::EchoSessions => "echo-sessions",
        }
    }

    /// The dialect that a connection's first frame belongs to.
    pub fn of_first_frame(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Shape<'a> {
            op: Option<IgnoredAny>,
            event: Option<IgnoredAny>,
            #[serde(borrow, rename = "type")]
            kind: Option<Kind<'a>>,
            payload: Option<IgnoredAny>,
        }
        let shape: Shape<'_> = json::frame(text).ok()?;
        match shape {
            Shape { op: Some(_), .. } => Some(Self::Native),
            Shape { event: Some(_), .. } => Some(Self::Direct),
            Shape { kind: Some(_), payload: Some(_), .. } => Some(Self::Rooms),
            // Its words are enough: what is missing beside them is an error, and no sign of another dialect.
            Shape { kind: Some(Kind::Word(word)), .. } if rooms::COMMANDS.contains(&&*word) => Some(Self::Rooms),
            Shape { kind: Some(_), .. } => Some(Self::Groups),
            _ => None,
        }
    }

    /// Whether a connection gets the event of what it did itself; else its answer says all.
    pub fn echoes(self) -> bool {
        match self {
            Self::Native | Self::Groups | Self::Go | Self::Direct | Self::DirectExternal | Self::EchoSessions => true,
            Self::Rooms => false,
        }
    }

    /// Whether it tells its clients who else listens to a room. Native ones are told of guests; of members they know.
    pub fn wants_presence(self) -> bool {
        match self {
            Self::Native | Self::Go | Self::Direct | Self::DirectExternal | Self::EchoSessions => false,
            Self::Groups | Self::Rooms => true,
        }
    }

    /// What a connection is told that was put out of a room where it is called `name`. None where the dialect has no words
    /// for it: there the error of the next command says so.
    pub fn encode_eviction(self, eviction: &Eviction, name: &str) -> Option<Utf8Bytes> {
        match self {
            // The room's log says it.
            Self::Native => None,
            Self::Groups => groups::evicted(eviction, name),
            Self::Rooms => rooms::evicted(eviction, name),
            Self::EchoSessions => Some(sessions::evicted(eviction)),
            Self::Go | Self::Direct | Self::DirectExternal => None,
        }
    }

    /// Whether it tells its clients of everybody who comes online or goes, asked or not.
    pub fn broadcasts_presence(self) -> bool {
        matches!(self, Self::Direct | Self::DirectExternal)
    }
}

/// An event in every dialect that somebody in the room speaks: encoded at the first who does, shared by the rest.
pub struct Encoded<'a> {
    event: &'a Event,
    /// Where it happened, if it happened in a room.
    room: Option<&'a Room>,
    /// By dialect: not asked for yet, or nothing that it has words for, or its words.
    texts: [Option<Option<Utf8Bytes>>; DIALECTS],
}

impl<'a> Encoded<'a> {
    pub fn new(event: &'a Event, room: Option<&'a Room>) -> Self {
        Self { event, room, texts: [const { None }; DIALECTS] }
    }

    pub fn for_dialect(&mut self, dialect: Dialect) -> Option<Utf8Bytes> {
        let (event, room) = (self.event, self.room);
        self.texts[dialect as usize]
            .get_or_insert_with(|| match dialect {
                Dialect::Native => native::encode_event(event),
                Dialect::Groups => groups::encode_event(event, room),
                Dialect::Go => go::encode_event(event, room),
                Dialect::Rooms => rooms::encode_event(event, room),
                Dialect::Direct => direct::encode_event(event, room, Ids::Ours),
                Dialect::DirectExternal => direct::encode_event(event, room, Ids::External),
                Dialect::EchoSessions => sessions::encode_event(event, room),
            })
            .clone()
    }
}

/// Reads a frame's fields; the error names the one that is wrong.
fn fields<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(json::frame(text)?)
}

/// A token without the `Bearer` that many clients keep with it, as HTTP wants it.
pub fn bare_token(token: &str) -> &str {
    let token = token.trim();
    match token.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => token,
    }
}

/// A message's id where a dialect wants one: always the same for the same message.
pub fn message_id(room: RoomId, seq: u64) -> Uuid {
    Uuid::new_v5(&room.0, &seq.to_be_bytes())
}

/// A frame's text.
fn to_text(frame: &impl Serialize) -> Utf8Bytes {
    match serde_json::to_string(frame) {
        Ok(text) => text.into(),
        // Only a map with keys that are no strings could fail, and none of ours has any.
        Err(error) => {
            tracing::error!(%error, "a frame could not be written");
            Utf8Bytes::from_static(r#"{"error":{"code":"internal","message":"a frame could not be written"}}"#)
        }
    }
}

#[cfg(test)]
mod tests;
