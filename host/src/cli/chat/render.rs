//! Renders frames as stable, plain lines for users: `ann: hello`, `* bob joined`.

use std::fmt::Write as _;

use serde_json::Value;

/// Sanitises untrusted text: removes control characters, which could move the cursor or change the title, and changes of
/// writing direction; indents continuation lines, so that they cannot pass for another user's.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        match c {
            '\n' | '\u{2028}' | '\u{2029}' => clean.push_str("\n  | "),
            '\t' => clean.push(' '),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

/// The line for an event; `None` if it is not shown.
pub(super) fn event(name: &str, data: &Value) -> Option<String> {
    Some(match name {
        "message.posted" => message(data),
        "message.edited" => format!("* {} edited message {}: {}", who(data), number(data), text(data, "body")),
        "message.deleted" => format!("* message {} was deleted", number(data)),
        "message.reacted" => format!("* {} reacted to message {}: {}", who(data), number(data), text(data, "emoji")),
        "member.added" | "guest.joined" => format!("* {} joined", who(data)),
        "guest.left" => format!("* {} left", who(data)),
        "member.removed" => {
            let how = match data["why"].as_str() {
                Some("kicked") => "was kicked",
                Some("banned") => "was banned",
                _ => "left",
            };
            format!("* {} {how}{}", who(data), reason(data))
        }
        "member.role" => format!("* {} is now {}", who(data), text(data, "role")),
        "room.updated" => match data["topic"].as_str().filter(|topic| !topic.is_empty()) {
            Some(topic) => format!("* the room is now {}: {topic}", name_of(data)),
            None => format!("* the room is now {}", name_of(data)),
        },
        "room.deleted" => "* the room was deleted".to_owned(),
        "room.invited" => format!("* {} was invited", who(data)),
        "token.expiring" => "* the token is about to end".to_owned(),
        "typing" | "presence" | "read" => return None,
        other => format!("* {other} {}", short(data)),
    })
}

/// A message, from an event or from history.
pub(super) fn message(data: &Value) -> String {
    format!("{}: {}", name_of(&data["from"]), text(data, "body"))
}

pub(super) fn error(error: &Value) -> String {
    match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => short(error),
    }
}

pub(super) fn rooms(ok: &Value) -> Vec<String> {
    let rooms = list(ok, "rooms").iter().map(|room| {
        let mut line = format!("* {}", name_of(room));
        if room["visibility"] == "private" {
            line.push_str(" (private)");
        }
        if let Some(members) = room["members"].as_u64() {
            let _ = write!(line, ", {members} {}", if members == 1 { "member" } else { "members" });
        }
        if let Some(topic) = room["topic"].as_str().filter(|topic| !topic.is_empty()) {
            let _ = write!(line, ": {topic}");
        }
        line
    });
    some_or(rooms.collect(), "* there are no rooms to see")
}

pub(super) fn members(ok: &Value) -> Vec<String> {
    let members = list(ok, "members").iter().map(|member| {
        let mut line = format!("* {}", who(member));
        if let Some(role) = member["role"].as_str().filter(|role| *role != "member") {
            let _ = write!(line, ", {role}");
        }
        if member["account"]["online"] == false {
            line.push_str(", away");
        }
        line
    });
    let guests = list(ok, "guests").iter().map(|guest| format!("* {}, guest", name_of(guest)));
    some_or(members.chain(guests).collect(), "* the room is empty")
}

/// The slash commands that the server offers.
pub(super) fn commands(ok: &Value) -> Vec<String> {
    let offered = list(ok, "commands").iter().filter_map(|command| Some((command["slash"].as_str()?, command)));
    let line = |(word, command): (&str, &Value)| {
        let mut line = format!("/{word}");
        for param in list(command, "params") {
            let name = name_of(param);
            let _ = if param["required"] == false { write!(line, " [{name}]") } else { write!(line, " {name}") };
        }
        format!("{line:<34} {}", text(command, "summary"))
    };
    offered.map(line).collect()
}

/// The result of a command: text as it is, anything else as `name: value` lines.
pub(super) fn result(result: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    flatten("", result, &mut lines);
    some_or(lines, "= done")
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    let mut say =
        |text: &str| lines.push(if path.is_empty() { format!("= {text}") } else { format!("= {path}: {text}") });
    match value {
        Value::Null => {}
        Value::String(text) => say(text),
        Value::Bool(_) | Value::Number(_) => say(&value.to_string()),
        Value::Array(items) => {
            for item in items {
                flatten(path, item, lines);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, lines);
            }
        }
    }
}

/// The name of the person that an event is about, from whichever field has it.
fn who(data: &Value) -> &str {
    let places = ["account", "guest", "from", "by"];
    let named = places.iter().find_map(|place| data[place]["name"].as_str());
    named.unwrap_or_else(|| name_of(data))
}

