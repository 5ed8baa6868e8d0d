//! The dialect `go`: messages to one account or to one group, both known by integers, on a connection that a token opened.

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::json::{self, IntegerId};
use super::words::of_groups;
use super::{fields, groups, to_text};
use crate::clock::Timestamp;
use crate::error::rooms::NAME_TAKEN;
use crate::error::{Error, Result};
use crate::protocol::{Author, ConnectionId, Entry, EntryPayload, Event, Message, Room, RoomKind};
use crate::text::shown;

/// A decoded frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `field` is the client's name for the text.
    Send {
        to: To,
        message: String,
        field: &'static str,
    },
    JoinGroup {
        group: i64,
    },
    History {
        of: To,
        before: Option<i64>,
        limit: Option<u32>,
    },
}

/// The receiver of a message, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Account(i64),
    Group(i64),
}

impl To {
    /// The receiver, of which exactly one has to be given; 0 counts as absent, since some languages write it for unset fields.
    pub fn new(receiver: Option<i64>, group: Option<i64>) -> Result<Self> {
        let given = |number: Option<i64>| number.filter(|number| *number != 0);
        match (given(receiver), given(group)) {
            (Some(account), None) => Ok(Self::Account(account)),
            (None, Some(group)) => Ok(Self::Group(group)),
            _ => Err(Error::BadRequest("exactly one of `receiver_id` and `group_id` should be given".into())),
        }
    }

    fn named(self) -> (&'static str, i64) {
        match self {
            Self::Account(number) => ("receiver_id", number),
            Self::Group(number) => ("group_id", number),
        }
    }
}

/// The field of a message's text: as the document's schema calls it, and as its prose does.
pub const MESSAGE: &str = "message";
const CONTENT: &str = "content";

pub fn decode(text: &str) -> Result<Request> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Cow<'a, str>>,
        op: Option<IgnoredAny>,
        event: Option<IgnoredAny>,
        payload: Option<IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Send {
        receiver_id: Option<IntegerId>,
        group_id: Option<IntegerId>,
        message: Option<String>,
        content: Option<String>,
    }
    #[derive(Deserialize)]
    struct Join {
        group_id: Option<IntegerId>,
    }
    #[derive(Deserialize)]
    struct History {
        receiver_id: Option<IntegerId>,
        group_id: Option<IntegerId>,
        before: Option<IntegerId>,
        limit: Option<IntegerId>,
    }
    let to = |receiver: Option<IntegerId>, group: Option<IntegerId>| {
        To::new(receiver.map(|IntegerId(id)| id), group.map(|IntegerId(id)| id))
    };
    let frame = fields::<Kind<'_>>(text)?;
    // A token at `/` selects this dialect, also for clients of other dialects.
    let other_dialect = match &frame {
        Kind { kind: None, event: Some(_), .. } => Some(("`event`", "/ws/direct")),
        Kind { kind: None, op: Some(_), .. } => Some(("`op`", "/ws/native")),
        Kind { kind: Some(_), payload: Some(_), .. } => Some(("`payload`", "/ws/rooms")),
        Kind { kind: Some(word), .. } if groups::COMMANDS.contains(&&**word) => Some(("this `type`", "/ws/groups")),
        _ => None,
    };
    if let Some((field, path)) = other_dialect {
        let why = format!("this connection speaks `go`, since a token opened it; frames with {field} belong to {path}");
        return Err(Error::BadRequest(why));
    }
    match frame.kind.as_deref() {
        None | Some("message") => {
            let Send { receiver_id, group_id, message, content } = fields(text)?;
            let to = to(receiver_id, group_id)?;
            match (message, content) {
                (Some(message), _) => Ok(Request::Send { to, message, field: MESSAGE }),
                (None, Some(message)) => Ok(Request::Send { to, message, field: CONTENT }),
                (None, None) => {
                    let field =
                        if json::names(text, CONTENT) && !json::names(text, MESSAGE) { CONTENT } else { MESSAGE };
                    Err(Error::BadRequest(format!("{field}: is missing")))
                }
            }
        }
        Some("join_group") => match fields::<Join>(text)?.group_id {
            Some(IntegerId(group)) if group != 0 => Ok(Request::JoinGroup { group }),
            _ => Err(Error::BadRequest("group_id: is missing; it should be the number of a group".into())),
        },
        Some("history") => {
            let History { receiver_id, group_id, before, limit } = fields(text)?;
            let before = before.map(|IntegerId(id)| id).filter(|before| *before != 0);
            let limit = limit.map(|IntegerId(limit)| limit).filter(|limit| *limit != 0);
            // A negative limit is refused as one that is too large.
            let limit = limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
            Ok(Request::History { of: to(receiver_id, group_id)?, before, limit })
        }
        Some(other) => Err(Error::BadRequest(format!(
            "type: there is no `{}`; there are `message`, `join_group` and `history`",
            shown(other)
        ))),
    }
}

