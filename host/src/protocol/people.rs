//! Accounts, guests and plugins as actors and authors.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AccountId, ConnectionId};

/// The essentials of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    /// The id in dialects with integer ids.
    pub number: i64,
    pub name: Arc<str>,
    pub is_admin: bool,
}

/// A connection without an account, identified by the connection for as long as it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    pub id: ConnectionId,
    pub name: Arc<str>,
}

/// A plugin as an actor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bot {
    /// The plugin's id, which is also its displayed name.
    pub plugin: Arc<str>,
    /// The account that its posts are stored under.
    pub id: AccountId,
    pub number: i64,
}

/// The actor of a command or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    Account(Account),
    Guest(Guest),
    Plugin(Bot),
    Server,
}

impl Actor {
    /// The account; none for guests, plugins and the server.
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Account(account) => Some(account),
            _ => None,
        }
    }

    /// The displayed name.
    pub fn name(&self) -> &str {
        match self {
            Self::Account(account) => &account.name,
            Self::Guest(guest) => &guest.name,
            Self::Plugin(bot) => &bot.plugin,
            Self::Server => "server",
        }
    }
}

/// A member's role; each includes the rights of the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Member,
    Moderator,
    Owner,
}

words!(Role, "role", Member = "member", Moderator = "moderator", Owner = "owner");

/// The kind of an author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthorKind {
    Account,
    Guest,
    Plugin,
    Server,
}

/// The author of an entry in a room's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub kind: AuthorKind,
    /// None for guests and for the server.
    pub account: Option<(AccountId, i64)>,
    /// A plugin's name is its id.
    pub name: Arc<str>,
}

impl From<&Actor> for Author {
    fn from(actor: &Actor) -> Self {
        let (kind, account) = match actor {
            Actor::Account(account) => (AuthorKind::Account, Some((account.id, account.number))),
            Actor::Guest(_) => (AuthorKind::Guest, None),
            Actor::Plugin(bot) => (AuthorKind::Plugin, Some((bot.id, bot.number))),
            Actor::Server => (AuthorKind::Server, None),
        };
        let name = match actor {
            Actor::Account(account) => account.name.clone(),
            Actor::Guest(guest) => guest.name.clone(),
            Actor::Plugin(bot) => bot.plugin.clone(),
            Actor::Server => "server".into(),
        };
        Self { kind, account, name }
    }
}
