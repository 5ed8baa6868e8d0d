//! Tests commands about members.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use groups::Groups;
use natterjack_plugin_sdk::prelude::*;

/// A room `den`: ann owns it, mo and max moderate it, bob is a member; eve is outside.
fn den() -> MockHost {
    MockHost::new()
        .grant("accounts")
        .grant("rooms")
        .grant("rooms-admin")
        .account("eve")
        .private_room("den")
        .member("ann", Role::Owner)
        .member("mo", Role::Moderator)
        .member("max", Role::Moderator)
        .member("bob", Role::Member)
}

/// Runs `command` as `who` with the target `whom` and further arguments.
fn act(chat: &MockHost, who: &str, command: &str, whom: &str, more: Value) -> Result<Value> {
    let mut args = more;
    args["account"] = json!(chat.account_id(whom));
    chat.by(who).at("den").run(&mut Groups, command, args)
}

fn refusal(outcome: Result<Value>) -> ErrorCode {
    outcome.unwrap_err().code
}

#[test]
fn kicked_member_is_removed_with_the_reason() {
    let chat = den();
    act(&chat, "mo", "member.kick", "bob", json!({ "reason": "flooding" })).unwrap();
    assert!(chat.find_member("den", "bob").is_none());
    let (room, bob) = (chat.room_id("den"), chat.account_id("bob"));
    assert_eq!(chat.writes(), [Write::RemoveMember(room, bob, Some("flooding".to_owned()))]);
}

#[test]
fn command_against_an_equal_or_higher_role_is_refused() {
    let chat = den();
    let deeds = [("member.kick", json!({})), ("member.ban", json!({})), ("member.mute", json!({ "for_s": 60 }))];
    for (command, args) in deeds {
        for (who, whom) in [("mo", "max"), ("mo", "ann"), ("bob", "ann"), ("bob", "mo"), ("eve", "bob")] {
            let outcome = act(&chat, who, command, whom, args.clone());
            assert_eq!(refusal(outcome), ErrorCode::Forbidden, "{command}: {who} to {whom}");
        }
        assert_eq!(refusal(act(&chat, "mo", command, "mo", args)), ErrorCode::Invalid);
    }
    for name in ["ann", "mo", "max", "bob"] {
        assert!(chat.find_member("den", name).is_some());
    }
}

#[test]
fn owner_may_kick_a_moderator() {
    let chat = den();
    act(&chat, "ann", "member.kick", "max", json!({})).unwrap();
    assert!(chat.find_member("den", "max").is_none());
}

#[test]
fn account_outside_the_room_cannot_be_kicked_or_muted() {
    let chat = den();
    assert_eq!(refusal(act(&chat, "ann", "member.kick", "eve", json!({}))), ErrorCode::NotFound);
    assert_eq!(refusal(act(&chat, "ann", "member.mute", "eve", json!({ "for_s": 60 }))), ErrorCode::NotFound);
}

#[test]
fn account_outside_the_room_can_be_banned() {
    let chat = den();
    act(&chat, "mo", "member.ban", "eve", json!({})).unwrap();
    assert_eq!(refusal(act(&chat, "mo", "member.invite", "eve", json!({}))), ErrorCode::Forbidden);
    act(&chat, "mo", "member.unban", "eve", json!({})).unwrap();
    act(&chat, "mo", "member.invite", "eve", json!({})).unwrap();
    assert_eq!(chat.writes(), [Write::Invite(chat.room_id("den"), chat.account_id("eve"))]);
}

#[test]
fn banned_member_is_removed() {
    let chat = den();
    act(&chat, "mo", "member.ban", "bob", json!({ "reason": "spam" })).unwrap();
    assert!(chat.find_member("den", "bob").is_none());
}

#[test]
fn member_may_not_invite() {
    assert_eq!(refusal(act(&den(), "bob", "member.invite", "eve", json!({}))), ErrorCode::Forbidden);
}

#[test]
fn member_cannot_be_invited() {
    assert_eq!(refusal(act(&den(), "mo", "member.invite", "bob", json!({}))), ErrorCode::Conflict);
}

#[test]
fn mute_lasts_for_the_given_time() {
    let chat = den();
    act(&chat, "mo", "member.mute", "bob", json!({ "for_s": 600 })).unwrap();
    assert_eq!(chat.writes(), [Write::Mute(chat.room_id("den"), chat.account_id("bob"), 600)]);
}

#[test]
fn owner_may_appoint_and_dismiss_moderators() {
    let chat = den();
    act(&chat, "ann", "member.role", "bob", json!({ "role": "moderator" })).unwrap();
    assert_eq!(chat.find_member("den", "bob").unwrap().role, Role::Moderator);
    act(&chat, "ann", "member.role", "bob", json!({ "role": "member" })).unwrap();
    assert_eq!(chat.find_member("den", "bob").unwrap().role, Role::Member);
}

#[test]
fn role_command_cannot_make_an_owner() {
    let outcome = act(&den(), "ann", "member.role", "bob", json!({ "role": "owner" }));
    assert_eq!(refusal(outcome), ErrorCode::Invalid);
}

#[test]
fn moderator_may_not_change_roles() {
    let outcome = act(&den(), "mo", "member.role", "bob", json!({ "role": "moderator" }));
    assert_eq!(refusal(outcome), ErrorCode::Forbidden);
}

#[test]
fn commands_are_refused_in_a_direct_room() {
    let chat = den().direct("ann", "bob").member("ann", Role::Owner);
    let eve = json!({ "account": chat.account_id("eve") });
    let refused = chat.by("ann").at("ann, bob").run(&mut Groups, "member.invite", eve);
    assert_eq!(refusal(refused), ErrorCode::Forbidden);
    assert_eq!(chat.writes(), []);
}

#[test]
fn replies_say_what_was_done() {
    let chat = den();
    for (command, whom, args, text) in [
        ("member.mute", "bob", json!({ "for_s": 60 }), "bob cannot post for 60 s."),
        ("member.mute", "bob", json!({ "for_s": 0 }), "bob may post again."),
        ("member.role", "bob", json!({ "role": "moderator" }), "bob is a moderator now."),
        ("member.kick", "bob", json!({}), "bob is out."),
        ("member.ban", "bob", json!({}), "bob is banned."),
        ("member.unban", "bob", json!({}), "bob may come back."),
        ("member.invite", "eve", json!({}), "eve is invited."),
    ] {
        assert_eq!(act(&chat, "ann", command, whom, args).unwrap()["text"], text);
    }
}