/// A message, in the form of events, histories and the REST API.
#[derive(Serialize)]
struct MessageJson<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    id: i64,
    /// `None` for guests.
    sender_id: Option<i64>,
    receiver_id: Option<i64>,
    group_id: Option<i64>,
    message: &'a str,
    timestamp: Timestamp,
}

impl<'a> MessageJson<'a> {
    fn new(room: &Room, number: i64, from: &Author, message: &'a str, timestamp: Timestamp) -> Self {
        let sender = from.account;
        let receiver_id = sender.and_then(|(id, _)| room.other_than(id)).map(|peer| peer.number);
        let group_id = (room.kind != RoomKind::Direct).then_some(room.number);
        Self {
            kind: None,
            id: number,
            sender_id: sender.map(|(_, number)| number),
            receiver_id,
            group_id,
            message,
            timestamp,
        }
    }
}

/// Encodes an event; `None` if it is not a message, since this dialect has no other events.
pub fn encode_event(event: &Event, room: Option<&Room>) -> Option<Utf8Bytes> {
    match (event, room) {
        (Event::Entry(Entry { number, at, by, what: EntryPayload::Posted(post), .. }), Some(room))
            // An echo session is not a group.
            if room.kind != RoomKind::Echo =>
        {
            let message = MessageJson::new(room, *number, by, &post.body, *at);
            Some(to_text(&MessageJson { kind: Some("message"), ..message }))
        }
        _ => None,
    }
}

/// A message, in the form of histories and the REST API.
pub fn message_json(room: &Room, message: &Message) -> Value {
    json!(MessageJson::new(room, message.number, &message.from, &message.post.body, message.at))
}

/// A group, in the form of the REST API.
pub fn group_json(room: &Room) -> Value {
    json!({"id": room.number, "name": &*room.name, "created_at": room.created_at})
}

pub fn connected(connection: ConnectionId, account: i64) -> Utf8Bytes {
    to_text(&json!({"type": "connected", "connection_id": connection, "user_id": account}))
}

pub fn joined(room: &Room) -> Utf8Bytes {
    to_text(&json!({"type": "join_group", "group_id": room.number, "name": &*room.name}))
}

/// Encodes a page of a conversation, oldest message first.
pub fn history(of: To, room: &Room, messages: &[Message]) -> Utf8Bytes {
    let messages: Vec<Value> = messages.iter().map(|message| message_json(room, message)).collect();
    let (field, number) = of.named();
    to_text(&json!({"type": "history", field: number, "messages": messages}))
}

/// Encodes the empty history of two accounts that have never talked.
pub fn no_history(of: To) -> Utf8Bytes {
    let (field, number) = of.named();
    to_text(&json!({"type": "history", field: number, "messages": []}))
}

/// Words an error for clients of this dialect; `text_field` is the client's name for the text of a message. Other field
/// names are the core's.
pub fn worded(error: &Error, text_field: &'static str) -> Error {
    match of_groups(error, "`join_group` joins it") {
        Error::Conflict(why) if why == NAME_TAKEN => Error::Conflict("name: is taken".into()),
        // The only account in a request is the receiver.
        Error::Invalid { field, why } if field == "account" => Error::invalid("receiver_id", why),
        Error::NotFound(why) if why == "account not found" => Error::NotFound("receiver_id: nobody has this id".into()),
        error => {
            error.with_field_names(&[("body", text_field), ("limit", "limit"), ("before", "before"), ("name", "name")])
        }
    }
}

