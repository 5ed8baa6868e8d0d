//! Model test: after random operations of several people in a room, the server's answers and state match a simple model, and a
//! listener's state, derived from events, matches the state that queries return.

mod model;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::{Value, json};

use self::model::{Message, Model, State};
use crate::harness::{Account, Client, Plugin, Server, Setup};

/// The first of them makes the room.
const PEOPLE: [&str; 4] = ["ann", "bob", "cid", "dee"];
const LISTENER: &str = "eve";
const EMOJIS: [&str; 2] = ["👍", "🎉"];
const CASES: u32 = 256;

/// An operation. People are indices, and messages too, in the order in which they were posted.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Join,
    Leave,
    Post(String),
    Edit(usize, String),
    Delete(usize),
    React(usize, usize, bool),
    Invite(usize),
    Kick(usize),
    Ban(usize),
    Unban(usize),
    Role(usize, &'static str),
    Mute(usize, bool),
    Topic(String),
    Visibility(&'static str),
}

fn op() -> impl Strategy<Value = Op> {
    let whom = || 0..PEOPLE.len();
    let message = || 0..6_usize;
    let text = || "[a-z]{1,5}";
    prop_oneof![
        6 => Just(Op::Join),
        2 => Just(Op::Leave),
        6 => text().prop_map(Op::Post),
        3 => (message(), text()).prop_map(|(message, text)| Op::Edit(message, text)),
        2 => message().prop_map(Op::Delete),
        4 => (message(), 0..EMOJIS.len(), any::<bool>()).prop_map(|(message, emoji, on)| Op::React(message, emoji, on)),
        2 => whom().prop_map(Op::Invite),
        2 => whom().prop_map(Op::Kick),
        1 => whom().prop_map(Op::Ban),
        1 => whom().prop_map(Op::Unban),
        2 => (whom(), prop_oneof![Just("member"), Just("moderator")]).prop_map(|(whom, role)| Op::Role(whom, role)),
        2 => (whom(), any::<bool>()).prop_map(|(whom, on)| Op::Mute(whom, on)),
        1 => text().prop_map(Op::Topic),
        1 => prop_oneof![Just("public"), Just("private")].prop_map(Op::Visibility),
    ]
}

/// Some of the others join first, and some of them become moderators; then random operations follow.
fn ops() -> impl Strategy<Value = Vec<(usize, Op)>> {
    let cast = prop::collection::vec(0..3_u8, PEOPLE.len() - 1);
    let then = prop::collection::vec((0..PEOPLE.len(), op()), 1..60);
    (cast, then).prop_map(|(cast, then)| {
        let mut ops = Vec::new();
        for (who, rank) in (1..).zip(cast) {
            ops.extend((rank > 0).then_some((who, Op::Join)));
            ops.extend((rank > 1).then_some((0, Op::Role(who, "moderator"))));
        }
        ops.extend(then);
        ops
    })
}

#[test]
fn room_matches_model_and_listener_after_random_operations() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, people, listener) = runtime.block_on(start());
    let rooms = AtomicU32::new(0);
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&ops(), |ops| {
        let room = format!("room {}", rooms.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(case(&server, &people, &listener, &room, &ops)).map_err(TestCaseError::fail)
    });
    if let Err(TestError::Fail(why, ops)) = &outcome {
        let ops: Vec<String> = ops.iter().map(|(who, op)| format!("  {} {op:?}", PEOPLE[*who])).collect();
        panic!("{why}\nafter these, which are as few as show it:\n{}", ops.join("\n"));
    }
    outcome.unwrap();
}

async fn start() -> (Server, Vec<Account>, Account) {
    let setup = Setup::bare()
        .replace("command_burst = 200", "command_burst = 1000000")
        .replace("attempts_burst = 30", "attempts_burst = 1000000")
        .replace("rooms_per_account = 100", "rooms_per_account = 1000000")
        .replace("creations_per_address_per_hour = 1000", "creations_per_address_per_hour = 1000000");
    setup.install(Plugin::Groups, Plugin::Groups.file_name());
    let server = setup.start().await;
    let mut people = Vec::new();
    for name in PEOPLE {
        people.push(server.sign_up(name).await);
    }
    let listener = server.sign_up(LISTENER).await;
    (server, people, listener)
}

/// One sequence of operations in a room of its own.
async fn case(
    server: &Server,
    people: &[Account],
    listener: &Account,
    room: &str,
    ops: &[(usize, Op)],
) -> Result<(), String> {
    let mut clients = Vec::new();
    for account in people {
        clients.push(server.log_in(account).await);
    }
    let mut eve = server.log_in(listener).await;
    clients[0].call("room.create", json!({"name": room, "visibility": "public"})).await.unwrap();
    let joined = eve.call("room.join", json!({"room": room, "since": 0})).await.unwrap();
    assert_eq!(joined["recovered"], true);
    let mut model = Model::new(PEOPLE[0], LISTENER);

    for (n, (who, op)) in ops.iter().enumerate() {
        let expected = model.apply(PEOPLE[*who], op);
        let (name, mut args) = request(op, &model);
        args["room"] = json!(room);
        let answer = clients[*who].call(name, args).await;
        let code = answer.as_ref().map(|_| ()).map_err(|failure| failure.code().to_owned());
        if code != expected.map_err(str::to_owned) {
            return Err(format!(
                "operation {n}, {} {op:?}: the model says {expected:?}, the server {answer:?}",
                PEOPLE[*who]
            ));
        }
        if let (Op::Post(_), Ok(answer)) = (op, &answer)
            && answer["seq"] != model.last_seq
        {
            return Err(format!("operation {n}: the model gives it number {}, the server {answer}", model.last_seq));
        }
    }

    let heard = listen(&mut eve, model.last_seq).await?;
    let asked = ask(&mut eve, room, people).await;
    for (what, state) in [("who asks is told", &asked), ("who listens heard", &heard)] {
        if *state != model.state {
            return Err(format!("the model says\n{:#?}\nand {what}\n{state:#?}", model.state));
        }
    }
    Ok(())
}

