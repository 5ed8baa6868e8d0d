//! Tests the slash commands.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use natterjack_plugin_sdk::prelude::*;
use slash::Slash;

/// A room `lobby`: ann owns it, bob is a member; eve is outside.
fn lobby() -> MockHost {
    MockHost::new()
        .grant("messages")
        .grant("rooms")
        .grant("rooms-admin")
        .grant("timers")
        .plugin("slash", &Slash)
        .account("eve")
        .room("lobby")
        .member("ann", Role::Owner)
        .member("bob", Role::Member)
}

fn run(chat: &MockHost, who: &str, command: &str, args: Value) -> Result<Value> {
    chat.by(who).at("lobby").run(&mut Slash, command, args)
}

fn help(chat: &MockHost, who: &str, args: Value) -> String {
    run(chat, who, "help.show", args).unwrap()["text"].as_str().unwrap().to_owned()
}

#[derive(Default)]
struct Moderation;

impl Commands for Moderation {
    fn specs(&self) -> Vec<CommandSpec> {
        vec![
            CommandSpec::new("member.kick", "Remove a member")
                .in_room()
                .minimum_role(Role::Moderator)
                .slash("kick")
                .param(Param::account("account", "Who"))
                .param(Param::choice("how", "In which way", &["softly", "hard"]).optional()),
            CommandSpec::new("member.count", "Count the members"),
        ]
    }

    fn run(&mut self, _ctx: &Context, _name: &str, _args: Args) -> Result<Value> {
        Ok(json!({}))
    }
}

#[test]
fn help_lists_the_commands_that_the_caller_may_use() {
    let chat = lobby().plugin("moderation", &Moderation);
    let text = help(&chat, "ann", json!({}));
    assert!(text.lines().any(|line| line == "/kick <account> [softly|hard] — Remove a member"), "{text}");
    assert!(text.lines().any(|line| line == "/roll [dice] — Roll dice for all to see"), "{text}");
    assert!(!text.contains("member.count"), "not offered as text");
    assert!(!help(&chat, "bob", json!({})).contains("/kick"), "a member cannot kick");
}

#[test]
fn help_outside_of_a_room_omits_room_commands() {
    let chat = lobby();
    let reply = chat.by("eve").run(&mut Slash, "help.show", json!({})).unwrap();
    assert_eq!(reply["text"], "/help [command] — What you can do here");
}

#[test]
fn help_explains_one_command() {
    let chat = lobby().plugin("moderation", &Moderation);
    for command in ["kick", "/kick", "member.kick"] {
        let text = help(&chat, "bob", json!({ "command": command }));
        assert_eq!(
            text,
            "/kick <account> [softly|hard]\nRemove a member (from moderator up)\n  account: Who\n  how: In which way (softly, hard)"
        );
    }
    let missing = run(&chat, "bob", "help.show", json!({ "command": "dance" })).unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
}

#[test]
fn me_posts_an_action() {
    let chat = lobby();
    run(&chat, "bob", "action.post", json!({ "text": "waves" })).unwrap();
    chat.by_guest("gil").at("lobby").run(&mut Slash, "action.post", json!({ "text": "waves back" })).unwrap();
    assert_eq!(chat.said("lobby"), ["* bob waves", "* gil waves back"]);
}

#[test]
fn dice_rolls_are_posted_to_the_room() {
    let chat = lobby();
    let reply = run(&chat, "bob", "dice.roll", json!({ "dice": "2d6 + 1" })).unwrap();
    let (one, two) = (reply["rolled"][0].as_i64().unwrap(), reply["rolled"][1].as_i64().unwrap());
    assert!((1..=6).contains(&one) && (1..=6).contains(&two));
    assert_eq!(reply["total"], one + two + 1);
    assert_eq!(chat.said("lobby"), [format!("bob rolls 2d6+1: {one} + {two} + 1 = {}", one + two + 1)]);
}

#[test]
fn roll_of_one_die_shows_the_number_only() {
    let chat = lobby();
    for (dice, name) in [(json!({}), "1d6"), (json!({ "dice": "D20" }), "1d20")] {
        let total = run(&chat, "bob", "dice.roll", dice).unwrap()["total"].clone();
        assert_eq!(chat.said("lobby").pop().unwrap(), format!("bob rolls {name}: {total}"));
    }
}

