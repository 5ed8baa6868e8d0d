#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn chat() -> MockHost {
    MockHost::new().grant("storage").grant("passwords").private_room("den").private_room("attic")
}

fn password(text: &str) -> Vec<Credential> {
    vec![Credential::new("password", text)]
}

/// A host with a room `den` whose password is "frog".
fn guarded() -> MockHost {
    let chat = chat();
    let protection = chat.by("ann").at("den").protect(&mut RoomPassword, &password("frog"));
    assert_eq!(protection, Ok(Protection::Accepted));
    chat
}

fn join(chat: &MockHost, room: &str, credentials: &[Credential]) -> Admission {
    chat.by("eve").at(room).join(&mut RoomPassword, credentials).unwrap()
}

fn denial(admission: Admission) -> String {
    match admission {
        Admission::Deny { code, .. } => code,
        other => panic!("not denied: {other:?}"),
    }
}

#[test]
fn right_password_is_admitted() {
    assert_eq!(join(&guarded(), "den", &password("frog")), Admission::Admit);
}

#[test]
fn wrong_password_is_denied() {
    let chat = guarded();
    assert_eq!(denial(join(&chat, "den", &password("toad"))), "wrong-password");
    assert_eq!(denial(join(&chat, "den", &password(""))), "wrong-password");
}

#[test]
fn missing_password_is_denied_with_its_own_code() {
    let chat = guarded();
    assert_eq!(denial(join(&chat, "den", &[])), "password-required");
    assert_eq!(denial(join(&chat, "den", &[Credential::new("ticket", "frog")])), "password-required");
    assert_eq!(denial(join(&chat, "den", &[Credential::removal("password")])), "password-required");
}

#[test]
fn guest_with_the_password_is_admitted() {
    let chat = guarded();
    let admission = chat.by_guest("gil").at("den").join(&mut RoomPassword, &password("frog"));
    assert_eq!(admission, Ok(Admission::Admit));
}

#[test]
fn password_of_another_room_is_not_asked_for() {
    assert_eq!(join(&guarded(), "attic", &password("frog")), Admission::Abstain);
}

#[test]
fn new_password_replaces_the_old_one() {
    let chat = guarded();
    chat.by("ann").at("den").protect(&mut RoomPassword, &password("newt")).unwrap();
    assert_eq!(denial(join(&chat, "den", &password("frog"))), "wrong-password");
    assert_eq!(join(&chat, "den", &password("newt")), Admission::Admit);
}

#[test]
fn removed_password_is_no_longer_asked_for() {
    let chat = guarded();
    let protection = chat.by("ann").at("den").protect(&mut RoomPassword, &[Credential::removal("password")]);
    assert_eq!(protection, Ok(Protection::Accepted));
    assert_eq!(join(&chat, "den", &password("frog")), Admission::Abstain);
}

#[test]
fn empty_password_is_invalid_and_changes_nothing() {
    let chat = guarded();
    let refused = chat.by("ann").at("den").protect(&mut RoomPassword, &password("")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Invalid);
    assert_eq!(join(&chat, "den", &password("frog")), Admission::Admit);
}

#[test]
fn other_credentials_are_ignored() {
    let chat = chat();
    let protection = chat.by("ann").at("den").protect(&mut RoomPassword, &[Credential::new("ticket", "1")]);
    assert_eq!(protection, Ok(Protection::Abstain));
    assert_eq!(chat.writes(), []);
}

#[test]
fn password_itself_is_never_stored() {
    let chat = guarded();
    let kept = chat.stored(&format!("hash/{}", chat.room_id("den"))).unwrap();
    assert!(!String::from_utf8(kept).unwrap().contains("frog"));
}

#[test]
fn hash_is_deleted_with_its_room() {
    let chat = guarded();
    let key = format!("hash/{}", chat.room_id("den"));
    let ann = chat.by("ann").at("den");
    ann.observe(&mut RoomPassword, &Event::RoomUpdated).unwrap();
    assert!(chat.stored(&key).is_some());
    ann.observe(&mut RoomPassword, &Event::RoomDeleted).unwrap();
    assert!(chat.stored(&key).is_none());
}
