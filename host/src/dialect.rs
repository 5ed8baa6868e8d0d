//! Wire syntaxes: what a client writes becomes a [`Command`](crate::protocol::Command), and replies and events become what it reads.
//! No chat logic, no I/O.

pub mod native;

use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::protocol::{Event, Room};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Native,
}

/// How many there are.
const DIALECTS: usize = 1;

impl Dialect {
    /// What a connection speaks that shows it by its first frame.
    pub fn of_first_frame(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Shape {
            op: Option<IgnoredAny>,
        }
        let shape: Shape = serde_json::from_str(text).ok()?;
        shape.op.map(|_| Self::Native)
    }

    /// Whether it tells its clients who else listens to a room. Native ones are told of guests; of members they know.
    pub fn is_curious(self) -> bool {
        match self {
            Self::Native => false,
        }
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
        let (event, _room) = (self.event, self.room);
        self.texts[dialect as usize]
            .get_or_insert_with(|| match dialect {
                Dialect::Native => native::encode_event(event),
            })
            .clone()
    }
}
