//! Common slash commands.
//!
//! | command | as text | what it does |
//! | --- | --- | --- |
//! | `help.show` | `/help [command]` | lists the available commands of all plugins |
//! | `action.post` | `/me waves` | posts `* ann waves` |
//! | `dice.roll` | `/roll [2d6+1]` | rolls dice and posts the result |
//! | `room.topic` | `/topic [text]` | shows the room's topic; moderators may set it |
//! | `reminder.set` | `/remind 10m tea` | posts a mention of the caller in the room after the given time |
//!
//! An account has at most 20 reminders at a time, of 2,000 characters each and up to a year ahead; one for a room that is
//! gone, or where its account is no longer a member or is muted by then, is dropped.
//!
//! Settings: none. Grants: `messages`, `rooms`, `rooms-admin`, `timers`.

mod dice;
mod help;
mod remind;
mod topic;

use natterjack_plugin_sdk::prelude::*;
use serde::Deserialize;

/// The plugin.
#[derive(Debug, Default)]
pub struct Slash;

impl Lifecycle for Slash {
    type Settings = NoSettings;

    fn describe() -> Description {
        Description {
            name: "Slash commands",
            version: env!("CARGO_PKG_VERSION"),
            summary: "/help, /me, /roll, /topic and /remind",
        }
    }

    fn init(_settings: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }
}

impl Commands for Slash {
    fn specs(&self) -> Vec<CommandSpec> {
        vec![
            help::spec(),
            CommandSpec::new("action.post", "Say what you do")
                .in_room()
                .slash("me")
                .param(Param::text("text", "What you do: \"waves\"")),
            dice::spec(),
            topic::spec(),
            remind::spec(),
        ]
    }

    fn run(&mut self, ctx: &Context, name: &str, args: Args) -> Result<Value> {
        match name {
            "help.show" => help::show(ctx, args.parse()?),
            "action.post" => act(ctx, args.parse()?),
            "dice.roll" => dice::roll(ctx, args.parse()?),
            "room.topic" => topic::topic(ctx, args.parse()?),
            "reminder.set" => remind::set(ctx, args.parse()?),
            other => Err(Error::unknown_command(other)),
        }
    }
}

impl Timer for Slash {
    fn on_timer(&mut self, _ctx: &Context, _name: &str, payload: Payload) -> Result<()> {
        remind::remind(payload.parse()?)
    }
}

register!(Slash: lifecycle, commands, timer);

#[derive(Deserialize)]
struct Act {
    text: String,
}

fn act(ctx: &Context, args: Act) -> Result<Value> {
    let text = one_line(&args.text);
    if text.is_empty() {
        return Err(Error::invalid("say what you do: /me waves"));
    }
    messages::post(&ctx.room()?.id, &format!("* {} {text}", name(ctx)))?;
    Ok(json!({}))
}

/// Joins the lines of a text that is posted after a prefix: a second line could pass for a message of somebody else.
fn one_line(text: &str) -> String {
    let breaks = ['\n', '\r', '\u{B}', '\u{C}', '\u{85}', '\u{2028}', '\u{2029}'];
    text.split(breaks).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The actor's name.
fn name(ctx: &Context) -> &str {
    match &ctx.actor {
        Actor::Account(account) => &account.name,
        Actor::Guest(guest) => &guest.name,
        Actor::Plugin(id) => id,
        Actor::Server => "server",
    }
}