fn name_of(data: &Value) -> &str {
    data["name"].as_str().unwrap_or("somebody")
}

/// The number of the message that an event is about.
fn number(data: &Value) -> String {
    let places = ["message", "of", "seq"];
    places.iter().find_map(|place| data[place].as_u64()).map_or_else(|| "?".to_owned(), |seq| seq.to_string())
}

fn reason(data: &Value) -> String {
    data["reason"].as_str().map_or_else(String::new, |reason| format!(" ({reason})"))
}

fn text<'a>(data: &'a Value, field: &str) -> &'a str {
    data[field].as_str().unwrap_or_default()
}

fn list<'a>(data: &'a Value, field: &str) -> &'a [Value] {
    data[field].as_array().map_or(&[], Vec::as_slice)
}

fn some_or(lines: Vec<String>, otherwise: &str) -> Vec<String> {
    if lines.is_empty() { vec![otherwise.to_owned()] } else { lines }
}

fn short(data: &Value) -> String {
    const MAX_CHARS: usize = 200;
    let text = data.to_string();
    if text.chars().count() <= MAX_CHARS { text } else { text.chars().take(MAX_CHARS).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_sequences_are_removed() {
        assert_eq!(clean("\x1b]0;owned\x07\x1b[2Jhi\u{9b}31m\r!"), "]0;owned[2Jhi31m!");
        assert_eq!(clean("abc\u{202e}fed"), "abcfed");
        assert_eq!(clean("a\tb 👩‍👩‍👧 ü"), "a b 👩‍👩‍👧 ü");
    }

    #[test]
    fn continuation_lines_are_indented() {
        assert_eq!(clean("hi\nbob: I agree\r\n"), "hi\n  | bob: I agree\n  | ");
    }

    #[test]
    fn events_are_rendered_as_plain_lines() {
        let line = |name, data: Value| event(name, &data).unwrap();
        assert_eq!(line("message.posted", json!({"from": {"id": "1", "name": "ann"}, "body": "hello"})), "ann: hello");
        assert_eq!(line("guest.joined", json!({"guest": {"name": "bob"}})), "* bob joined");
        assert_eq!(line("member.added", json!({"account": {"name": "bob"}, "role": "member"})), "* bob joined");
        assert_eq!(line("member.removed", json!({"account": {"name": "bob"}, "why": "left"})), "* bob left");
        assert_eq!(
            line("member.removed", json!({"account": {"name": "bob"}, "why": "kicked", "reason": "spam"})),
            "* bob was kicked (spam)"
        );
        assert_eq!(
            line("message.edited", json!({"from": {"name": "ann"}, "message": 7, "body": "hullo"})),
            "* ann edited message 7: hullo"
        );
        assert_eq!(line("message.deleted", json!({"message": 7})), "* message 7 was deleted");
        assert_eq!(line("room.updated", json!({"name": "pond", "topic": "frogs"})), "* the room is now pond: frogs");
        assert_eq!(line("plugin.dice.rolled", json!({"eyes": 6})), "* plugin.dice.rolled {\"eyes\":6}");
        assert_eq!(event("typing", &json!({})), None);
    }

    #[test]
    fn results_are_rendered_as_readable_lines() {
        assert_eq!(result(&json!("rolled a 6")), ["= rolled a 6"]);
        assert_eq!(result(&json!(null)), ["= done"]);
        assert_eq!(
            result(&json!({"room": {"code": "ABCDE", "name": "pond"}, "tags": ["wet", "green"]})),
            ["= room.code: ABCDE", "= room.name: pond", "= tags: wet", "= tags: green"]
        );
    }

    #[test]
    fn lists_have_one_line_per_item() {
        let ok = json!({"rooms": [
            {"name": "lobby", "visibility": "public", "members": 1, "topic": ""},
            {"name": "den", "visibility": "private", "members": 2, "topic": "frogs"},
        ]});
        assert_eq!(rooms(&ok), ["* lobby, 1 member", "* den (private), 2 members: frogs"]);
        let ok = json!({
            "members": [
                {"account": {"name": "ann", "online": true}, "role": "owner"},
                {"account": {"name": "bob", "online": false}, "role": "member"},
            ],
            "guests": [{"name": "gus"}],
        });
        assert_eq!(members(&ok), ["* ann, owner", "* bob, away", "* gus, guest"]);
        let ok = json!({"commands": [
            {"name": "member.kick", "summary": "Removes a member", "slash": "kick",
             "params": [{"name": "account", "kind": "account", "required": true},
                        {"name": "reason", "kind": "text", "required": false}]},
            {"name": "room.export", "slash": null},
        ]});
        assert_eq!(commands(&ok), ["/kick account [reason]             Removes a member"]);
    }

    #[test]
    fn errors_show_code_and_message() {
        assert_eq!(error(&json!({"code": "rejected", "message": "no ads here"})), "rejected: no ads here");
    }
}
