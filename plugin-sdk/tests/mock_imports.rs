//! Tests that the mock host's messages, pushes, timers and HTTP follow the rules of the real one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use natterjack_plugin_sdk::prelude::*;
use serde::Deserialize;

/// Posts in the room of the call as often as requested, and fails on request.
#[derive(Default)]
struct Parrot;

#[derive(Deserialize)]
struct Say {
    text: String,
    times: Option<u32>,
    fail: Option<bool>,
}

impl Commands for Parrot {
    fn specs(&self) -> Vec<CommandSpec> {
        vec![
            CommandSpec::new("parrot.say", "Say it")
                .in_room()
                .param(Param::text("text", "What"))
                .param(Param::integer("times", "How often").optional())
                .param(Param::boolean("fail", "Whether to fail").optional()),
        ]
    }

    fn run(&mut self, ctx: &Context, _name: &str, args: Args) -> Result<Value> {
        let args: Say = args.parse()?;
        let room = &ctx.room()?.id;
        for _ in 0..args.times.unwrap_or(1) {
            messages::post(room, &args.text)?;
        }
        let Some(connection) = &ctx.connection else { return Err(Error::internal("called from nowhere")) };
        push::to_connection(connection, "said", &args.text)?;
        timers::after("again", Duration::from_secs(60), &args.text)?;
        assert_eq!(messages::history(room, None, 10)?.len(), 1, "only what was there before");
        match args.fail {
            Some(true) => Err(Error::internal("told to fail")),
            _ => Ok(json!({})),
        }
    }
}

impl Observer for Parrot {
    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()> {
        let Event::MessagePosted(message) = event else { return Ok(()) };
        messages::reply(&ctx.room()?.id, message.seq, &message.body)
    }
}

impl Timer for Parrot {
    fn on_timer(&mut self, ctx: &Context, name: &str, payload: Payload) -> Result<()> {
        assert!(matches!(ctx.actor, Actor::Plugin(_)));
        let text: String = payload.parse()?;
        if text == "bad egg" {
            return Err(Error::internal(format!("{name} will not do")));
        }
        messages::post(&rooms::find("lobby")?.unwrap().id, &text)
    }
}

register!(Parrot: commands, observer, timer);

fn lobby() -> MockHost {
    let chat = MockHost::new().grant("messages").grant("push").grant("timers").grant("rooms").grant("rooms-admin");
    let chat = chat.room("lobby").member("ann", Role::Member).member("bob", Role::Member);
    chat.by("bob").at("lobby").say("hello");
    chat
}

fn say(chat: &MockHost, args: Value) -> Result<Value> {
    chat.by("ann").at("lobby").run(&mut Parrot, "parrot.say", args)
}

#[test]
fn posts_pushes_and_timers_of_a_call_are_committed_together() {
    let chat = lobby();
    say(&chat, json!({ "text": "squawk" })).unwrap();
    assert_eq!(chat.said("lobby"), ["hello", "squawk"]);
    assert_eq!(chat.timers(), ["again"]);
    let ann = push::Target::Connection(chat.connection_id("ann"));
    assert!(chat.writes().contains(&Write::Push(ann, "said".to_owned(), json!("squawk"))));
}

#[test]
fn failed_call_posts_nothing_and_sets_no_timer() {
    let chat = lobby();
    say(&chat, json!({ "text": "squawk", "fail": true })).unwrap_err();
    assert_eq!(chat.said("lobby"), ["hello"]);
    assert_eq!(chat.timers(), [""; 0]);
}

#[test]
fn post_that_another_plugin_rejects_fails_the_call() {
    let chat = lobby().rejecting("darn");
    assert_eq!(say(&chat, json!({ "text": "darn" })).unwrap_err().code, ErrorCode::Rejected);
    assert_eq!(chat.said("lobby"), ["hello"]);
}

#[test]
fn twenty_first_post_of_a_call_is_too_large() {
    assert!(say(&lobby(), json!({ "text": "squawk", "times": 20 })).is_ok());
    let refused = say(&lobby(), json!({ "text": "squawk", "times": 21 })).unwrap_err();
    assert_eq!(refused.code, ErrorCode::TooLarge);
}

#[test]
fn muted_actor_cannot_post_through_a_bot() {
    let chat = lobby();
    rooms_admin::mute(&chat.room_id("lobby"), &chat.account_id("ann"), 60).unwrap();
    assert_eq!(say(&chat, json!({ "text": "squawk" })).unwrap_err().code, ErrorCode::Forbidden);
    rooms_admin::mute(&chat.room_id("lobby"), &chat.account_id("ann"), 0).unwrap();
    assert!(say(&chat, json!({ "text": "squawk" })).is_ok());
}

#[test]
fn room_command_is_refused_for_an_actor_outside_the_room() {
    let chat = lobby().account("eve");
    let refused = chat.by("eve").at("lobby").run(&mut Parrot, "parrot.say", json!({ "text": "hi" })).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
    assert!(chat.by_guest("gil").at("lobby").run(&mut Parrot, "parrot.say", json!({ "text": "hi" })).is_ok());
}

