//! Detects floods: too many messages or repetitions of one sender.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};

use natterjack_plugin_sdk::Timestamp;
use natterjack_plugin_sdk::prelude::*;

use crate::settings::FloodRules;

/// Pairs of room and sender whose recent messages are kept.
const MAX_TRACKED_SENDERS: usize = 10_000;

/// Recent messages by sender, in this instance's memory; a new instance starts empty.
#[derive(Debug)]
pub(crate) struct Flood {
    rules: FloodRules,
    /// By a hash of room and actor.
    recent: HashMap<u64, VecDeque<RecentMessage>>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct RecentMessage {
    at: Timestamp,
    /// A hash of the text, ignoring case and spacing.
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

    /// Whether this message exceeds a limit. If not, it is recorded.
    pub(crate) fn is_too_much(&mut self, ctx: &Context, body: &str) -> bool {
        if self.rules.messages == 0 && self.rules.repeats == 0 {
            return false;
        }
        let actor = match &ctx.actor {
            Actor::Account(account) => account.id.as_str(),
            Actor::Guest(guest) => guest.id.as_str(),
            // The server limits plugins itself.
            Actor::Plugin(_) | Actor::Server => return false,
        };
        let now = clock::now();
        let what = if self.rules.repeats > 0 { self.hash_text(body) } else { 0 };
        let who = self.hasher.hash_one((ctx.room.as_ref().map(|room| room.id.as_str()), actor));
        if self.recent.len() >= MAX_TRACKED_SENDERS && !self.recent.contains_key(&who) {
            self.forget(now);
        }
        let messages = self.recent.entry(who).or_default();
        messages.retain(|message| since(message, now) < self.rules.max_age_ms());
        let within = |seconds: u32, same: bool| {
            let counts = |message: &&RecentMessage| {
                since(message, now) < u64::from(seconds) * 1_000 && (!same || message.what == what)
            };
            messages.iter().filter(counts).count()
        };
        let FloodRules { messages: max_messages, seconds, repeats, repeat_seconds } = self.rules;
        let too_much = (max_messages > 0 && within(seconds, false) >= max_messages as usize)
            || (repeats > 0 && within(repeat_seconds, true) >= repeats as usize);
        // Rejected messages are not recorded, or a sender who keeps trying would stay blocked for ever.
        if !too_much {
            messages.push_back(RecentMessage { at: now, what });
        }
        too_much
    }

    /// Hashes a text, ignoring case and spacing.
    fn hash_text(&self, body: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        body.to_lowercase().split_whitespace().for_each(|word| hasher.write(word.as_bytes()));
        hasher.finish()
    }

    /// Drops expired senders, or all senders if none has expired.
    fn forget(&mut self, now: Timestamp) {
        let max_age_ms = self.rules.max_age_ms();
        self.recent.retain(|_, messages| messages.back().is_some_and(|last| since(last, now) < max_age_ms));
        if self.recent.len() >= MAX_TRACKED_SENDERS {
            self.recent.clear();
        }
    }
}

fn since(message: &RecentMessage, now: Timestamp) -> u64 {
    now.saturating_sub(message.at)
}
