//! The dialect `echo-sessions`: an account talks to the server in sessions of its own, over Socket.IO.
//!
//! A frame is a Socket.IO event or acknowledgement as on the wire, without the digit of its packet type: `["message",{…}]`, or
//! with the number of the acknowledgement, `7["message",{…}]`.

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{bare_token, json, message_id, to_text};
use crate::clock::Timestamp;
use crate::error::rooms::{BANNED, NO_ROOM, NOT_A_MEMBER};
use crate::error::{Error, Result};
use crate::protocol::{
    Account, AuthorKind, Entry, EntryPayload, Event, Eviction, Message, Room, RoomId, RoomKind, SessionSummary,
};
use crate::text::shown;

/// A decoded event.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    Connection { token: String },
    Join { session: RoomId },
    Message { session: RoomId, content: String },
}

/// Decodes an event; also returns the number of the acknowledgement that the client waits for, if any.
pub fn decode(frame: &str) -> (Option<i64>, Result<Request>) {
    let (ack, event) = split(frame);
    (ack, request(event))
}

fn split(frame: &str) -> (Option<i64>, &str) {
    let digits = frame.bytes().take_while(u8::is_ascii_digit).count();
    let (ack, rest) = frame.split_at(digits);
    (ack.parse().ok(), rest)
}

fn request(event: &str) -> Result<Request> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct MessageData {
        session_id: String,
        content: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct JoinData {
        session_id: String,
    }
    let parts: Vec<&RawValue> =
        serde_json::from_str(event).map_err(|_| Error::BadRequest("the event is not JSON".into()))?;
    let name: Cow<'_, str> = match parts.first().map(|name| serde_json::from_str(name.get())) {
        Some(Ok(name)) => name,
        _ => return Err(Error::BadRequest("the event has no name".into())),
    };
    let data = parts.get(1).map_or("null", |data| data.get());
    match &*name {
        "connection" => match token("token", data)? {
            Some(token) => Ok(Request::Connection { token }),
            None => Err(Error::BadRequest("token: is missing".into())),
        },
        "join-session" => {
            let session = match data.starts_with('{') {
                true => json::value::<JoinData>(data, "sessionId")?.session_id,
                false => json::value(data, "sessionId")?,
            };
            Ok(Request::Join { session: session_id(&session)? })
        }
        "message" => {
            let MessageData { session_id: session, content } = json::value(data, "message")?;
            Ok(Request::Message { session: session_id(&session)?, content })
        }
        other => Err(Error::BadRequest(format!(
            "there is no event `{}`; there are `connection`, `join-session` and `message`",
            shown(other)
        ))),
    }
}

/// The token in the `auth` payload of a CONNECT (as JSON), as `{token}` or as a bare string.
pub fn auth_token(auth: &str) -> Result<Option<String>> {
    token("auth", auth)
}

/// A token, as `{token}` or as a bare string, with or without `Bearer`; `None` if it is null or empty.
fn token(name: &str, data: &str) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
    }
    let given = match data.as_bytes().first() {
        Some(b'{') => {
            json::value::<Token>(data, name)
                .map_err(|fault| if name == "auth" { fault.in_field(name) } else { fault })?
                .token
        }
        Some(b'[') => {
            return Err(Error::BadRequest(format!("{name}: should be an object with `token`, or the token itself")));
        }
        _ => json::value::<Option<String>>(data, name)?,
    };
    Ok(given.map(|token| bare_token(&token).to_owned()))
}

/// Parses a session's id: a hyphenated UUID that the client chose.
pub fn session_id(text: &str) -> Result<RoomId> {
    match text.parse() {
        Ok(id) if text.len() == uuid::fmt::Hyphenated::LENGTH => Ok(id),
        _ => Err(Error::invalid("sessionId", "should be a UUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e")),
    }
}

