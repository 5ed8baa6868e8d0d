//! `/remind`: posts a reminder after a given time.

use std::time::Duration;

use natterjack_plugin_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// Pending reminders of one account.
const MAX_REMINDERS_PER_ACCOUNT: usize = 20;
/// Half of the default length of a message.
const MAX_TEXT_CHARS: usize = 2_000;
const MAX_DELAY_S: u64 = 366 * 24 * 60 * 60;

pub(crate) fn spec() -> CommandSpec {
    CommandSpec::new("reminder.set", "Be reminded here later")
        .in_room()
        .slash("remind")
        .param(Param::duration("in_s", "When"))
        .param(Param::text("text", "Of what"))
}

#[derive(Deserialize)]
pub(crate) struct Set {
    in_s: u64,
    text: String,
}

/// The payload of a timer.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reminder {
    room: RoomId,
    account: AccountId,
    text: String,
}

pub(crate) fn set(ctx: &Context, args: Set) -> Result<Value> {
    // A guest ends with its connection, so it could not be reminded later.
    let account = ctx.account()?;
    if !(1..=MAX_DELAY_S).contains(&args.in_s) {
        return Err(Error::invalid("a second at least and a year at most"));
    }
    let mine = format!("remind/{}/", account.id);
    if timers::list(&mine, None, MAX_REMINDERS_PER_ACCOUNT as u32)?.len() == MAX_REMINDERS_PER_ACCOUNT {
        return Err(Error::too_large(format!("you have {MAX_REMINDERS_PER_ACCOUNT} reminders already")));
    }
    let text = crate::one_line(&args.text);
    // Checked now, since nobody receives an error when the reminder is due.
    if !natterjack_text::has_visible(&text) {
        return Err(Error::invalid("say of what: /remind 10m tea"));
    }
    natterjack_text::check_body(&text).map_err(|fault| Error::invalid(format!("text: {fault}")))?;
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(Error::too_large(format!("a reminder has at most {MAX_TEXT_CHARS} characters")));
    }
    let reminder = Reminder { room: ctx.room()?.id.clone(), account: account.id.clone(), text };
    timers::after(&format!("{mine}{}", unique()), Duration::from_secs(args.in_s), &reminder)?;
    Ok(json!({ "text": format!("I will remind you in {}.", span(args.in_s)), "at": clock::now() + args.in_s * 1_000 }))
}

pub(crate) fn remind(reminder: Reminder) -> Result<()> {
    // Checked again now: the account may have left or been removed since, and then it may not post here.
    let Some(member) = rooms::member(&reminder.room, &reminder.account)? else {
        log::debug(format_args!("a reminder for {} in {} is dropped", reminder.account, reminder.room));
        return Ok(());
    };
    if rooms::muted_until(&reminder.room, &reminder.account)?.is_some() {
        log::debug(format_args!("a reminder for {} in {} is dropped: muted there", reminder.account, reminder.room));
        return Ok(());
    }
    messages::post(&reminder.room, &format!("@{}: {}", member.account.name, crate::one_line(&reminder.text)))
}

fn unique() -> String {
    random::bytes(8).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Formats a duration: `1 h 30 min`.
fn span(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units {
        if rest >= length {
            parts.push(format!("{} {unit}", rest / length));
            rest %= length;
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn span_omits_units_that_are_zero() {
        assert_eq!(span(600), "10 min");
        assert_eq!(span(90_061), "1 d 1 h 1 min 1 s");
    }
}
