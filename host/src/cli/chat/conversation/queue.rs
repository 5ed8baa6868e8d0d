//! The queue of typed lines and commands, processed in order and one at a time.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::render;
use super::{Action, Conversation, Stage, Target, say};

const LOCAL_COMMANDS: [&str; 5] = [
    "/join room [password]              Talk in another room",
    "/rooms                             List the rooms",
    "/who                               List this room's members",
    "/help                              This list",
    "/quit                              Leave the chat",
];

/// A queued line or command.
pub(super) enum Todo {
    Post { key: String, body: String },
    Join(Target),
    Rooms,
    Who,
    Help,
}

impl Conversation {
    /// Called for each typed line.
    pub(in super::super) fn typed(&mut self, line: &str) -> Vec<Action> {
        let mut out = Vec::new();
        let mut words = line.split_whitespace();
        match words.next() {
            None => {}
            Some("/rooms") => self.todo.push_back(Todo::Rooms),
            Some("/who") => self.todo.push_back(Todo::Who),
            Some("/help") => self.todo.push_back(Todo::Help),
            Some("/join") => match (words.next(), words.next()) {
                (Some(room), password) => {
                    let target = Target { room: room.to_owned(), password: password.map(str::to_owned) };
                    self.todo.push_back(Todo::Join(target));
                }
                (None, _) => say(&mut out, "! /join needs a room; wanted /join ROOM [PASSWORD]"),
            },
            Some(_) => self.todo.push_back(Todo::Post { key: Uuid::new_v4().to_string(), body: line.to_owned() }),
        }
        self.advance(&mut out);
        out
    }

    /// Sends the request for the head of the queue, if none is in flight.
    pub(super) fn advance(&mut self, out: &mut Vec<Action>) {
        if !matches!(self.stage, Stage::Live) || self.in_flight.is_some() || self.waiting {
            return;
        }
        let room = self.room.as_ref().map_or("", |room| &room.uid);
        let (op, args) = match self.todo.front() {
            None => return,
            Some(Todo::Post { key, body }) => ("message.post", json!({ "room": room, "body": body, "key": key })),
            Some(Todo::Rooms) => ("room.list", json!({})),
            Some(Todo::Who) => ("room.members", json!({ "room": room })),
            Some(Todo::Help) => ("commands", json!({ "room": room })),
            Some(Todo::Join(target)) => {
                let target = target.clone();
                self.join(target, out);
                self.in_flight = Some(self.next_id - 1);
                return;
            }
        };
        self.in_flight = Some(self.request(op, args, out));
    }

    /// Called when the request for the head of the queue is answered.
    pub(super) fn answered(&mut self, outcome: Result<&Value, &Value>, out: &mut Vec<Action>) {
        self.in_flight = None;
        if let Some(wait) = outcome.err().and_then(retry_after) {
            self.waiting = true;
            out.push(Action::WakeIn(wait));
            return;
        }
        let done = self.todo.pop_front();
        match (outcome, done) {
            (Err(error), _) => {
                self.refused += 1;
                say(out, &format!("! {}", render::error(error)));
            }
            (Ok(ok), Some(Todo::Rooms)) => say_all(out, render::rooms(ok)),
            (Ok(ok), Some(Todo::Who)) => say_all(out, render::members(ok)),
            (Ok(ok), Some(Todo::Help)) => {
                say_all(out, LOCAL_COMMANDS.map(str::to_owned));
                say_all(out, render::commands(ok));
            }
            (Ok(ok), _) => match (ok.get("result"), ok["seq"].as_u64()) {
                (Some(result), _) => say_all(out, render::result(result)),
                (None, Some(seq)) => self.expected = self.expected.max(seq),
                (None, None) => {}
            },
        }
    }
}

/// The delay before a retry, if the error is temporary.
pub(super) fn retry_after(error: &Value) -> Option<Duration> {
    match error["code"].as_str() {
        Some("rate_limited") => Some(Duration::from_millis(error["retry_after_ms"].as_u64().unwrap_or(1000))),
        Some("unavailable") => Some(Duration::from_secs(1)),
        _ => None,
    }
}

fn say_all(out: &mut Vec<Action>, lines: impl IntoIterator<Item = String>) {
    for line in lines {
        say(out, &line);
    }
}