/// The command for an operation.
fn request(op: &Op, model: &Model) -> (&'static str, Value) {
    let whom = |whom: &usize| PEOPLE[*whom];
    let seq = |message: &usize| model.message(*message);
    match op {
        Op::Join => ("room.join", json!({})),
        Op::Leave => ("room.leave", json!({})),
        Op::Post(body) => ("message.post", json!({"body": body})),
        Op::Edit(message, body) => ("message.edit", json!({"seq": seq(message), "body": body})),
        Op::Delete(message) => ("message.delete", json!({"seq": seq(message)})),
        Op::React(message, emoji, on) => {
            ("message.react", json!({"seq": seq(message), "emoji": EMOJIS[*emoji], "on": on}))
        }
        Op::Invite(who) => ("member.invite", json!({"account": whom(who)})),
        Op::Kick(who) => ("member.kick", json!({"account": whom(who)})),
        Op::Ban(who) => ("member.ban", json!({"account": whom(who)})),
        Op::Unban(who) => ("member.unban", json!({"account": whom(who)})),
        Op::Role(who, role) => ("member.role", json!({"account": whom(who), "role": role})),
        Op::Mute(who, on) => ("member.mute", json!({"account": whom(who), "for_s": if *on { 3600 } else { 0 }})),
        Op::Topic(topic) => ("room.update", json!({"topic": topic})),
        Op::Visibility(visibility) => ("room.update", json!({"visibility": visibility})),
    }
}

/// The state derived from events alone.
async fn listen(client: &mut Client, last_seq: u64) -> Result<State, String> {
    let mut state = State::default();
    for seq in 1..=last_seq {
        let event = loop {
            let frame = client.next_frame().await;
            if frame["seq"].is_u64() {
                break frame;
            }
        };
        if event["seq"] != seq {
            return Err(format!("entry {seq} should have come, not {event}"));
        }
        hear(&mut state, &event);
    }
    match client.settle().await.iter().find(|frame| frame["seq"].is_u64()) {
        Some(more) => Err(format!("the model has {last_seq} entries, and one more came: {more}")),
        None => Ok(state),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn hear(state: &mut State, event: &Value) {
    let data = &event["data"];
    let whom = text(&data["account"]["name"]);
    let message = data["message"].as_u64().unwrap_or_default();
    match event["event"].as_str().unwrap_or_default() {
        "message.posted" => {
            let message = Message { by: text(&data["from"]["name"]), body: text(&data["body"]), ..Message::default() };
            state.messages.insert(event["seq"].as_u64().unwrap(), message);
        }
        "message.edited" => state.messages.get_mut(&message).unwrap().edit(&text(&data["body"])),
        "message.deleted" => state.messages.get_mut(&message).unwrap().delete(),
        "message.reacted" => {
            let (emoji, by) = (text(&data["emoji"]), text(&data["by"]["name"]));
            state.messages.get_mut(&message).unwrap().react(&emoji, &by, data["on"] == true);
        }
        "member.added" | "member.role" => drop(state.members.insert(whom, text(&data["role"]))),
        "member.removed" => drop(state.members.remove(&whom)),
        "room.updated" => (state.topic, state.visibility) = (text(&data["topic"]), text(&data["visibility"])),
        "room.invited" => {}
        other => panic!("an event that nobody thought of: {other}"),
    }
}

/// The state that queries return.
async fn ask(client: &mut Client, room: &str, people: &[Account]) -> State {
    let here = json!({"room": room});
    let got = client.call("room.get", here.clone()).await.unwrap()["room"].clone();
    let listed = client.call("room.members", here).await.unwrap()["members"].clone();
    let listed = listed.as_array().unwrap();
    assert_eq!(got["members"], listed.len());
    let members = listed.iter().map(|member| (text(&member["account"]["name"]), text(&member["role"])));
    let page = client.call("room.history", json!({"room": room, "limit": 200})).await.unwrap();
    let messages = page["messages"].as_array().unwrap().iter();
    let name_of = |id: &Value| people.iter().find(|account| id == &account.id).map(|account| account.name.clone());
    State {
        members: members.collect(),
        topic: text(&got["topic"]),
        visibility: text(&got["visibility"]),
        messages: messages
            .map(|message| {
                let reactions = message["reactions"].as_array().into_iter().flatten().map(|reaction| {
                    let accounts: BTreeSet<String> =
                        reaction["accounts"].as_array().unwrap().iter().filter_map(name_of).collect();
                    assert_eq!(reaction["count"], accounts.len());
                    (text(&reaction["emoji"]), accounts)
                });
                let said = Message {
                    by: text(&message["from"]["name"]),
                    body: text(&message["body"]),
                    edited: message["edited_at"].is_string(),
                    deleted: message["deleted_at"].is_string(),
                    reactions: reactions.collect(),
                };
                (message["seq"].as_u64().unwrap(), said)
            })
            .collect(),
    }
}
