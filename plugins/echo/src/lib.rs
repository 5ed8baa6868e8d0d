//! Echoes messages in sessions: each message to the server is posted back.
//!
//! A room of kind `session` has one account and the server. The plugin that observes such rooms provides the server's
//! answers; replace this plugin by another to make sessions a chat with that plugin's bot.
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
        // Two bots in one session would answer each other, and a message with attachments only has no text to repeat.
        if matches!(message.author, Author::Plugin(_)) || message.body.is_empty() {
            return Ok(());
        }
        messages::post(&ctx.room()?.id, &message.body)
    }
}

register!(Echo: lifecycle, observer);

#[cfg(test)]
mod tests;
