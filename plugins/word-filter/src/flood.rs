//! Who says too much.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};

use natterjack_plugin_sdk::Timestamp;
use natterjack_plugin_sdk::prelude::*;

use crate::settings::FloodRules;

/// People in rooms that are kept in mind at a time.
const KEPT: usize = 10_000;

/// What was said of late, in this instance's memory: a new instance begins with none.
#[derive(Debug)]
pub(crate) struct Flood {
    rules: FloodRules,
    /// By room and actor, both hashed.
    recent: HashMap<u64, VecDeque<Said>>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    at: Timestamp,
    /// The text, hashed, in any case and spacing.
    what: u64,
}

impl Flood {
    pub(crate) fn new(rules: FloodRules) -> Result<Self, String> {
        for (key, value) in [("messages", rules.messages), ("repeats", rules.repeats)] {
            if value > 100 {
                return Err(format!("`flood.{key}` is at most 100"));
            }
        }
        for (key, value) in [("seconds", rules.seconds), ("repeat_seconds", rules.repeat_seconds)] {
            if !(1..=3_600).contains(&value) {
                return Err(format!("`flood.{key}` is 1 to 3,600"));
            }
        }
        Ok(Self { rules, recent: HashMap::new(), hasher: RandomState::new() })
    }

    /// Whether this message is one too many. If it is not, it counts from now on.
    pub(crate) fn is_too_much(&mut self, ctx: &Context, body: &str) -> bool {
        if self.rules.messages == 0 && self.rules.repeats == 0 {
            return false;
        }
        let actor = match &ctx.actor {
            Actor::Account(account) => account.id.as_str(),
            Actor::Guest(guest) => guest.id.as_str(),
            // The server keeps its own in bounds.
            Actor::Plugin(_) | Actor::Server => return false,
        };
        let now = clock::now();
        let what = if self.rules.repeats > 0 { self.read(body) } else { 0 };
        let who = self.hasher.hash_one((ctx.room.as_ref().map(|room| room.id.as_str()), actor));
        if self.recent.len() >= KEPT && !self.recent.contains_key(&who) {
            self.forget(now);
        }
        let said = self.recent.entry(who).or_default();
        said.retain(|said| since(said, now) < self.rules.longest());
        let within = |seconds: u32, same: bool| {
            let counts = |said: &&Said| since(said, now) < u64::from(seconds) * 1_000 && (!same || said.what == what);
            said.iter().filter(counts).count()
        };
        let FloodRules { messages, seconds, repeats, repeat_seconds } = self.rules;
        let too_much = (messages > 0 && within(seconds, false) >= messages as usize)
            || (repeats > 0 && within(repeat_seconds, true) >= repeats as usize);
        // What nobody gets to read does not count, or those who go on trying would never be heard again.
        if !too_much {
            said.push_back(Said { at: now, what });
        }
        too_much
    }

    /// A text, whatever its case and spacing.
    fn read(&self, body: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        body.to_lowercase().split_whitespace().for_each(|word| hasher.write(word.as_bytes()));
        hasher.finish()
    }

    /// Makes room, first of those who have been silent long enough.
    fn forget(&mut self, now: Timestamp) {
        let longest = self.rules.longest();
        self.recent.retain(|_, said| said.back().is_some_and(|last| since(last, now) < longest));
        if self.recent.len() >= KEPT {
            self.recent.clear();
        }
    }
}

fn since(said: &Said, now: Timestamp) -> u64 {
    now.saturating_sub(said.at)
}
