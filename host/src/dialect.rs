//! Wire syntaxes: what a client writes becomes a [`Command`](crate::protocol::Command), and replies and events become what it reads.
//! No chat logic, no I/O.

pub mod native;

use axum::extract::ws::Utf8Bytes;

use crate::protocol::Event;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    Native,
}

/// An event in every dialect that somebody in the room speaks: encoded at the first who does, shared by the rest.
pub struct Encoded<'a> {
    event: &'a Event,
    native: Option<Utf8Bytes>,
}

impl<'a> Encoded<'a> {
    pub fn new(event: &'a Event) -> Self {
        Self { event, native: None }
    }

    pub fn for_dialect(&mut self, dialect: Dialect) -> Utf8Bytes {
        match dialect {
            Dialect::Native => self.native.get_or_insert_with(|| native::encode_event(self.event)).clone(),
        }
    }
}