#[test]
fn every_side_is_rolled() {
    let chat = lobby();
    let rolled = run(&chat, "bob", "dice.roll", json!({ "dice": "100d4-3" })).unwrap();
    let rolled: Vec<u64> = rolled["rolled"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    for side in 1..=4 {
        assert!(rolled.contains(&side), "{rolled:?}");
    }
    assert!(rolled.iter().all(|side| (1..=4).contains(side)));
}

#[test]
fn invalid_dice_are_refused() {
    let chat = lobby();
    for dice in [
        "",
        "six",
        "0d6",
        "101d6",
        "2d1",
        "1d1001",
        "2d6+",
        "2d6+x",
        "2d6+99999",
        "2d-6",
        "+2d6",
        "2d6++1",
        "99999999999d6",
    ] {
        let refused = run(&chat, "bob", "dice.roll", json!({ "dice": dice })).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid, "{dice}");
    }
    assert_eq!(chat.said("lobby"), [""; 0]);
}

#[test]
fn everybody_may_read_the_topic_and_moderators_may_set_it() {
    let chat = lobby();
    let topic = |who: &str, args| run(&chat, who, "room.topic", args);
    assert_eq!(topic("bob", json!({})).unwrap()["text"], "This room has no topic.");
    assert_eq!(topic("bob", json!({ "topic": "frogs" })).unwrap_err().code, ErrorCode::Forbidden);
    topic("ann", json!({ "topic": " toads " })).unwrap();
    assert_eq!(topic("bob", json!({})).unwrap()["text"], "toads");
    topic("ann", json!({ "topic": "" })).unwrap();
    assert_eq!(chat.find_room("lobby").unwrap().topic, "");
}

#[test]
fn topic_of_a_session_cannot_be_set() {
    let chat = lobby().session("ann");
    let refused = chat.by("ann").at("session of ann").run(&mut Slash, "room.topic", json!({ "topic": "me" }));
    assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
}

#[test]
fn reminder_mentions_its_account_when_due() {
    let chat = lobby();
    let now = clock::now();
    let reply = run(&chat, "bob", "reminder.set", json!({ "in_s": 600, "text": "tea" })).unwrap();
    assert_eq!(reply, json!({ "text": "I will remind you in 10 min.", "at": now + 600_000 }));
    assert_eq!(chat.said("lobby"), [""; 0]);

    let timer = chat.timers().remove(0);
    assert_eq!(chat.timer(&timer), Some(now + 600_000));
    chat.fire_timer(&mut Slash, &timer).unwrap();
    assert_eq!(chat.said("lobby"), ["@bob: tea"]);
    assert!(chat.timers().is_empty());
}

#[test]
fn reminder_is_dropped_if_its_account_is_no_longer_a_member() {
    let chat = lobby();
    for (who, room_stays) in [("bob", true), ("ann", false)] {
        run(&chat, who, "reminder.set", json!({ "in_s": 60, "text": "tea" })).unwrap();
        let room = chat.room_id("lobby");
        match room_stays {
            true => rooms_admin::remove_member(&room, &chat.account_id(who), None).unwrap(),
            false => rooms_admin::delete_room(&room).unwrap(),
        }
        chat.fire_timer(&mut Slash, &chat.timers().remove(0)).unwrap();
        assert!(chat.timers().is_empty() && chat.writes().is_empty());
    }
}

#[test]
fn reminder_is_dropped_if_its_account_was_banned_or_muted() {
    for banned in [true, false] {
        let chat = lobby();
        run(&chat, "bob", "reminder.set", json!({ "in_s": 60, "text": "tea" })).unwrap();
        let (room, bob) = (chat.room_id("lobby"), chat.account_id("bob"));
        match banned {
            true => rooms_admin::ban(&room, &bob, None).unwrap(),
            false => rooms_admin::mute(&room, &bob, 3_600).unwrap(),
        }
        chat.fire_timer(&mut Slash, &chat.timers().remove(0)).unwrap();
        assert!(chat.timers().is_empty() && chat.said("lobby").is_empty());
    }
}

