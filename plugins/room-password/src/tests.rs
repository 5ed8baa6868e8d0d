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
fn the_right_password_opens_the_room() {
    assert_eq!(join(&guarded(), "den", &password("frog")), Admission::Admit);
}

#[test]
fn a_wrong_password_is_denied() {
    let chat = guarded();
    assert_eq!(denial(join(&chat, "den", &password("toad"))), "wrong-password");
    assert_eq!(denial(join(&chat, "den", &password(""))), "wrong-password");
}

#[test]
fn a_missing_password_is_asked_for() {
    let chat = guarded();
    assert_eq!(denial(join(&chat, "den", &[])), "password-required");
    assert_eq!(denial(join(&chat, "den", &[Credential::new("ticket", "frog")])), "password-required");
    assert_eq!(denial(join(&chat, "den", &[Credential::removal("password")])), "password-required");
}

#[test]
fn guests_come_in_by_the_password_too() {
    let chat = guarded();
    let admission = chat.by_guest("gil").at("den").join(&mut RoomPassword, &password("frog"));
    assert_eq!(admission, Ok(Admission::Admit));
}

#[test]
fn a_password_opens_its_own_room_only() {
    assert_eq!(join(&guarded(), "attic", &password("frog")), Admission::Abstain);
}

#[test]
fn a_new_password_replaces_the_old_one() {
    let chat = guarded();
    chat.by("ann").at("den").protect(&mut RoomPassword, &password("newt")).unwrap();
    assert_eq!(denial(join(&chat, "den", &password("frog"))), "wrong-password");
    assert_eq!(join(&chat, "den", &password("newt")), Admission::Admit);
}

#[test]
fn a_password_taken_away_is_no_longer_asked_for() {
    let chat = guarded();
    let protection = chat.by("ann").at("den").protect(&mut RoomPassword, &[Credential::removal("password")]);
    assert_eq!(protection, Ok(Protection::Accepted));
    assert_eq!(join(&chat, "den", &password("frog")), Admission::Abstain);
}

#[test]
fn an_empty_password_is_invalid_and_changes_nothing() {
    let chat = guarded();
    let refused = chat.by("ann").at("den").protect(&mut RoomPassword, &password("")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Invalid);
    assert_eq!(join(&chat, "den", &password("frog")), Admission::Admit);
}

#[test]
fn other_credentials_are_none_of_its_business() {
    let chat = chat();
    let protection = chat.by("ann").at("den").protect(&mut RoomPassword, &[Credential::new("ticket", "1")]);
    assert_eq!(protection, Ok(Protection::Abstain));
    assert_eq!(chat.writes(), []);
}

#[test]
fn the_password_itself_is_never_kept() {
    let chat = guarded();
    let kept = chat.stored(&format!("hash/{}", chat.room_id("den"))).unwrap();
    assert!(!String::from_utf8(kept).unwrap().contains("frog"));
}

#[test]
fn a_room_that_goes_takes_its_hash_with_it() {
    let chat = guarded();
    let key = format!("hash/{}", chat.room_id("den"));
    let ann = chat.by("ann").at("den");
    ann.observe(&mut RoomPassword, &Event::RoomUpdated).unwrap();
    assert!(chat.stored(&key).is_some());
    ann.observe(&mut RoomPassword, &Event::RoomDeleted).unwrap();
    assert!(chat.stored(&key).is_none());
}
