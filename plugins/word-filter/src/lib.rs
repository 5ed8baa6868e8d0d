//! Filters words, links and floods: masks hits, or rejects the message.
//!
//! ```toml
//! [plugin.word-filter.settings]
//! words = ["darn", "dratted thing"]     # whole words, ignoring case
//! patterns = ['\bspam+\b']              # regular expressions, ignoring case
//! evasions = ["spacing", "lookalikes", "repeats"]  # disguises of words that are detected; also "accents"
//! action = "mask"                       # or "reject"
//! mask = "*"                            # replaces each masked character
//! reason = "Mind your words."           # shown to the sender with a rejection
//! links.deny = ["casino.example"]       # hosts that links must not lead to, including their subdomains
//! links.allow = ["example.org"]         # if given, the only ones they may lead to
//! flood.messages = 8                    # messages that one person may post in a room …
//! flood.seconds = 10                    # … in this time
//! flood.repeats = 2                     # how often the same text may be posted …
//! flood.repeat_seconds = 60             # … in this time
//! exempt = "moderator"                  # members with this role in the room, or a higher one, are not filtered
//! exempt_rooms = ["staff"]              # rooms, by name or id, that are not filtered
//! ```
//!
//! All keys are optional; without any, everything passes. Words match ignoring case in any script, and only between
//! word boundaries. A pattern matches anywhere; `\b` and `\w` support Unicode.
//!
//! Detected by default: letters apart (`d a r n`, `d.a.r.n`, `d-a_rn`; but not `d, a & r`, which is a list), digits, signs and letters of other scripts for
//! letters (`d4rn`, `d@rn`), and drawn-out letters (`daaarn`, but a single doubled one makes another word: `god` is not
//! `good`). `accents` (`dárn`) is for languages without them: in Spanish, `año` is not `ano`.
//!
//! The recent messages for flood detection are kept in the memory of the instance that filters a room, and lost when the
//! plugin or its settings are replaced. Edits and plugins' posts do not count. A flood is always rejected, whatever
//! the action.
//!
//! Rejections have the codes `blocked_word`, `blocked_link` and `flood`. Grants: none.

mod alphabet;
mod bounds;
mod disguised;
mod flood;
mod korean;
mod links;
mod looks;
mod patterns;
mod reader;
mod settings;
mod skeleton;
mod words;

use std::ops::Range;

use natterjack_plugin_sdk::prelude::*;

use crate::disguised::Disguised;
use crate::flood::Flood;
use crate::links::Links;
use crate::patterns::Patterns;
use crate::settings::{Action, Evasions, Settings};
use crate::words::Words;

/// The plugin, with its rules compiled once for each instance.
#[derive(Debug)]
pub struct WordFilter {
    words: Words,
    /// None if no disguises are to be detected.
    disguised: Option<Disguised>,
    patterns: Patterns,
    links: Links,
    flood: Flood,
    action: Action,
    mask: char,
    reason: String,
    exempt: Option<Role>,
    exempt_rooms: Vec<String>,
}

impl Lifecycle for WordFilter {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            name: "Word filter",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Masks unwanted words and links, or keeps messages with them out, and floods too",
        }
    }

    fn init(settings: Settings) -> Result<Self, String> {
        if settings.mask.is_control() {
            return Err("`mask` must be a character that can be seen".to_owned());
        }
        let evasions = Evasions::new(&settings.evasions);
        let sees_through = !settings.evasions.is_empty();
        Ok(Self {
            words: Words::new(&settings.words)?,
            disguised: sees_through.then(|| Disguised::new(&settings.words, evasions)).transpose()?,
            patterns: Patterns::new(&settings.patterns)?,
            links: Links::new(settings.links)?,
            flood: Flood::new(settings.flood)?,
            action: settings.action,
            mask: settings.mask,
            reason: settings.reason,
            exempt: settings.exempt,
            exempt_rooms: settings.exempt_rooms.iter().map(|room| room.to_lowercase()).collect(),
        })
    }
}

impl MessageFilter for WordFilter {
    fn on_message(&mut self, ctx: &Context, draft: &Draft) -> Verdict {
        if self.is_exempt(ctx) {
            return Verdict::Allow;
        }
        let mut hits = Vec::new();
        self.links.find(&draft.body, &mut hits);
        let has_link = !hits.is_empty();
        // Attachments cannot be masked.
        if draft.attachments.iter().any(|link| self.links.is_denied(link)) {
            return Verdict::reject("blocked_link", &self.reason);
        }
        if !self.disguised.as_ref().is_some_and(|disguised| disguised.sees_nothing_in(&draft.body)) {
            self.words.find(&draft.body, &mut hits);
            if let Some(disguised) = &mut self.disguised {
                disguised.find(&draft.body, &mut hits);
            }
        }
        self.patterns.find(&draft.body, &mut hits);
        if !hits.is_empty() && matches!(self.action, Action::Reject) {
            return Verdict::reject(if has_link { "blocked_link" } else { "blocked_word" }, &self.reason);
        }
        if draft.edit_of.is_none() && self.flood.is_too_much(ctx, &draft.body) {
            return Verdict::reject("flood", "Not so fast, and not the same again.");
        }
        match hits.is_empty() {
            true => Verdict::Allow,
            false => Verdict::Rewrite(mask(&draft.body, hits, self.mask)),
        }
    }
}

impl WordFilter {
    /// Whether this actor or this room is exempt.
    fn is_exempt(&self, ctx: &Context) -> bool {
        if self.exempt.is_some_and(|least| ctx.role.is_some_and(|role| role >= least)) {
            return true;
        }
        match &ctx.room {
            Some(room) if !self.exempt_rooms.is_empty() => {
                let name = room.name.to_lowercase();
                self.exempt_rooms.iter().any(|exempt| *exempt == name || *exempt == room.id.as_str())
            }
            _ => false,
        }
    }
}

register!(WordFilter: lifecycle, message_filter);

/// Replaces each character in a hit by `mask`. Hits may overlap.
fn mask(body: &str, mut hits: Vec<Range<usize>>, mask: char) -> String {
    hits.sort_unstable_by_key(|hit| hit.start);
    let mut masked = String::with_capacity(body.len());
    let mut done = 0;
    for hit in hits {
        let start = hit.start.max(done);
        let Some(covered) = body.get(start..hit.end) else {
            // Covered by previous hits.
            continue;
        };
        masked.push_str(&body[done..start]);
        masked.extend(covered.chars().map(|_| mask));
        done = hit.end;
    }
    masked.push_str(&body[done..]);
    masked
}

#[cfg(test)]
mod tests;