#[test]
fn observer_replies_to_the_message_it_received() {
    let chat = lobby();
    let bob = chat.by("bob").at("lobby");
    bob.observe(&mut Parrot, &bob.say("who is there?")).unwrap();
    let answer = chat.messages("lobby").pop().unwrap();
    assert_eq!((answer.author.name(), answer.reply_to), ("plugin", Some(2)));
}

#[test]
fn timer_is_removed_on_success_and_kept_on_failure() {
    let chat = lobby();
    for (text, left) in [("bad egg", 1), ("egg", 0)] {
        timers::after("breakfast", Duration::from_secs(60), text).unwrap();
        let due = chat.timer("breakfast").unwrap();
        assert_eq!(chat.fire_timer(&mut Parrot, "breakfast").is_ok(), left == 0);
        assert_eq!((clock::now(), chat.timers().len()), (due, left));
    }
    assert_eq!(chat.said("lobby"), ["hello", "egg"]);
}

#[test]
fn timers_are_replaced_by_name_and_have_a_minimum_delay() {
    let chat = lobby();
    timers::after("a/1", Duration::from_secs(60), &1).unwrap();
    timers::at("a/1", 0, &2).unwrap();
    assert_eq!(chat.timer("a/1"), Some(clock::now() + 1_000));
    timers::after("a/2", Duration::from_secs(60), &1).unwrap();
    assert_eq!(timers::list("a/", Some("a/1"), 10).unwrap(), ["a/2"]);
    timers::cancel("a/1").unwrap();
    assert_eq!(chat.timers(), ["a/2"]);
    let never = timers::after("never", Duration::from_secs(1 << 40), &1).unwrap_err();
    assert_eq!(never.code, ErrorCode::Invalid);
}

#[test]
fn history_is_paged_backwards_without_deleted_messages() {
    let chat = lobby();
    let (room, bob) = (chat.room_id("lobby"), chat.by("bob").at("lobby"));
    for text in ["two", "three", "four"] {
        bob.say(text);
    }
    messages::delete(&room, 2).unwrap();
    let seqs = |before| messages::history(&room, before, 2).unwrap().iter().map(|m| m.seq).collect::<Vec<_>>();
    assert_eq!((seqs(None), seqs(Some(4))), (vec![3, 4], vec![1, 3]));
    assert_eq!(messages::delete(&room, 2).unwrap_err().code, ErrorCode::NotFound);
    assert_eq!(messages::reply(&room, 2, "yes").unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn malformed_push_is_refused() {
    let chat = lobby();
    let (room, nobody) = (chat.room_id("lobby"), AccountId::from("nobody"));
    assert_eq!(push::to_room(&room, "Bad Name", &1).unwrap_err().code, ErrorCode::Invalid);
    assert_eq!(push::to_room(&room, "big", &"x".repeat(16 << 10)).unwrap_err().code, ErrorCode::TooLarge);
    assert_eq!(push::to_account(&nobody, "name", &1).unwrap_err().code, ErrorCode::NotFound);
    assert!(push::to_connection(&"gone".into(), "name", &1).is_ok());
}

#[test]
fn http_requests_get_the_responses_set_by_the_test() {
    let (up, down, lost) = ("https://up.example/", "https://down.example/", "https://lost.example/");
    let chat = MockHost::new()
        .grant("http")
        .answer(up, http::Response::new(200, "[1, 2]"))
        .answer(lost, http::Response::new(404, "no"))
        .fail(down, Error::unavailable("no answer"));
    let sent =
        http::Request::post(up).json(&json!({ "n": 2 })).unwrap().timeout(Duration::from_secs(1)).send().unwrap();
    assert_eq!(sent.json::<Vec<u8>>(), Ok(vec![1, 2]));
    assert_eq!(chat.requests()[0].body.as_deref(), Some(&br#"{"n":2}"#[..]));
    let lost = http::Request::get(lost).send().unwrap();
    assert_eq!((lost.status, lost.json::<Value>().unwrap_err().code), (404, ErrorCode::Unavailable));
    assert_eq!(http::Request::get(down).send().unwrap_err().code, ErrorCode::Unavailable);
}

#[test]
#[should_panic(expected = "the test has no answer")]
fn http_request_without_a_response_fails_the_test() {
    let _chat = MockHost::new().grant("http");
    let _ = http::Request::get("https://nowhere.example/").send();
}

#[test]
#[should_panic(expected = "the plugin called `messages`, which is not granted")]
fn posting_needs_a_grant() {
    let chat = MockHost::new().room("lobby");
    let _ = messages::post(&chat.room_id("lobby"), "hello");
}

#[test]
fn directory_lists_the_commands_of_all_plugins_by_name() {
    let _chat = MockHost::new().plugin("parrot", &Parrot);
    let commands = directory::commands();
    assert_eq!((commands[0].plugin.as_str(), commands[0].spec.name.as_str()), ("parrot", "parrot.say"));
}