/// Encodes an event. In a session only messages of the server are sent, since the owner knows their own; in a room all messages
/// are sent, with their senders. `None` for other events.
pub fn encode_event(event: &Event, room: Option<&Room>) -> Option<Utf8Bytes> {
    match (event, room) {
        (Event::Entry(Entry { seq, at, by, what: EntryPayload::Posted(post), .. }), Some(room))
            if room.kind == RoomKind::Echo && sender(by.kind) == SERVER =>
        {
            Some(to_text(&json!(["message", said(room.id, *seq, &post.body, *at)])))
        }
        (Event::Entry(Entry { seq, at, by, what: EntryPayload::Posted(post), .. }), Some(room))
            if room.kind == RoomKind::Room =>
        {
            let mut message = said(room.id, *seq, &post.body, *at);
            message["sender"] = json!(&*by.name);
            Some(to_text(&json!(["message", message])))
        }
        _ => None,
    }
}

const SERVER: &str = "server";

fn sender(kind: AuthorKind) -> &'static str {
    match kind {
        AuthorKind::Account | AuthorKind::Guest => "user",
        AuthorKind::Plugin | AuthorKind::Server => SERVER,
    }
}

/// A message, in the form of events and acknowledgements.
pub fn said(session: RoomId, seq: u64, content: &str, at: Timestamp) -> Value {
    json!({"sessionId": session, "content": content, "timestamp": at, "messageId": message_id(session, seq)})
}

/// A message, in the form of the REST API.
pub fn message_json(session: RoomId, message: &Message) -> Value {
    json!({
        "id": message_id(session, message.seq),
        "sessionId": session,
        "content": &*message.post.body,
        "sender": sender(message.from.kind),
        "timestamp": message.at,
    })
}

/// A session, in the form of the REST API. Without messages, `lastMessageAt` is the time of its creation.
pub fn session_json(owner: &Account, SessionSummary { room, last_message_at }: &SessionSummary) -> Value {
    json!({
        "id": room.id,
        "userId": owner.id,
        "name": &*room.name,
        "createdAt": room.created_at,
        "lastMessageAt": last_message_at.unwrap_or(room.created_at),
    })
}

/// Encodes an acknowledgement.
pub fn acknowledged(ack: i64, data: &Value) -> Utf8Bytes {
    format!("{ack}{}", json!([data])).into()
}

/// Encodes an `error` event.
pub fn error(error: &Error) -> Utf8Bytes {
    to_text(&json!(["error", error_json(error)]))
}

/// The data of an error: its code is the status that REST would give, except that all invalid input is 400.
pub fn error_json(error: &Error) -> Value {
    let code = match error {
        Error::BadRequest(_)
        | Error::Conflict(_)
        | Error::Invalid { .. }
        | Error::Rejected { .. }
        | Error::TooLarge { .. } => 400,
        Error::Unauthenticated(_) => 401,
        Error::Forbidden(_) => 403,
        Error::NotFound(_) => 404,
        Error::RateLimited { .. } => 429,
        Error::Internal(_) => 500,
        Error::Plugin { .. } | Error::Unavailable(_) | Error::Contended => 503,
    };
    json!({"code": code, "message": translated(error).to_string()})
}

/// The core's field names, and this dialect's.
const TERMS: [(&str, &str); 3] = [("body", "content"), ("sessionId", "sessionId"), ("session", "sessionId")];

/// An error in this dialect's terms.
fn translated(error: &Error) -> Error {
    match error {
        Error::Forbidden(why) if why == NOT_A_MEMBER => Error::Forbidden("you are not in this session".into()),
        Error::Forbidden(why) if why == BANNED => Error::Forbidden("you are banned from this session".into()),
        Error::NotFound(why) if why == NO_ROOM => Error::NotFound("session not found".into()),
        error => error.with_field_names(&TERMS),
    }
}

/// Encodes the eviction of a connection from a session or a room.
pub fn evicted(eviction: &Eviction) -> Utf8Bytes {
    let noun = if eviction.room.kind == RoomKind::Echo { "session" } else { "room" };
    let mut error = error_json(&eviction.error(noun));
    error["sessionId"] = json!(eviction.room.id);
    to_text(&json!(["error", error]))
}

/// Encodes the error that precedes a disconnect.
pub fn farewell(code: u16, message: &str) -> Utf8Bytes {
    to_text(&json!(["error", {"code": code, "message": message}]))
}

/// An outgoing frame, split for the Socket.IO library.
#[derive(Debug)]
pub enum Outgoing<'a> {
    Event { name: Cow<'a, str>, data: &'a RawValue },
    Acknowledgement { ack: i64, data: &'a RawValue },
}

