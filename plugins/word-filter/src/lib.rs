//! Keeps words out of messages: masks them, or keeps the whole message out.
//!
//! ```toml
//! [plugin.word-filter.settings]
//! words = ["darn", "dratted thing"]   # whole words, in any case
//! patterns = ['\bspam+\b']            # regular expressions, in any case
//! action = "mask"                     # or "reject"
//! mask = "*"                          # stands for each masked character
//! reason = "Mind your words."         # told with a rejection
//! ```
//!
//! All keys are optional. Words match in any script that has cases, and only where no letter or digit touches
//! them. A pattern matches wherever it does; `\b` and `\w` know Unicode.
//!
//! Grants: none.

mod patterns;
mod settings;
mod words;

use std::ops::Range;

use natterjack_plugin_sdk::prelude::*;

use crate::patterns::Patterns;
use crate::settings::{Action, Settings};
use crate::words::Words;

/// The plugin, with its rules built once for each instance.
#[derive(Debug)]
pub struct WordFilter {
    words: Words,
    patterns: Patterns,
    action: Action,
    mask: char,
    reason: String,
}

impl Lifecycle for WordFilter {
    type Settings = Settings;

    fn describe() -> Description {
        Description {
            name: "Word filter",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Masks unwanted words, or keeps messages with them out",
        }
    }

    fn init(settings: Settings) -> Result<Self, String> {
        if settings.mask.is_control() {
            return Err("`mask` must be a character that can be seen".to_owned());
        }
        Ok(Self {
            words: Words::new(&settings.words)?,
            patterns: Patterns::new(&settings.patterns)?,
            action: settings.action,
            mask: settings.mask,
            reason: settings.reason,
        })
    }
}

impl MessageFilter for WordFilter {
    fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
        let mut hits = Vec::new();
        self.words.find(&draft.body, &mut hits);
        self.patterns.find(&draft.body, &mut hits);
        if hits.is_empty() {
            return Verdict::Allow;
        }
        match self.action {
            Action::Mask => Verdict::Rewrite(mask(&draft.body, hits, self.mask)),
            Action::Reject => Verdict::reject("blocked_word", &self.reason),
        }
    }
}

register!(WordFilter: lifecycle, message_filter);

/// Puts `mask` in the place of each character that is in a hit. Hits may overlap.
fn mask(body: &str, mut hits: Vec<Range<usize>>, mask: char) -> String {
    hits.sort_unstable_by_key(|hit| hit.start);
    let mut masked = String::with_capacity(body.len());
    let mut done = 0;
    for hit in hits {
        let start = hit.start.max(done);
        let Some(covered) = body.get(start..hit.end) else {
            // All of it was covered by hits before.
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
