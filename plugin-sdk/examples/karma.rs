//! Counts thanks: the complete plugin of GUIDE.md. Build the component with
//! `cargo build --example karma --target wasm32-wasip2`.

use natterjack_plugin_sdk::prelude::*;
use serde::Deserialize;

/// The plugin's settings in `config.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The suffix that thanks somebody, after their name.
    thanks: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { thanks: "++".to_owned() }
    }
}

/// The plugin. Each call gets a new instance.
#[derive(Debug)]
pub struct Karma {
    settings: Settings,
}

impl Lifecycle for Karma {
    type Settings = Settings;

    fn describe() -> Description {
        Description { name: "Karma", version: env!("CARGO_PKG_VERSION"), summary: "Counts thanks: bob++" }
    }

    fn init(settings: Settings) -> Result<Self, String> {
        match settings.thanks.is_empty() {
            true => Err("`thanks` must not be empty".to_owned()),
            false => Ok(Self { settings }),
        }
    }
}

impl Observer for Karma {
    fn interest(&self) -> Interest {
        Interest::new(&[EventKind::MessagePosted], &[RoomKind::Room])
    }

    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()> {
        let Event::MessagePosted(message) = event else { return Ok(()) };
        let Ok(giver) = ctx.account() else { return Ok(()) };
        let names = message.body.split_whitespace().filter_map(|word| word.strip_suffix(&self.settings.thanks));
        for name in names {
            // Thanking oneself does not count.
            if let Some(taker) = accounts::find(name)?.filter(|taker| taker.id != giver.id) {
                let points = points(&taker.id)? + 1;
                storage::put(&key(&taker.id), &points)?;
                log::info(format_args!("{} has {points} now", taker.name));
            }
        }
        Ok(())
    }
}

/// The command's arguments, with a field for each param.
#[derive(Deserialize)]
struct Show {
    account: AccountId,
}

impl Commands for Karma {
    fn specs(&self) -> Vec<CommandSpec> {
        vec![
            CommandSpec::new("karma.show", "How often somebody was thanked")
                .slash("karma")
                .param(Param::account("account", "Who")),
        ]
    }

    fn run(&mut self, _ctx: &Context, name: &str, args: Args) -> Result<Value> {
        match name {
            "karma.show" => {
                let Show { account } = args.parse()?;
                let points = points(&account)?;
                Ok(json!({ "points": points, "text": format!("Thanked {points} times.") }))
            }
            other => Err(Error::unknown_command(other)),
        }
    }
}

register!(Karma: lifecycle, observer, commands);

fn points(account: &AccountId) -> Result<u32> {
    Ok(storage::get(&key(account))?.unwrap_or(0))
}

fn key(account: &AccountId) -> String {
    format!("points/{account}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn thanks_add_up() {
        let chat = MockHost::new().grant("accounts").grant("storage");
        let chat = chat.room("lobby").member("ann", Role::Member).member("bob", Role::Member);
        let mut karma: Karma = chat.init(json!({})).unwrap();

        let ann = chat.by("ann").at("lobby");
        ann.observe(&mut karma, &ann.say("thank you, bob++ and ann++")).unwrap();
        ann.observe(&mut karma, &ann.say("again, bob++")).unwrap();

        let points = |who: &str| json!({ "account": chat.account_id(who) });
        assert_eq!(ann.run(&mut karma, "karma.show", points("bob")).unwrap()["points"], 2);
        assert_eq!(ann.run(&mut karma, "karma.show", points("ann")).unwrap()["points"], 0);
        assert!(chat.logged("bob has 2 now"));
    }

    #[test]
    fn operator_sets_the_suffix() {
        let chat = MockHost::new();
        assert!(chat.init::<Karma>(json!({ "thanks": "+1" })).is_ok());
        assert!(chat.init::<Karma>(json!({ "thank": "+1" })).unwrap_err().contains("`thank`"));
    }
}
