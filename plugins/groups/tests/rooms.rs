//! Tests commands about rooms.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use groups::Groups;
use natterjack_plugin_sdk::prelude::*;
use natterjack_plugin_sdk::rooms_admin::{NewRoom, RoomChange};

/// A room `den` with ann as its owner, mo as a moderator and bob as a member.
fn den() -> MockHost {
    MockHost::new()
        .grant("accounts")
        .grant("rooms")
        .grant("rooms-admin")
        .private_room("den")
        .member("ann", Role::Owner)
        .member("mo", Role::Moderator)
        .member("bob", Role::Member)
}

fn update(chat: &MockHost, who: &str, args: Value) -> Result<RoomChange> {
    chat.by(who).at("den").run(&mut Groups, "room.update", args)?;
    match chat.writes().as_slice() {
        [Write::UpdateRoom(_, change)] => Ok(change.clone()),
        other => panic!("not one change of a room: {other:?}"),
    }
}

fn refusal(outcome: Result<impl std::fmt::Debug>) -> ErrorCode {
    outcome.unwrap_err().code
}

#[test]
fn creator_of_a_room_is_its_owner() {
    let chat = den();
    let args = json!({ "name": "pond", "visibility": "public", "topic": "frogs", "member_limit": 9 });
    let made = chat.by("bob").run(&mut Groups, "room.create", args).unwrap();
    let pond = chat.find_room("pond").unwrap();
    assert_eq!(
        made,
        json!({ "room": {
            "uid": pond.id, "code": made["room"]["code"], "name": "pond", "visibility": "public", "topic": "frogs", "member_limit": 9,
        }, "text": format!("pond is made; its code is {}.", made["room"]["code"].as_str().unwrap()) })
    );
    assert_eq!(made["room"]["code"].as_str().unwrap().len(), 5);
    assert_eq!(pond.member_limit, Some(9));
    assert_eq!(chat.find_member("pond", "bob").unwrap().role, Role::Owner);
}

#[test]
fn room_created_by_a_guest_has_no_owner() {
    let chat = den();
    chat.by_guest("gil").run(&mut Groups, "room.create", json!({ "name": "pond" })).unwrap();
    assert_eq!(chat.find_room("pond").unwrap().member_count, 0);
}

#[test]
fn password_is_passed_to_the_room_guards() {
    let chat = den();
    chat.by("bob").run(&mut Groups, "room.create", json!({ "name": "pond", "password": "frog" })).unwrap();
    let expected = NewRoom {
        name: "pond".to_owned(),
        visibility: Visibility::Private,
        topic: String::new(),
        member_limit: None,
        credentials: vec![Credential::new("password", "frog")],
        owner: Some(chat.account_id("bob")),
    };
    assert_eq!(chat.writes(), [Write::CreateRoom(expected)]);
}

#[test]
fn room_without_a_password_is_public_by_default() {
    let chat = den();
    chat.by("bob").run(&mut Groups, "room.create", json!({ "name": "pond" })).unwrap();
    assert_eq!(chat.find_room("pond").unwrap().visibility, Visibility::Public);
    chat.by("bob").run(&mut Groups, "room.create", json!({ "name": "bog", "visibility": "private" })).unwrap();
    assert_eq!(chat.find_room("bog").unwrap().visibility, Visibility::Private);
}

#[test]
fn password_is_refused_for_a_public_room() {
    let chat = den();
    let args = json!({ "name": "pond", "visibility": "public", "password": "frog" });
    assert_eq!(refusal(chat.by("bob").run(&mut Groups, "room.create", args)), ErrorCode::Invalid);
    let args = json!({ "visibility": "public", "password": "frog" });
    assert_eq!(refusal(update(&chat, "ann", args)), ErrorCode::Invalid);
}

#[test]
fn taken_name_is_a_conflict() {
    let chat = den();
    let taken = chat.by("bob").run(&mut Groups, "room.create", json!({ "name": "DEN" }));
    assert_eq!(refusal(taken), ErrorCode::Conflict);
}

#[test]
fn moderator_may_change_name_topic_and_visibility() {
    let chat = den();
    let change = update(&chat, "mo", json!({ "name": "lair", "topic": "bats", "member_limit": 5 })).unwrap();
    assert_eq!(change.visibility, None);
    assert_eq!(change.credentials, []);
    let lair = chat.find_room("lair").unwrap();
    assert_eq!((lair.topic.as_str(), lair.member_limit), ("bats", Some(5)));
}

#[test]
fn member_limit_of_0_lifts_the_limit() {
    let chat = den();
    assert_eq!(update(&chat, "mo", json!({ "member_limit": 0 })).unwrap().member_limit, Some(None));
    assert_eq!(update(&chat, "mo", json!({ "topic": "bats" })).unwrap().member_limit, None);
}

#[test]
fn member_may_not_change_the_room() {
    assert_eq!(refusal(update(&den(), "bob", json!({ "topic": "bats" }))), ErrorCode::Forbidden);
}

#[test]
fn only_the_owner_may_change_the_password() {
    let chat = den();
    assert_eq!(refusal(update(&chat, "mo", json!({ "password": "frog" }))), ErrorCode::Forbidden);
    assert_eq!(refusal(update(&chat, "mo", json!({ "password": "" }))), ErrorCode::Forbidden);
    let change = update(&chat, "ann", json!({ "password": "frog" })).unwrap();
    assert_eq!(change.credentials, [Credential::new("password", "frog")]);
}

#[test]
fn empty_password_removes_the_old_one() {
    let change = update(&den(), "ann", json!({ "password": "" })).unwrap();
    assert_eq!(change.credentials, [Credential::removal("password")]);
}

#[test]
fn update_without_changes_is_invalid() {
    assert_eq!(refusal(update(&den(), "ann", json!({}))), ErrorCode::Invalid);
}

#[test]
fn only_the_owner_may_delete_the_room() {
    let chat = den();
    let by_mo = chat.by("mo").at("den").run(&mut Groups, "room.delete", json!({}));
    assert_eq!(refusal(by_mo), ErrorCode::Forbidden);
    chat.by("ann").at("den").run(&mut Groups, "room.delete", json!({})).unwrap();
    assert!(chat.find_room("den").is_none());
}

#[test]
fn transferred_room_has_one_owner() {
    let chat = den();
    let args = json!({ "account": chat.account_id("bob") });
    chat.by("ann").at("den").run(&mut Groups, "room.transfer", args).unwrap();
    assert_eq!(chat.find_member("den", "bob").unwrap().role, Role::Owner);
    assert_eq!(chat.find_member("den", "ann").unwrap().role, Role::Moderator);
}

#[test]
fn room_can_be_transferred_to_another_member_only() {
    let chat = den();
    for (to, code) in [("eve", ErrorCode::NotFound), ("ann", ErrorCode::Invalid)] {
        let args = json!({ "account": chat.account_id(to) });
        assert_eq!(refusal(chat.by("ann").at("den").run(&mut Groups, "room.transfer", args)), code);
    }
    assert_eq!(chat.find_member("den", "ann").unwrap().role, Role::Owner);
}

#[test]
fn every_command_has_its_own_slash_word() {
    let mut words: Vec<_> = Groups.specs().into_iter().map(|spec| spec.slash.expect("a word")).collect();
    words.sort();
    let mut expected =
        vec!["ban", "create", "delete-room", "invite", "kick", "mute", "role", "transfer", "unban", "update"];
    expected.extend(["ban-guest", "exclude-guests", "guests", "kick-guest", "mute-guest", "pardon-guests"]);
    expected.sort_unstable();
    assert_eq!(words, expected);
}
