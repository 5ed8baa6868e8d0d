//! Tests commands about guests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use groups::Groups;
use natterjack_plugin_sdk::prelude::*;

fn den() -> MockHost {
    MockHost::new()
        .grant("accounts")
        .grant("rooms")
        .grant("rooms-admin")
        .room("den")
        .member("ann", Role::Owner)
        .member("mo", Role::Moderator)
        .member("bob", Role::Member)
        .guest("gus")
}

fn act(chat: &MockHost, who: &str, command: &str, args: Value) -> Result<Value> {
    chat.by(who).at("den").run(&mut Groups, command, args)
}

#[test]
fn moderator_kicks_bans_and_mutes_guests_by_name() {
    for (command, args) in [
        ("guest.kick", json!({ "guest": "Gus" })),
        ("guest.ban", json!({ "guest": "gus", "for_s": 60 })),
        ("guest.mute", json!({ "guest": "gus", "for_s": 60 })),
    ] {
        let chat = den();
        act(&chat, "mo", command, args.clone()).unwrap();
        assert_eq!(chat.writes().len(), 1, "{command}");
        let mut nobody = args;
        nobody["guest"] = json!("nobody");
        let outcome = act(&chat, "mo", command, nobody);
        assert_eq!(outcome.unwrap_err().code, ErrorCode::NotFound, "{command}");
    }
}

#[test]
fn only_moderators_may_use_guest_commands() {
    let chat = den();
    for (command, args) in [
        ("guest.kick", json!({ "guest": "gus" })),
        ("guest.pardon", json!({})),
        ("room.guests", json!({ "allowed": false })),
    ] {
        assert_eq!(act(&chat, "bob", command, args).unwrap_err().code, ErrorCode::Forbidden, "{command}");
    }
}

#[test]
fn disallowing_guests_removes_those_in_the_room() {
    let chat = den();
    act(&chat, "ann", "room.guests", json!({ "allowed": false })).unwrap();
    assert_eq!(chat.writes(), [Write::AllowGuests(chat.room_id("den"), false)]);
    let outcome = act(&chat, "ann", "guest.kick", json!({ "guest": "gus" }));
    assert_eq!(outcome.unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn guests_from_an_accounts_addresses_are_banned() {
    let chat = den();
    act(&chat, "mo", "guest.exclude", json!({ "account": chat.account_id("bob"), "for_s": 3600 })).unwrap();
    assert_eq!(chat.writes(), [Write::BanOrigins(chat.room_id("den"), chat.account_id("bob"), 3600)]);
}
