//! Wire syntaxes: decodes client frames into [`Command`](crate::protocol::Command)s and requests, and encodes replies and events.
//! Contains no chat logic and no I/O.

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

/// A frame's `type`: a string, or a value of another type.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind<'a> {
    Word(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

/// The wire syntax of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Native,
    Groups,
    Go,
    Rooms,
    Direct,
    /// `direct` for accounts of an external token issuer, which are known by the issuer's ids.
    DirectExternal,
    EchoSessions,
}

/// The number of dialects.
pub const DIALECTS: usize = 7;

impl Dialect {
    pub const ALL: [Self; DIALECTS] =
        [Self::Native, Self::Groups, Self::Go, Self::Rooms, Self::Direct, Self::DirectExternal, Self::EchoSessions];

    /// The dialect's name in the configuration and in paths.
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

    /// Detects the dialect of a connection from its first frame.
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
            // A known `type` is enough: a missing `payload` is an error, not a sign of another dialect.
            Shape { kind: Some(Kind::Word(word)), .. } if rooms::COMMANDS.contains(&&*word) => Some(Self::Rooms),
            Shape { kind: Some(_), .. } => Some(Self::Groups),
            _ => None,
        }
    }

    /// Whether a connection also receives the events of its own commands, besides the answers.
    pub fn echoes(self) -> bool {
        match self {
            Self::Native | Self::Groups | Self::Go | Self::Direct | Self::DirectExternal | Self::EchoSessions => true,
            Self::Rooms => false,
        }
    }

    /// Whether connections need an event for each account that starts or stops listening to a room. Those of guests are always
    /// broadcast.
    pub fn wants_presence(self) -> bool {
        match self {
            Self::Native | Self::Go | Self::Direct | Self::DirectExternal | Self::EchoSessions => false,
            Self::Groups | Self::Rooms => true,
        }
    }

    /// The frame for a connection that was evicted from a room, in which it is called `name`. `None` if the dialect has no such
    /// frame: there the next command fails.
    pub fn encode_eviction(self, eviction: &Eviction, name: &str) -> Option<Utf8Bytes> {
        match self {
            // The entry in the room's log says it.
            Self::Native => None,
            Self::Groups => groups::evicted(eviction, name),
            Self::Rooms => rooms::evicted(eviction, name),
            Self::EchoSessions => Some(sessions::evicted(eviction)),
            Self::Go | Self::Direct | Self::DirectExternal => None,
        }
    }

    /// Whether connections receive the presence of all accounts without asking for it.
    pub fn broadcasts_presence(self) -> bool {
        matches!(self, Self::Direct | Self::DirectExternal)
    }
}

/// An event with its encodings: each dialect's is made for the first subscriber that needs it, and shared by the others.
pub struct Encoded<'a> {
    event: &'a Event,
    /// The room of the event, if it has one.
    room: Option<&'a Room>,
    /// By dialect: `None` if not encoded yet, `Some(None)` if the dialect has no frame for the event.
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

/// Reads a frame's fields; the error names the invalid one.
fn fields<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(json::frame(text)?)
}

/// A token without the prefix `Bearer`, which many clients leave on it.
pub fn bare_token(token: &str) -> &str {
    let token = token.trim();
    match token.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => token,
    }
}

/// The id of a message, in dialects that have one: a UUID derived from the room and the number.
pub fn message_id(room: RoomId, seq: u64) -> Uuid {
    Uuid::new_v5(&room.0, &seq.to_be_bytes())
}

/// Serializes a frame.
fn to_text(frame: &impl Serialize) -> Utf8Bytes {
    match serde_json::to_string(frame) {
        Ok(text) => text.into(),
        // Only maps with keys that are not strings can fail, and our frames have none.
        Err(error) => {
            tracing::error!(%error, "frame encoding failed");
            Utf8Bytes::from_static(r#"{"error":{"code":"internal","message":"a frame could not be written"}}"#)
        }
    }
}

#[cfg(test)]
mod tests;
