//! The opening of a connection: authenticates, joins the room, and reads its history or the missed entries.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::render;
use super::queue::{Todo, retry_after};
use super::{Action, Conversation, Identity, Room, Stage, Target, give_up, say};

/// How many messages are shown when a room is joined.
const HISTORY_MESSAGES: u32 = 20;
/// How many missed messages are read per request.
const PAGE_MESSAGES: usize = 100;

impl Conversation {
    pub(super) fn connected(&mut self, outcome: Result<&Value, &Value>, out: &mut Vec<Action>) {
        match outcome {
            Ok(ok) => {
                let name = ok["account"]["name"].as_str().or(match &self.identity {
                    Identity::Guest(name) => Some(name),
                    Identity::Token(_) => None,
                });
                if !self.was_connected {
                    say(out, &format!("* connected as {}", name.unwrap_or("somebody")));
                }
                self.was_connected = true;
                if let Some(ping_ms) = ok["ping_ms"].as_u64() {
                    self.ping = Duration::from_millis(ping_ms.min(3_600_000));
                }
                let target = self.room.as_ref().map_or_else(|| self.home.clone(), |room| room.target.clone());
                self.join(target, out);
            }
            // The server may not have noticed yet that the old connection with this name is gone.
            Err(error) if self.was_connected && error["code"] != "unauthenticated" => {
                out.push(Action::Reconnect(render::clean(&render::error(error))));
            }
            Err(error) => give_up(out, &format!("cannot connect: {}", render::error(error))),
        }
    }

    pub(super) fn join(&mut self, target: Target, out: &mut Vec<Action>) {
        let mut args = json!({ "room": target.room });
        if let Some(password) = &target.password {
            args["password"] = json!(password);
        }
        if let Some(room) = self.known(&target) {
            args["room"] = json!(room.uid);
            args["since"] = json!(room.last_seq);
        }
        let id = self.request("room.join", args, out);
        self.stage = Stage::Joining { id, target };
    }

    /// The current room, if it is the target.
    fn known(&self, target: &Target) -> Option<&Room> {
        self.room.as_ref().filter(|room| room.target.room == target.room)
    }

    pub(super) fn joined(&mut self, target: Target, outcome: Result<&Value, &Value>, out: &mut Vec<Action>) {
        let asked_for = matches!(self.todo.front(), Some(Todo::Join(_)) if self.in_flight.is_some());
        if asked_for {
            self.in_flight = None;
            self.todo.pop_front();
        }
        let ok = match outcome {
            Ok(ok) => ok,
            Err(error) => return self.not_joined(&target, asked_for, error, out),
        };
        let last_seq = ok["last_seq"].as_u64().unwrap_or(0);
        if let Some(seen) = self.known(&target).map(|room| room.last_seq) {
            if ok["recovered"] == true {
                self.stage = if seen < last_seq { Stage::Replaying { until: last_seq } } else { Stage::Live };
                self.release(out);
                if matches!(self.stage, Stage::Replaying { .. }) {
                    // A timeout, so that typed lines do not wait for ever if an entry does not arrive.
                    out.push(Action::WakeIn(Duration::from_secs(2)));
                }
            } else {
                say(
                    out,
                    "* away for long; messages that were changed or deleted in the meantime are shown in their current state",
                );
                self.ask_history(json!({ "after": seen, "limit": PAGE_MESSAGES }), last_seq, true, out);
            }
            return;
        }
        let uid = ok["room"]["uid"].as_str().unwrap_or_default().to_owned();
        let name = ok["room"]["name"].as_str().unwrap_or(&target.room).to_owned();
        let room = Room { target, uid, last_seq: 0, shown: HashSet::new() };
        let uid = room.uid.clone();
        if let Some(left) = self.room.replace(room) {
            // A guest leaves the former room; an account stays a member.
            if matches!(self.identity, Identity::Guest(_)) && left.uid != uid {
                out.push(Action::Send(json!({ "op": "room.leave", "args": { "room": left.uid } })));
            }
        }
        self.expected = 0;
        say(out, &format!("* you are in {name}"));
        self.ask_history(json!({ "limit": HISTORY_MESSAGES }), last_seq, false, out);
    }

    fn not_joined(&mut self, target: &Target, asked_for: bool, error: &Value, out: &mut Vec<Action>) {
        let why = format!("cannot join {}: {}", target.room, render::error(error));
        if asked_for {
            self.refused += 1;
            say(out, &format!("! {why}"));
            self.stage = Stage::Live;
            self.release(out);
        } else if retry_after(error).is_some() {
            out.push(Action::Reconnect(render::clean(&why)));
        } else if error["code"] == "forbidden" && target.password.is_none() {
            give_up(out, &format!("{why} (a room's password is given with --password)"));
        } else {
            give_up(out, &why);
        }
    }

    fn ask_history(&mut self, mut args: Value, last_seq: u64, missed: bool, out: &mut Vec<Action>) {
        args["room"] = json!(self.room.as_ref().map(|room| &room.uid));
        let id = self.request("room.history", args, out);
        self.stage = Stage::Reading { id, last_seq, missed };
    }

    pub(super) fn read(&mut self, last_seq: u64, missed: bool, outcome: Result<&Value, &Value>, out: &mut Vec<Action>) {
        let messages = match outcome {
            Ok(ok) => ok["messages"].as_array().map_or(&[][..], Vec::as_slice),
            // Live events still arrive.
            Err(error) => {
                say(out, &format!("! cannot read the room's history: {}", render::error(error)));
                &[]
            }
        };
        for message in messages {
            let seq = message["seq"].as_u64();
            say(out, &render::message(message));
            if let (Some(seq), Some(room)) = (seq, &mut self.room) {
                room.shown.insert(seq);
            }
            if matches!(self.todo.front(), Some(Todo::Post { key, .. }) if message["key"] == key.as_str()) {
                self.todo.pop_front();
            }
        }
        let end = messages.last().and_then(|message| message["seq"].as_u64());
        if let (true, Some(end)) = (missed && messages.len() >= PAGE_MESSAGES, end) {
            return self.ask_history(json!({ "after": end, "limit": PAGE_MESSAGES }), last_seq, true, out);
        }
        if let Some(room) = &mut self.room {
            room.last_seq = last_seq;
            room.shown.retain(|seq| *seq > last_seq);
        }
        self.stage = Stage::Live;
        self.release(out);
    }

    pub(super) fn release(&mut self, out: &mut Vec<Action>) {
        for frame in std::mem::take(&mut self.held) {
            self.event(&frame, out);
        }
    }
}
