//! The dialect `rooms`: rooms are known by five characters, people by a nick in each; frames are `{"type", "payload"}`.

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{fields, message_id, to_text};
use crate::error::rooms::{BANNED, NAME_TAKEN, NO_ROOM, NOT_A_MEMBER};
use crate::error::{Error, Result};
use crate::protocol::{Author, Entry, EntryPayload, Event, Eviction, EvictionCause, Room, Visibility};
use crate::text::shown;

/// A decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Create { name: String, visibility: Visibility, pass: String },
    Query,
    Join { name: String, room: String, pass: String },
    Chat { room: String, msg: String },
    Leave { room: String },
}

/// Decodes a frame; also returns its `type`, for the answer.
pub fn decode(text: &str) -> (String, Result<Request>) {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    match fields::<Kind<'_>>(text) {
        Ok(Kind { kind }) => (kind.clone().into_owned(), request(&kind, text)),
        Err(error) => ("error".to_owned(), Err(error)),
    }
}

/// The values of `type`.
pub(super) const COMMANDS: [&str; 5] = ["create", "query", "join", "chat", "leave"];

/// The core's field names, and this dialect's, for a command.
fn terms(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "create" => &[
            ("name", "payload.name"),
            ("visibility", "payload.visibility"),
            ("password", "payload.pass"),
            ("credentials", "payload.pass"),
        ],
        "join" => &[("guest", "payload.name"), ("password", "payload.pass")],
        "chat" => &[("body", "payload.msg")],
        _ => &[],
    }
}

#[derive(Deserialize)]
struct Frame<T> {
    payload: T,
}

