//! State machine of the client, without I/O: takes frames and typed lines, and returns actions.
//!
//! No typed line is lost or duplicated: lines are processed in order, one at a time, and stay at the head of the queue
//! until the server has answered. After a lost connection the room is joined `since` the last entry seen, and an
//! unacknowledged post is sent again with the same key, unless it is among the missed entries.

mod opening;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use self::queue::Todo;
use super::render;

/// How many typed lines are queued; further input is not read yet.
const MAX_QUEUED_LINES: usize = 64;

/// The identity to connect with.
#[derive(Clone)]
pub(super) enum Identity {
    Guest(String),
    Token(String),
}

/// What the caller should do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Send(Value),
    Print(String),
    /// Call `woken` after this time.
    WakeIn(Duration),
    /// Open a new connection.
    Reconnect(String),
    /// End with this error.
    GiveUp(String),
}

#[derive(Clone)]
struct Target {
    room: String,
    password: Option<String>,
}

/// The current room.
struct Room {
    target: Target,
    uid: String,
    /// The number of the last entry seen.
    last_seq: u64,
    /// Messages that were shown from history; their events may still arrive.
    shown: HashSet<u64>,
}

/// The progress of the current connection.
enum Stage {
    Offline,
    Connecting {
        id: u64,
    },
    Joining {
        id: u64,
        target: Target,
    },
    /// Reading history: the latest messages, or those missed while offline.
    Reading {
        id: u64,
        last_seq: u64,
        missed: bool,
    },
    /// Receiving missed entries, up to this number.
    Replaying {
        until: u64,
    },
    Live,
}

pub(super) struct Conversation {
    identity: Identity,
    home: Target,
    room: Option<Room>,
    stage: Stage,
    /// Events that arrived before the stage allowed to show them.
    held: Vec<Value>,
    todo: VecDeque<Todo>,
    /// The id of the request for the head of `todo`.
    in_flight: Option<u64>,
    /// The head of `todo` was rate-limited and waits for a retry.
    waiting: bool,
    /// The number of the last own post, whose event may still arrive.
    expected: u64,
    was_connected: bool,
    ping: Duration,
    refused: usize,
    next_id: u64,
}

impl Conversation {
    pub(super) fn new(identity: Identity, room: String, password: Option<String>) -> Self {
        Self {
            identity,
            home: Target { room, password },
            room: None,
            stage: Stage::Offline,
            held: Vec::new(),
            todo: VecDeque::new(),
            in_flight: None,
            waiting: false,
            expected: 0,
            was_connected: false,
            ping: Duration::from_secs(30),
            refused: 0,
            next_id: 1,
        }
    }

    /// Whether another typed line can be queued.
    pub(super) fn has_space(&self) -> bool {
        self.todo.len() < MAX_QUEUED_LINES
    }

    /// How many typed lines the server has not answered.
    pub(super) fn unanswered(&self) -> usize {
        self.todo.len()
    }

    /// Whether events of own posts are still to arrive.
    pub(super) fn expects_events(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.last_seq < self.expected)
    }

    /// Whether the client has joined a room.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Live | Stage::Replaying { .. } | Stage::Reading { .. })
    }

    /// How long the server may send nothing, not even a ping, before the connection counts as lost.
    pub(super) fn silence(&self) -> Duration {
        (self.ping * 3).max(Duration::from_secs(10))
    }

    /// How many lines the server refused.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// Called when a connection is open.
    pub(super) fn opened(&mut self) -> Vec<Action> {
        let args = match &self.identity {
            Identity::Guest(name) => json!({ "guest": name }),
            Identity::Token(token) => json!({ "token": token }),
        };
        let mut out = Vec::new();
        let id = self.request("connect", args, &mut out);
        self.stage = Stage::Connecting { id };
        out
    }

    /// Called when the connection is lost.
    pub(super) fn lost(&mut self) {
        self.stage = Stage::Offline;
        self.held.clear();
        self.in_flight = None;
        self.waiting = false;
    }

    /// Called when the time of `WakeIn` has passed.
    pub(super) fn woken(&mut self) -> Vec<Action> {
        let mut out = Vec::new();
        self.waiting = false;
        if matches!(self.stage, Stage::Replaying { .. }) {
            self.stage = Stage::Live;
        }
        self.advance(&mut out);
        out
    }

    /// Called for each received frame.
    pub(super) fn received(&mut self, frame: &str) -> Vec<Action> {
        let mut out = Vec::new();
        match serde_json::from_str::<Value>(frame) {
            Ok(frame) if frame.get("event").is_some() => match self.stage {
                Stage::Connecting { .. } | Stage::Joining { .. } | Stage::Reading { .. } => self.held.push(frame),
                _ => self.event(&frame, &mut out),
            },
            Ok(frame) => self.answer(&frame, &mut out),
            Err(_) => say(&mut out, "! the server sent something that is not JSON"),
        }
        self.advance(&mut out);
        out
    }

    fn event(&mut self, frame: &Value, out: &mut Vec<Action>) {
        let (name, data) = (frame["event"].as_str().unwrap_or_default(), &frame["data"]);
        let about = frame["room"].as_str();
        let Some(room) = self.room.as_mut().filter(|room| about.is_none_or(|uid| uid == room.uid)) else { return };
        if let Some(seq) = frame["seq"].as_u64() {
            if seq <= room.last_seq {
                return;
            }
            room.last_seq = seq;
            if name == "message.posted" && room.shown.remove(&seq) {
                return;
            }
        }
        if let Some(line) = render::event(name, data) {
            say(out, &line);
        }
        // The post reached the server before the connection was lost.
        if self.in_flight.is_none()
            && matches!(self.todo.front(), Some(Todo::Post { key, .. }) if data["key"] == key.as_str())
        {
            self.todo.pop_front();
        }
        if matches!(self.stage, Stage::Replaying { until } if room.last_seq >= until) {
            self.stage = Stage::Live;
        }
    }

    fn answer(&mut self, frame: &Value, out: &mut Vec<Action>) {
        let id = frame["id"].as_u64();
        let outcome = match frame.get("ok") {
            Some(ok) => Ok(ok),
            None => Err(&frame["error"]),
        };
        match &self.stage {
            Stage::Connecting { id: asked } if id == Some(*asked) => self.connected(outcome, out),
            Stage::Joining { id: asked, target } if id == Some(*asked) => {
                let target = target.clone();
                self.joined(target, outcome, out);
            }
            Stage::Reading { id: asked, last_seq, missed } if id == Some(*asked) => {
                let (last_seq, missed) = (*last_seq, *missed);
                self.read(last_seq, missed, outcome, out);
            }
            _ if id.is_some() && id == self.in_flight => self.answered(outcome, out),
            // An error without a request, such as one for an unreadable frame.
            _ => {
                if let Err(error) = outcome {
                    say(out, &format!("! {}", render::error(error)));
                }
            }
        }
    }

    fn request(&mut self, op: &str, args: Value, out: &mut Vec<Action>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        out.push(Action::Send(json!({ "id": id, "op": op, "args": args })));
        id
    }
}

/// Prints a line, cleaned of control characters; all output goes through here.
fn say(out: &mut Vec<Action>, line: &str) {
    out.push(Action::Print(render::clean(line)));
}

fn give_up(out: &mut Vec<Action>, why: &str) {
    out.push(Action::GiveUp(render::clean(why)));
}