#[test]
fn reminder_is_posted_if_the_mute_has_ended() {
    let chat = lobby();
    run(&chat, "bob", "reminder.set", json!({ "in_s": 60, "text": "tea" })).unwrap();
    rooms_admin::mute(&chat.room_id("lobby"), &chat.account_id("bob"), 30).unwrap();
    chat.fire_timer(&mut Slash, &chat.timers().remove(0)).unwrap();
    assert_eq!(chat.said("lobby"), ["@bob: tea"]);
}

#[test]
fn reminder_whose_text_could_not_be_posted_is_refused_at_once() {
    let chat = lobby();
    for (text, code) in [
        ("tea\0", ErrorCode::Invalid),
        ("te\u{1B}[2J", ErrorCode::Invalid),
        ("\u{202E}aet", ErrorCode::Invalid),
        ("tea\u{2069}", ErrorCode::Invalid),
        ("tea\u{FFFF}", ErrorCode::Invalid),
        ("\u{200B}\u{2800}", ErrorCode::Invalid),
        (&format!("e{}", "\u{301}".repeat(30)), ErrorCode::Invalid),
        (&"x".repeat(2_001), ErrorCode::TooLarge),
    ] {
        let refused = run(&chat, "bob", "reminder.set", json!({ "in_s": 60, "text": text })).unwrap_err();
        assert_eq!(refused.code, code, "{text:?}");
        assert!(!refused.message.is_empty());
    }
    assert!(chat.timers().is_empty());
    for text in ["\u{2067}שלום\u{2069} tea", "می\u{200C}خواهم", "x".repeat(2_000).as_str()] {
        run(&chat, "bob", "reminder.set", json!({ "in_s": 60, "text": text })).unwrap();
    }
}

#[test]
fn reminders_per_account_are_limited() {
    let chat = lobby();
    let remind = |who: &str| run(&chat, who, "reminder.set", json!({ "in_s": 60, "text": "tea" }));
    for _ in 0..20 {
        remind("bob").unwrap();
    }
    assert_eq!(remind("bob").unwrap_err().code, ErrorCode::TooLarge);
    assert!(remind("ann").is_ok(), "each has their own");
}

#[test]
fn reminder_out_of_range_or_of_a_guest_is_refused() {
    let chat = lobby();
    for in_s in [0, 366 * 86_400 + 1, u64::MAX] {
        let refused = run(&chat, "bob", "reminder.set", json!({ "in_s": in_s, "text": "tea" })).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid);
    }
    let guest = chat.by_guest("gil").at("lobby");
    let refused = guest.run(&mut Slash, "reminder.set", json!({ "in_s": 60, "text": "tea" })).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unauthenticated);
}

#[test]
fn account_outside_the_room_cannot_post_by_commands() {
    let chat = lobby();
    for (command, args) in [("action.post", json!({ "text": "sneaks in" })), ("dice.roll", json!({}))] {
        assert_eq!(run(&chat, "eve", command, args).unwrap_err().code, ErrorCode::Forbidden);
    }
}

#[test]
fn line_breaks_in_actions_and_reminders_are_removed() {
    let chat = lobby();
    for text in [
        "waves\n* ann resigns",
        "waves\r\n* ann resigns",
        "waves \u{2028} * ann resigns",
        "\nwaves\u{85}\u{B}* ann resigns\n",
    ] {
        run(&chat, "bob", "action.post", json!({ "text": text })).unwrap();
    }
    assert_eq!(chat.said("lobby"), ["* bob waves * ann resigns"; 4]);
    let empty = run(&chat, "bob", "action.post", json!({ "text": "\n " })).unwrap_err();
    assert_eq!(empty.code, ErrorCode::Invalid);

    let chat = lobby();
    run(&chat, "bob", "reminder.set", json!({ "in_s": 60, "text": "tea\n@ann: leave" })).unwrap();
    chat.fire_timer(&mut Slash, &chat.timers().remove(0)).unwrap();
    assert_eq!(chat.said("lobby"), ["@bob: tea @ann: leave"]);
}