fn request(kind: &str, text: &str) -> Result<Request> {
    #[derive(Deserialize)]
    struct Create {
        name: String,
        visibility: Visibility,
        pass: Option<String>,
    }
    #[derive(Deserialize)]
    struct Query {
        query: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Join {
        name: String,
        room_id: String,
        pass: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Chat {
        room_id: String,
        msg: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Leave {
        room_id: String,
    }
    Ok(match kind {
        "create" => {
            let Create { name, visibility, pass } = payload(text)?;
            if visibility == Visibility::Private && pass.is_none() {
                return Err(Error::BadRequest("payload.pass: a private room needs one".into()));
            }
            Request::Create { name, visibility, pass: pass.unwrap_or_default() }
        }
        "query" => match payload::<Query>(text)?.query.as_str() {
            "rooms" => Request::Query,
            other => {
                let other = shown(other);
                return Err(Error::BadRequest(format!("payload.query: there is no `{other}`; there is `rooms`")));
            }
        },
        "join" => {
            let Join { name, room_id, pass } = payload(text)?;
            Request::Join { name, room: room_id, pass: pass.unwrap_or_default() }
        }
        "chat" => {
            let Chat { room_id, msg } = payload(text)?;
            Request::Chat { room: room_id, msg }
        }
        "leave" => Request::Leave { room: payload::<Leave>(text)?.room_id },
        other => {
            return Err(Error::BadRequest(format!(
                "type: there is no `{}`; there are `create`, `query`, `join`, `chat` and `leave`",
                shown(other)
            )));
        }
    })
}

fn payload<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(fields::<Frame<T>>(text)?.payload)
}

/// Encodes an event; `None` if this dialect has no frame for it.
pub fn encode_event(event: &Event, room: Option<&Room>) -> Option<Utf8Bytes> {
    let room = room?;
    let code = &*room.code;
    Some(match event {
        Event::Entry(Entry { seq, at, by, what: EntryPayload::Posted(post), .. }) => to_text(&json!({
            "type": "chat",
            "payload": {
                "roomId": code, "user": &*by.name, "msg": &*post.body, "id": message_id(room.id, *seq), "timestamp": at,
            },
        })),
        Event::Arrived { who, .. } => person("joined", code, who),
        Event::Departed { who, .. } => person("left", code, who),
        _ => return None,
    })
}

fn person(kind: &str, code: &str, who: &Author) -> Utf8Bytes {
    to_text(&json!({"type": kind, "payload": {"roomId": code, "user": &*who.name}}))
}

fn answer(code: u8, kind: &str, message: &str, payload: &Value) -> Utf8Bytes {
    to_text(&json!({"code": code, "message": message, "type": kind, "payload": payload}))
}

pub fn created(code: &str, name: &str, visibility: Visibility) -> Utf8Bytes {
    let payload = json!({"roomId": code, "name": name, "visibility": visibility});
    answer(0, "create", &format!("Room created successfully, Room id: {code}"), &payload)
}

pub fn joined(room: &Room, nick: &str) -> Utf8Bytes {
    let payload = json!({"roomId": &*room.code, "name": &*room.name, "visibility": room.visibility, "user": nick});
    answer(0, "join", &format!("Successfully joined the Room: {}", room.name), &payload)
}

pub fn sent(room: &Room, seq: u64) -> Utf8Bytes {
    answer(0, "chat", "Message sent", &json!({"roomId": &*room.code, "id": message_id(room.id, seq)}))
}

pub fn left(room: &Room, nick: &str) -> Utf8Bytes {
    let payload = json!({"roomId": &*room.code, "user": nick});
    answer(0, "leave", &format!("User '{nick}' left the Room '{}'", room.name), &payload)
}

/// Encodes a bare list of rooms with their people; rooms whose people are hidden have an empty list.
pub fn rooms(rooms: &[(Room, Vec<Author>)]) -> Utf8Bytes {
    let rooms: Vec<Value> = rooms
        .iter()
        .map(|(room, people)| {
            let people: Vec<Value> = people.iter().map(|who| json!({"name": &*who.name})).collect();
            json!({"id": &*room.code, "name": &*room.name, "visibility": room.visibility, "people": people})
        })
        .collect();
    to_text(&rooms)
}

/// Encodes a refusal.
pub fn refused(kind: &str, error: &Error) -> Utf8Bytes {
    let error = match error {
        Error::Conflict(why) if kind == "create" && why == NAME_TAKEN => {
            Error::Conflict("payload.name: is taken".into())
        }
        Error::Forbidden(why) if why == NOT_A_MEMBER => Error::Forbidden("You are not in the Room".into()),
        Error::Forbidden(why) if why == BANNED => Error::Forbidden("You are banned from the Room".into()),
        Error::NotFound(why) if why == NO_ROOM => Error::NotFound("Room does not exist".into()),
        error => error.with_field_names(terms(kind)),
    };
    answer(1, kind, &error.to_string(), &json!({}))
}

/// Encodes an eviction; `None` if the account left by another connection.
pub fn evicted(eviction: &Eviction, nick: &str) -> Option<Utf8Bytes> {
    if eviction.cause == EvictionCause::Left {
        return None;
    }
    let payload = json!({"roomId": &*eviction.room.code, "user": nick, "message": eviction_reason(eviction)});
    Some(to_text(&json!({"type": "left", "payload": payload})))
}

/// The reason of an eviction, capitalised like this dialect's other answers.
pub fn eviction_reason(eviction: &Eviction) -> String {
    let sentence = eviction.sentence("Room");
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_frames_are_decoded() {
        let read = |text| decode(text).1.unwrap();
        let create = r#"{"type": "create", "payload": {"name": "galaxy", "visibility": "public", "pass": ""}}"#;
        let public = Visibility::Public;
        assert_eq!(read(create), Request::Create { name: "galaxy".into(), visibility: public, pass: String::new() });
        assert_eq!(read(r#"{"type": "query", "payload": {"query": "rooms"}}"#), Request::Query);
        let join = r#"{"type": "join", "payload": {"name": "alok", "roomId": "EOF29", "pass": ""}}"#;
        assert_eq!(read(join), Request::Join { name: "alok".into(), room: "EOF29".into(), pass: String::new() });
        let chat = r#"{"type": "chat", "payload": {"roomId": "EOF29", "msg": "Hello"}}"#;
        assert_eq!(read(chat), Request::Chat { room: "EOF29".into(), msg: "Hello".into() });
        assert_eq!(
            read(r#"{"type": "leave", "payload": {"roomId": "ABC23"}}"#),
            Request::Leave { room: "ABC23".into() }
        );
    }

    #[test]
    fn invalid_frame_is_refused_with_its_type_and_the_field_name() {
        let error_of = |text| {
            let (kind, request) = decode(text);
            format!("{kind}: {}", request.unwrap_err())
        };
        assert!(
            error_of(r#"{"type": "chat", "payload": {"roomId": 5, "msg": "x"}}"#).starts_with("chat: payload.roomId:")
        );
        assert_eq!(error_of(r#"{"type": "chat"}"#), "chat: payload: is missing");
        assert_eq!(error_of(r#"{"type": "chat", "payload": null}"#), "chat: payload: should be an object, not null");
        let list = error_of(r#"{"type": "chat", "payload": ["EOF29", "Hello"]}"#);
        assert_eq!(list, "chat: payload: should be an object, not a list");
        assert!(error_of(r#"{"type": "fly", "payload": {}}"#).starts_with("fly: type:"));
        assert!(error_of("[]").starts_with("error:"));
        let open = r#"{"type": "create", "payload": {"name": "x", "visibility": "private", "pass": ""}}"#;
        assert!(error_of(open).starts_with("create: payload.pass:"));
    }
}
