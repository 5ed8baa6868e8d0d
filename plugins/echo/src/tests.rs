#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const SESSION: &str = "session of ann";

fn chat() -> MockHost {
    MockHost::new().grant("messages").session("ann").room("lobby").member("ann", Role::Member)
}

#[test]
fn message_in_a_session_is_echoed() {
    let chat = chat();
    let ann = chat.by("ann").at(SESSION);
    ann.observe(&mut Echo, &ann.say("Hello, server. Здравствуй!")).unwrap();
    assert_eq!(chat.said(SESSION), ["Hello, server. Здравствуй!", "Hello, server. Здравствуй!"]);
    assert_eq!(chat.messages(SESSION)[1].author, Author::Plugin("plugin".to_owned()));
}

#[test]
fn each_message_is_echoed_once_and_in_order() {
    let chat = chat();
    let ann = chat.by("ann").at(SESSION);
    for text in ["one", "two"] {
        ann.observe(&mut Echo, &ann.say(text)).unwrap();
    }
    assert_eq!(chat.said(SESSION), ["one", "one", "two", "two"]);
}

#[test]
fn messages_in_other_rooms_are_not_echoed() {
    let chat = chat().direct("ann", "bob");
    for room in ["lobby", "ann, bob"] {
        let ann = chat.by("ann").at(room);
        ann.observe(&mut Echo, &ann.say("hello")).unwrap();
        assert_eq!(chat.said(room), ["hello"]);
    }
}

#[test]
fn messages_of_other_bots_are_not_echoed() {
    let chat = chat();
    let ann = chat.by("ann").at(SESSION);
    let Event::MessagePosted(message) = ann.say("beep") else { unreachable!() };
    let by_bot = Message { author: Author::Plugin("weather".to_owned()), ..message };
    ann.observe(&mut Echo, &Event::MessagePosted(by_bot)).unwrap();
    assert_eq!(chat.writes(), []);
}

#[test]
fn other_events_are_ignored() {
    let chat = chat();
    let ann = chat.by("ann").at(SESSION);
    for event in [Event::MessageDeleted(1), Event::RoomUpdated, Event::RoomDeleted] {
        ann.observe(&mut Echo, &event).unwrap();
    }
    chat.by("ann").observe(&mut Echo, &Event::SessionOpened).unwrap();
    assert_eq!(chat.writes(), []);
}
