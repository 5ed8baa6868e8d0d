//! Rules of a room's moderators for guests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ConnectionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result};

/// What a rule forbids: joining or posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestRuleKind {
    Ban,
    Mute,
}
words!(GuestRuleKind, "kind of rule", Ban = "ban", Mute = "mute");

/// A ban or mute for guests of this connection or this origin, limited in time; never for accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestRule {
    pub kind: GuestRuleKind,
    pub connection: Option<ConnectionId>,
    /// A hash of the address.
    pub origin: Option<Arc<str>>,
    pub until: Timestamp,
}

/// Selects guests in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuestSelector {
    All,
    Connection(ConnectionId),
    Origin(Arc<str>),
}

impl GuestSelector {
    /// Whether a guest with this connection and origin is selected.
    pub fn selects(&self, connection: ConnectionId, origin: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Connection(one) => *one == connection,
            Self::Origin(from) => origin == Some(&**from),
        }
    }
}

/// All rules for guests in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestRules {
    /// No guest may join.
    pub closed: bool,
    pub rules: Vec<GuestRule>,
}

impl GuestRules {
    fn find(
        &self,
        kind: GuestRuleKind,
        connection: Option<ConnectionId>,
        origin: &str,
        now: Timestamp,
    ) -> Option<&GuestRule> {
        let holds_for = |rule: &&GuestRule| {
            let by_connection = rule.connection.is_some() && rule.connection == connection;
            rule.kind == kind && rule.until > now && (by_connection || rule.origin.as_deref() == Some(origin))
        };
        self.rules.iter().filter(holds_for).max_by_key(|rule| rule.until)
    }

    /// Checks that a guest may be in the room.
    pub fn check_presence(&self, connection: Option<ConnectionId>, origin: &str, now: Timestamp) -> Result<()> {
        if self.closed {
            return Err(Error::Forbidden("this room does not admit guests; log in to join it".into()));
        }
        match self.find(GuestRuleKind::Ban, connection, origin, now) {
            Some(ban) => {
                Err(Error::Forbidden(format!("guests from your address are banned from this room until {}", ban.until)))
            }
            None => Ok(()),
        }
    }

    /// Checks that a guest who is in the room may post.
    pub fn check_can_post(&self, connection: Option<ConnectionId>, origin: &str, now: Timestamp) -> Result<()> {
        self.check_presence(connection, origin, now)?;
        match self.find(GuestRuleKind::Mute, connection, origin, now) {
            Some(mute) => Err(Error::Forbidden(format!("muted in this room until {}", mute.until))),
            None => Ok(()),
        }
    }
}
