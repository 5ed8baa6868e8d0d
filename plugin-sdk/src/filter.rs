//! The `message-filter` hook.

use crate::types::Context;

/// Looks at each message, and each edit, before it is stored.
///
/// A filter's value lives long and sees many messages of many rooms, so it may keep what is costly to build.
/// It never waits: of the imports only [`log`](crate::log), [`clock`](crate::clock) and
/// [`random`](crate::random) answer it.
///
/// ```
/// use natterjack_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct NoAds;
///
/// impl MessageFilter for NoAds {
///     fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
///         if draft.body.contains("casino") { Verdict::reject("spam", "no ads here") } else { Verdict::Allow }
///     }
/// }
///
/// register!(NoAds: message_filter);
///
/// let chat = MockHost::new().room("lobby").member("bob", Role::Member);
/// assert_eq!(chat.by("bob").at("lobby").post(&mut NoAds, "hello"), Verdict::Allow);
/// ```
pub trait MessageFilter {
    /// Called in the order of the room; `ctx.room` is always there.
    fn on_message(&mut self, ctx: &Context, draft: &Draft) -> Verdict;
}

/// A message that somebody wants to post, or the new text of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// What was written; empty only with attachments.
    pub body: String,
    /// The `seq` of the message it answers.
    pub reply_to: Option<u64>,
    /// The `seq` of the message whose new text this is; none for a new message.
    pub edit_of: Option<u64>,
    /// Links to what is attached, as in [`Message`](crate::Message).
    pub attachments: Vec<String>,
}

/// What a filter decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Let it pass as it is.
    Allow,
    /// Store and show this text instead.
    Rewrite(String),
    /// Keep it out.
    Reject {
        /// A short stable word, `spam`.
        code: String,
        /// For the sender.
        reason: String,
    },
}

impl Verdict {
    /// Keep it out, with a short stable word and a reason for the sender.
    pub fn reject(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Verdict::Reject { code: code.into(), reason: reason.into() }
    }
}
