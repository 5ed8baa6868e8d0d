//! What the client knows and does next; no I/O. Frames and typed lines go in, things to do come out.
//!
//! Nothing typed is lost or doubled: what was typed is done in its order, one thing at a time, and stays at the head of
//! the queue until the server has answered it. After a lost connection the room is joined `since` the last entry seen,
//! and a post that was not acknowledged is sent again under the same key, unless it turns up among what was missed.

mod opening;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use self::queue::Todo;
use super::render;

/// More typed lines than this wait outside.
const MOST_TODO: usize = 64;

/// Who to be.
#[derive(Clone)]
pub(super) enum Identity {
    Guest(String),
    Token(String),
}

/// What the outside should do.
#[derive(Debug, PartialEq)]
pub(super) enum Do {
    Send(Value),
    Print(String),
    /// Call `woken` after this time.
    WakeIn(Duration),
    /// Try again with a new connection.
    Reconnect(String),
    /// There is no use in going on.
    GiveUp(String),
}

#[derive(Clone)]
struct Target {
    room: String,
    password: Option<String>,
}

/// The room that is being talked in.
struct Room {
    target: Target,
    uid: String,
    /// The last entry of its log that was seen.
    last_seq: u64,
    /// Messages that history has shown; their events may still come.
    shown: HashSet<u64>,
}

/// How far this connection has got.
enum Stage {
    Offline,
    Connecting {
        id: u64,
    },
    Joining {
        id: u64,
        target: Target,
    },
    /// Reading what is older than the live events, or was missed.
    Reading {
        id: u64,
        last_seq: u64,
        missed: bool,
    },
    /// The server is sending what was missed, up to here.
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
    /// Events that came before it was known what to do with them.
    held: Vec<Value>,
    todo: VecDeque<Todo>,
    /// The request for the head of `todo`.
    in_flight: Option<u64>,
    /// The head of `todo` was refused for now.
    waiting: bool,
    /// The last own post, whose event is still to come.
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

    /// Whether another typed line can be taken.
    pub(super) fn has_space(&self) -> bool {
        self.todo.len() < MOST_TODO
    }

    /// How much of what was typed the server has not answered.
    pub(super) fn unanswered(&self) -> usize {
        self.todo.len()
    }

    /// Whether the own posts' events are still to come.
    pub(super) fn expects_events(&self) -> bool {
        self.room.as_ref().is_some_and(|room| room.last_seq < self.expected)
    }

    /// Whether the server knows us, and in which room.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.stage, Stage::Live | Stage::Replaying { .. } | Stage::Reading { .. })
    }

    /// A server that says nothing for so long, not even a ping, is gone.
    pub(super) fn silence(&self) -> Duration {
        (self.ping * 3).max(Duration::from_secs(10))
    }

    /// How many lines the server would not have.
    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// A connection has been made.
    pub(super) fn opened(&mut self) -> Vec<Do> {
        let args = match &self.identity {
            Identity::Guest(name) => json!({ "guest": name }),
            Identity::Token(token) => json!({ "token": token }),
        };
        let mut out = Vec::new();
        let id = self.request("connect", args, &mut out);
        self.stage = Stage::Connecting { id };
        out
    }

    /// The connection is gone.
    pub(super) fn lost(&mut self) {
        self.stage = Stage::Offline;
        self.held.clear();
        self.in_flight = None;
        self.waiting = false;
    }

    /// The time asked for with `WakeIn` has passed.
    pub(super) fn woken(&mut self) -> Vec<Do> {
        let mut out = Vec::new();
        self.waiting = false;
        if matches!(self.stage, Stage::Replaying { .. }) {
            self.stage = Stage::Live;
        }
        self.advance(&mut out);
        out
    }

    /// A frame has come.
    pub(super) fn heard(&mut self, frame: &str) -> Vec<Do> {
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

    fn event(&mut self, frame: &Value, out: &mut Vec<Do>) {
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
        // It did reach the server before the connection was lost.
        if self.in_flight.is_none()
            && matches!(self.todo.front(), Some(Todo::Post { key, .. }) if data["key"] == key.as_str())
        {
            self.todo.pop_front();
        }
        if matches!(self.stage, Stage::Replaying { until } if room.last_seq >= until) {
            self.stage = Stage::Live;
        }
    }

    fn answer(&mut self, frame: &Value, out: &mut Vec<Do>) {
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
            // An error that belongs to no request, such as one about a frame that could not be read.
            _ => {
                if let Err(error) = outcome {
                    say(out, &format!("! {}", render::error(error)));
                }
            }
        }
    }

    fn request(&mut self, op: &str, args: Value, out: &mut Vec<Do>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        out.push(Do::Send(json!({ "id": id, "op": op, "args": args })));
        id
    }
}

/// All that is printed goes through here, so that all of it is clean.
fn say(out: &mut Vec<Do>, line: &str) {
    out.push(Do::Print(render::clean(line)));
}

fn give_up(out: &mut Vec<Do>, why: &str) {
    out.push(Do::GiveUp(render::clean(why)));
}