/// Splits an outgoing frame into its parts.
pub fn outgoing(frame: &str) -> Option<Outgoing<'_>> {
    match split(frame) {
        (Some(ack), data) => {
            let (data,) = serde_json::from_str(data).ok()?;
            Some(Outgoing::Acknowledgement { ack, data })
        }
        (None, event) => {
            let (name, data) = serde_json::from_str(event).ok()?;
            Some(Outgoing::Event { name, data })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn documented_events_are_decoded() {
        let session: RoomId = ID.parse().unwrap();
        let read = |frame: &str| {
            let (ack, request) = decode(frame);
            (ack, request.unwrap_or_else(|error| panic!("{frame}: {error}")))
        };
        let message = format!(r#"["message",{{"sessionId":"{ID}","content":"Hello, server!"}}]"#);
        let request = Request::Message { session, content: "Hello, server!".into() };
        assert!(read(&message) == (None, request.clone()));
        assert!(read(&format!("12{message}")) == (Some(12), request));
        assert!(read(&format!(r#"0["join-session","{ID}"]"#)) == (Some(0), Request::Join { session }));
        for token in [r#""ey""#, r#""Bearer ey""#, r#"{"token":"ey"}"#, r#"{"token":"bearer ey"}"#] {
            assert!(read(&format!(r#"["connection",{token}]"#)) == (None, Request::Connection { token: "ey".into() }));
            assert_eq!(auth_token(token), Ok(Some("ey".to_owned())), "{token}");
        }
        for nothing in ["null", r#""""#, "{}", r#"{"token":null}"#, r#"{"token":""}"#] {
            assert_eq!(auth_token(nothing), Ok(None), "{nothing}");
        }
        let named = format!(r#"["join-session",{{"sessionId":"{ID}"}}]"#);
        assert!(read(&named) == (None, Request::Join { session }));
    }

    #[test]
    fn invalid_frame_is_refused_with_the_field_name() {
        let error_of = |frame: &str| error_json(&decode(frame).1.err().unwrap());
        for (frame, field) in [
            (r#"["message",{"sessionId":5,"content":"x"}]"#, "sessionId:"),
            (r#"["message",{"sessionId":"x","content":"x"}]"#, "sessionId:"),
            (r#"["message",{"content":"x"}]"#, "sessionId: is missing"),
            (r#"["message",["0f8fad5b-d9cb-469f-a165-70867728950e"]]"#, "message:"),
            (r#"["message"]"#, "message:"),
            (r#"["join-session",{}]"#, "sessionId: is missing"),
            (r#"["join-session",{"sessionId":5}]"#, "sessionId: should be a text"),
            (r#"["connection",{"token":5}]"#, "token: should be a text"),
            (r#"["connection",["ey"]]"#, "token: should be"),
            (r#"["join-session","{0f8fad5b-d9cb-469f-a165-70867728950e}"]"#, "sessionId:"),
            (r#"["connection",null]"#, "token:"),
            (r#"["dance"]"#, "`dance`"),
            (r#"[]"#, "no name"),
            (r#"["message",{]"#, "not JSON"),
        ] {
            let error = error_of(frame);
            assert_eq!(error["code"], 400, "{frame}");
            assert!(error["message"].as_str().unwrap().contains(field), "{frame}: {error}");
        }
        let long = error_json(&Error::TooLarge { what: "body", limit: "5 characters".into() });
        assert_eq!(long, json!({"code": 400, "message": "content is too large: at most 5 characters"}));
    }

    #[test]
    fn encoded_frames_are_split_into_their_parts() {
        let frame = acknowledged(7, &json!({"a": [1]}));
        assert!(
            matches!(outgoing(&frame), Some(Outgoing::Acknowledgement { ack: 7, data }) if data.get() == r#"{"a":[1]}"#)
        );
        let frame = error(&Error::Unauthenticated("who are you?".into()));
        let Some(Outgoing::Event { name, data }) = outgoing(&frame) else { panic!("{frame}") };
        assert_eq!((&*name, data.get()), ("error", r#"{"code":401,"message":"who are you?"}"#));
    }
}