pub fn error(error: &Error, text_field: &'static str) -> Utf8Bytes {
    let error = worded(error, text_field);
    to_text(&json!({"type": "error", "code": error.code(), "message": error.to_string()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_for_one_account_or_one_group() {
        let sent = |to, field| Ok(Request::Send { to, message: "hi".into(), field });
        let to = |to| sent(to, MESSAGE);
        assert_eq!(decode(r#"{"receiver_id": 2, "message": "hi"}"#), to(To::Account(2)));
        assert_eq!(decode(r#"{"type": "message", "group_id": 3, "message": "hi"}"#), to(To::Group(3)));
        // A Go structure without `omitempty`, and clients that keep ids as strings.
        for nothing in [r#"0"#, r#""""#, r#"null"#, r#""0""#] {
            let frame = format!(r#"{{"type": "", "receiver_id": "20", "group_id": {nothing}, "content": "hi"}}"#);
            assert_eq!(decode(&frame), sent(To::Account(20), CONTENT), "{frame}");
            let frame = format!(r#"{{"receiver_id": {nothing}, "group_id": 3, "message": "hi", "content": ""}}"#);
            assert_eq!(decode(&frame), to(To::Group(3)), "{frame}");
        }
        for neither in [r#"{"message": "hi"}"#, r#"{"receiver_id": 2, "group_id": 3, "message": "hi"}"#] {
            assert_eq!(decode(neither).unwrap_err().code(), "bad_request");
        }
    }

    #[test]
    fn a_fault_names_the_field() {
        let said = |text: &str| decode(text).unwrap_err().to_string();
        assert!(said(r#"{"receiver_id": "two", "message": "hi"}"#).starts_with("receiver_id:"));
        for (frame, wanted) in [
            (r#"{"receiver_id": 2}"#, "message: is missing"),
            (r#"{"receiver_id": 2, "message": ""}"#, "message: is missing"),
            (r#"{"receiver_id": 2, "content": ""}"#, "content: is missing"),
            (r#"{"receiver_id": 2, "content": null, "message": ""}"#, "message: is missing"),
            (r#"{"receiver_id": 2, "content": ["hi"]}"#, "content: should be a text, not a list"),
            (r#"{"type": "join_group"}"#, "group_id: is missing; it should be the number of a group"),
            (r#"{"type": "join_group", "group_id": 0}"#, "group_id: is missing; it should be the number of a group"),
            (r#"{"type": "join_group", "group_id": "0"}"#, "group_id: is missing; it should be the number of a group"),
            (r#"{"receiver_id": 99999999999999999999}"#, "receiver_id: should be a whole number that is not so large"),
            (r#"{"receiver_id": 9223372036854775808}"#, "receiver_id: should be a whole number that is not so large"),
            (r#"{"receiver_id": "9223372036854775808"}"#, "receiver_id: should be a whole number that is not so large"),
            (r#"{"receiver_id": -1e30}"#, "receiver_id: should be a whole number that is not so small"),
            (r#"{"receiver_id": 1.5}"#, "receiver_id: should be a whole number, not a fraction"),
        ] {
            assert_eq!(said(frame), wanted, "{frame}");
        }
        for no_id in [" 5", "5 ", "+5", "-5", "٥", "5.0", "0x5", "1e3", "five"] {
            let frame = json!({"receiver_id": no_id, "message": "hi"}).to_string();
            let wanted = "receiver_id: should be a whole number, or a text of nothing but its digits";
            assert_eq!(said(&frame), wanted, "{frame}");
        }
        assert!(said(r#"{"type": "dance"}"#).starts_with("type:"));
        assert!(said("[]").contains("object"));
        assert!(said("{").contains("not JSON"));
    }
}
