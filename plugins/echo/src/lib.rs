//! Answers in sessions: whatever is said to the server there comes back.
//!
//! A room of kind `session` is one account talking to the server. What the server says in it is up to the plugin that
//! observes such rooms; put another in the place of this one, and sessions are its bot.
//!
//! Settings: none. Grants: `messages`.

use natterjack_plugin_sdk::prelude::*;

/// The plugin.
#[derive(Debug, Default)]
pub struct Echo;

impl Lifecycle for Echo {
    type Settings = NoSettings;

    fn describe() -> Description {
        Description {
            name: "Echo",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Says in sessions what was said to it",
        }
    }

    fn init(_settings: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Observer for Echo {
    fn interest(&self) -> Interest {
        Interest::new(&[EventKind::MessagePosted], &[RoomKind::Session])
    }

    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()> {
        let Event::MessagePosted(message) = event else { return Ok(()) };
        // Two bots in one session would answer each other, and an attachment alone has no words to repeat.
        if matches!(message.author, Author::Plugin(_)) || message.body.is_empty() {
            return Ok(());
        }
        messages::post(&ctx.room()?.id, &message.body)
    }
}

register!(Echo: lifecycle, observer);

#[cfg(test)]
mod tests;
