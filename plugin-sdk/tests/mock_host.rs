//! Tests that the mock host enforces the rules of the real one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use natterjack_plugin_sdk::prelude::*;
use natterjack_plugin_sdk::rooms_admin::NewRoom;
use serde::Deserialize;

/// Stores notes, and fails on request.
#[derive(Default)]
struct Notes;

#[derive(Deserialize)]
struct Note {
    text: String,
    lines: Option<u8>,
}

impl Commands for Notes {
    fn specs(&self) -> Vec<CommandSpec> {
        vec![
            CommandSpec::new("note.put", "Keep a note")
                .param(Param::text("text", "What to keep"))
                .param(Param::integer("lines", "How many").optional()),
            CommandSpec::new("note.room", "Make a room for notes").in_room().minimum_role(Role::Moderator),
        ]
    }

    fn run(&mut self, ctx: &Context, name: &str, args: Args) -> Result<Value> {
        match name {
            "note.put" => {
                let note: Note = args.parse()?;
                storage::put("note", &note.text)?;
                assert_eq!(storage::get("note")?, Some(note.text.clone()));
                match note.text.as_str() {
                    "fail" => Err(Error::conflict("told to fail")),
                    _ => Ok(json!({ "lines": note.lines })),
                }
            }
            "note.room" => {
                let made = rooms_admin::create_room(&NewRoom {
                    name: "notes".to_owned(),
                    visibility: Visibility::Public,
                    topic: String::new(),
                    member_limit: None,
                    credentials: vec![],
                    owner: Some(ctx.account()?.id.clone()),
                })?;
                assert_eq!(rooms::get(&made.id)?.unwrap().member_count, 1);
                Err(Error::internal("changed my mind"))
            }
            other => Err(Error::unknown_command(other)),
        }
    }
}

impl MessageFilter for Notes {
    fn on_message(&mut self, _ctx: &Context, draft: &Draft) -> Verdict {
        storage::put("last", &draft.body).unwrap();
        Verdict::Allow
    }
}

register!(Notes: commands, message_filter);

fn put(chat: &MockHost, args: Value) -> Result<Value> {
    chat.by("ann").run(&mut Notes, "note.put", args)
}

#[test]
fn writes_of_a_successful_call_are_kept() {
    let chat = MockHost::new().grant("storage");
    put(&chat, json!({ "text": "milk" })).unwrap();
    assert_eq!(chat.stored("note").unwrap(), br#""milk""#);
    assert_eq!(chat.writes(), [Write::Put("note".to_owned(), br#""milk""#.to_vec())]);
}

#[test]
fn writes_of_a_failed_call_are_discarded() {
    let chat = MockHost::new().grant("storage");
    put(&chat, json!({ "text": "milk" })).unwrap();
    assert_eq!(put(&chat, json!({ "text": "fail" })).unwrap_err().code, ErrorCode::Conflict);
    assert_eq!(chat.stored("note").unwrap(), br#""milk""#);
    assert_eq!(chat.writes().len(), 1, "what was staged can still be looked at");
}

#[test]
fn room_created_by_a_failed_call_is_discarded() {
    let chat = MockHost::new().grant("rooms").grant("rooms-admin").room("lobby").member("mo", Role::Moderator);
    let failed = chat.by("mo").at("lobby").run(&mut Notes, "note.room", json!({})).unwrap_err();
    assert_eq!(failed.message, "changed my mind");
    assert!(chat.find_room("notes").is_none());
}

#[test]
#[should_panic(expected = "the plugin called `storage`, which is not granted")]
fn ungranted_import_fails_the_test() {
    let _ = put(&MockHost::new(), json!({ "text": "milk" }));
}

#[test]
#[should_panic(expected = "where only log, clock and random answer")]
fn filter_that_would_wait_fails_the_test() {
    MockHost::new().grant("storage").room("lobby").by("ann").at("lobby").post(&mut Notes, "hello");
}

#[test]
#[should_panic(expected = "there is no import `rooms_admin` to grant")]
fn misspelt_grant_fails_the_test() {
    let _ = MockHost::new().grant("rooms_admin");
}

#[test]
fn invalid_arguments_do_not_reach_the_command() {
    let chat = MockHost::new();
    for args in [json!({}), json!({ "text": 1 }), json!({ "text": "milk", "txet": "" }), json!("milk")] {
        let refused = put(&chat, args.clone());
        assert!(refused.is_err(), "{args}");
    }
    assert_eq!(chat.writes(), []);
}

#[test]
fn argument_out_of_range_is_named() {
    let refused = put(&MockHost::new().grant("storage"), json!({ "text": "milk", "lines": 300 })).unwrap_err();
    assert_eq!(refused, Error::invalid("lines: should be a whole number that is not so large"));
}

#[test]
fn place_and_role_are_checked_before_the_command() {
    let chat = MockHost::new().room("lobby").member("bob", Role::Member);
    let nowhere = chat.by("bob").run(&mut Notes, "note.room", json!({})).unwrap_err();
    assert_eq!(nowhere.code, ErrorCode::BadRequest);
    for caller in [chat.by("bob"), chat.by("eve"), chat.by_guest("gil")] {
        let refused = caller.at("lobby").run(&mut Notes, "note.room", json!({})).unwrap_err();
        assert_eq!(refused.code, ErrorCode::Forbidden);
    }
}

#[test]
fn import_called_by_the_test_itself_writes_at_once() {
    let chat = MockHost::new().grant("storage");
    storage::put("greeting", "hello").unwrap();
    assert_eq!(chat.stored("greeting").unwrap(), br#""hello""#);
}

#[test]
fn keys_are_listed_by_prefix_and_page() {
    let _chat = MockHost::new().grant("storage");
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        storage::put_bytes(key, b"").unwrap();
    }
    assert_eq!(storage::list("a/", None, 2).unwrap(), ["a/1", "a/2"]);
    assert_eq!(storage::list("a/", Some("a/2"), 2).unwrap(), ["a/3"]);
}
