//! The `message-filter` hook.

use crate::types::Context;

/// Checks each message, and each edit, before it is stored.
///
/// A filter's instance serves many messages of many rooms, so it may keep data that is costly to build.
/// A filter must not wait: of the imports it can only use [`log`](crate::log), [`clock`](crate::clock) and
/// [`random`](crate::random).
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
    /// Decides on a message. Called in the order of the room; `ctx.room` is always set.
    fn on_message(&mut self, ctx: &Context, draft: &Draft) -> Verdict;
}

/// A message to be posted, or the new text of an edited one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// The text; empty only if there are attachments.
    pub body: String,
    /// The `seq` of the message that it replies to.
    pub reply_to: Option<u64>,
    /// The `seq` of the message that it edits; none for a new message.
    pub edit_of: Option<u64>,
    /// URLs of the attachments, as in [`Message`](crate::Message).
    pub attachments: Vec<String>,
}

/// A filter's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Store the message as it is.
    Allow,
    /// Store and show this text instead.
    Rewrite(String),
    /// Do not store the message.
    Reject {
        /// A short stable code, such as `spam`.
        code: String,
        /// The reason, shown to the sender.
        reason: String,
    },
}

impl Verdict {
    /// Rejects the message with a short stable code and a reason for the sender.
    pub fn reject(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Verdict::Reject { code: code.into(), reason: reason.into() }
    }
}
