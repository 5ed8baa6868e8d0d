//! A simple model of a room.

use std::collections::{BTreeMap, BTreeSet};

use super::{EMOJIS, Op, PEOPLE};

/// The state that every member can observe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Their roles, by name.
    pub(super) members: BTreeMap<String, String>,
    pub(super) topic: String,
    pub(super) visibility: String,
    /// By number.
    pub(super) messages: BTreeMap<u64, Message>,
}

impl Default for State {
    /// The state of a new room.
    fn default() -> Self {
        let (members, messages) = (BTreeMap::new(), BTreeMap::new());
        Self { members, topic: String::new(), visibility: "public".into(), messages }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) by: String,
    pub(super) body: String,
    pub(super) edited: bool,
    pub(super) deleted: bool,
    /// Who reacted, by emoji.
    pub(super) reactions: BTreeMap<String, BTreeSet<String>>,
}

impl Message {
    pub(super) fn edit(&mut self, body: &str) {
        self.body = body.into();
        self.edited = true;
    }

    pub(super) fn delete(&mut self) {
        self.body.clear();
        self.reactions.clear();
        self.deleted = true;
    }

    /// Returns whether that changed anything.
    pub(super) fn react(&mut self, emoji: &str, by: &str, on: bool) -> bool {
        let who = self.reactions.entry(emoji.into()).or_default();
        let changed = if on { who.insert(by.into()) } else { who.remove(by) };
        self.reactions.retain(|_, who| !who.is_empty());
        changed
    }
}

pub(super) struct Model {
    pub(super) state: State,
    pub(super) last_seq: u64,
    invited: BTreeSet<String>,
    banned: BTreeSet<String>,
    muted: BTreeSet<String>,
}

/// The code of an error.
type Refused = &'static str;

impl Model {
    pub(super) fn new(owner: &str, listener: &str) -> Self {
        let mut state = State::default();
        state.members.insert(owner.into(), "owner".into());
        state.members.insert(listener.into(), "member".into());
        let nobody = BTreeSet::new;
        Self { state, last_seq: 2, invited: nobody(), banned: nobody(), muted: nobody() }
    }

    /// The number of the nth message; an unused number if there is none.
    pub(super) fn message(&self, nth: usize) -> u64 {
        let messages = self.state.messages.len();
        let found = self.state.messages.keys().nth(if messages == 0 { 0 } else { nth % messages });
        found.copied().unwrap_or(1_000_000)
    }

    /// Applies an operation; returns the code of its refusal.
    pub(super) fn apply(&mut self, who: &str, op: &Op) -> Result<(), Refused> {
        if let Op::Join = op {
            return self.join(who);
        }
        let role = self.rank(who).ok_or("forbidden")?;
        match op {
            Op::Join => {}
            Op::Leave => {
                self.state.members.remove(who);
                self.log();
            }
            Op::Post(body) => {
                self.check_can_post(who)?;
                self.log();
                let message = Message { by: who.into(), body: body.clone(), ..Message::default() };
                self.state.messages.insert(self.last_seq, message);
            }
            Op::Edit(message, body) => {
                self.check_can_post(who)?;
                let message = self.message_mut(*message)?;
                require(message.by == who)?;
                message.edit(body);
                self.log();
            }
            Op::Delete(message) => {
                let message = self.message_mut(*message)?;
                require(message.by == who || role >= MODERATOR)?;
                message.delete();
                self.log();
            }
            Op::React(message, emoji, on) => {
                if *on {
                    self.check_can_post(who)?;
                }
                if self.message_mut(*message)?.react(EMOJIS[*emoji], who, *on) {
                    self.log();
                }
            }
            Op::Role(..) => {
                require(role >= OWNER)?;
                self.govern(who, op)?;
            }
            _ => {
                require(role >= MODERATOR)?;
                self.govern(who, op)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, who: &str) -> Result<(), Refused> {
        require(!self.banned.contains(who))?;
        if self.rank(who).is_none() {
            require(self.state.visibility == "public" || self.invited.contains(who))?;
            self.invited.remove(who);
            self.state.members.insert(who.into(), "member".into());
            self.log();
        }
        Ok(())
    }

    /// Applies an operation that needs a role, which the caller has.
    fn govern(&mut self, who: &str, op: &Op) -> Result<(), Refused> {
        match op {
            Op::Invite(whom) => {
                let whom = PEOPLE[*whom];
                if self.rank(whom).is_some() || self.banned.contains(whom) {
                    return Err("conflict");
                }
                self.invited.insert(whom.into());
                self.log();
            }
            Op::Kick(whom) => {
                let whom = self.lower_member(who, *whom)?;
                self.state.members.remove(whom);
                self.log();
            }
            Op::Ban(whom) => {
                let whom = self.lower(who, *whom)?;
                self.banned.insert(whom.into());
                self.invited.remove(whom);
                if self.state.members.remove(whom).is_some() {
                    self.log();
                }
            }
            Op::Unban(whom) => drop(self.banned.remove(PEOPLE[*whom])),
            Op::Role(whom, role) => {
                let whom = self.lower_member(who, *whom)?;
                self.state.members.insert(whom.into(), (*role).into());
                self.log();
            }
            Op::Mute(whom, on) => {
                let whom = self.lower_member(who, *whom)?;
                if *on {
                    self.muted.insert(whom.into())
                } else {
                    self.muted.remove(whom)
                };
            }
            Op::Topic(topic) => {
                self.state.topic.clone_from(topic);
                self.log();
            }
            Op::Visibility(visibility) => {
                self.state.visibility = (*visibility).into();
                self.log();
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts one more entry.
    fn log(&mut self) {
        self.last_seq += 1;
    }

    fn rank(&self, who: &str) -> Option<usize> {
        let role = self.state.members.get(who)?;
        ["member", "moderator", "owner"].iter().position(|rank| rank == role)
    }

    fn check_can_post(&self, who: &str) -> Result<(), Refused> {
        require(!self.muted.contains(who))
    }

    fn message_mut(&mut self, nth: usize) -> Result<&mut Message, Refused> {
        let seq = self.message(nth);
        self.state.messages.get_mut(&seq).filter(|message| !message.deleted).ok_or("not_found")
    }

    /// The target, if it ranks lower: nobody may act on themselves or on equals.
    fn lower(&self, who: &str, whom: usize) -> Result<&'static str, Refused> {
        let whom = PEOPLE[whom];
        if who == whom {
            return Err("invalid");
        }
        require(self.rank(whom) < self.rank(who))?;
        Ok(whom)
    }

    fn lower_member(&self, who: &str, whom: usize) -> Result<&'static str, Refused> {
        let whom = self.lower(who, whom)?;
        self.rank(whom).map(|_| whom).ok_or("not_found")
    }
}

const MODERATOR: usize = 1;
const OWNER: usize = 2;

fn require(allowed: bool) -> Result<(), Refused> {
    if allowed { Ok(()) } else { Err("forbidden") }
}
