//! The dialect `direct`: messages and pictures between two accounts, unread messages, and presence.

use std::borrow::Cow;
use std::fmt;

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{bare_token, fields, json, message_id, to_text};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{
    AccountId, Attachment, Author, Entry, EntryPayload, Event, Message, Peer, Post, Room, RoomId, RoomKind,
};
use crate::text::shown;

/// The kind of ids by which a client knows accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// This server's uids.
    Ours,
    /// The ids of the external token issuer; accounts that log in on this server have their uid.
    External,
}

/// A decoded frame.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    Authenticate { token: String },
    Message { receiver: String, message: String, images: Vec<String> },
    FetchChats { receiver: String, before: Option<Uuid>, limit: Option<u32> },
    UnreadMessages { receiver: String },
}

// Hides the token, which is a secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticate { .. } => f.write_str("Authenticate(…)"),
            Self::Message { receiver, .. } => write!(f, "Message({receiver}, …)"),
            Self::FetchChats { receiver, before, limit } => write!(f, "FetchChats({receiver}, {before:?}, {limit:?})"),
            Self::UnreadMessages { receiver } => write!(f, "UnreadMessages({receiver})"),
        }
    }
}

/// Decodes a frame.
pub fn decode(text: &str) -> Result<Request> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Authenticate {
        token: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Send {
        receiver_id: Option<String>,
        message: Option<String>,
        images: Option<Vec<String>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fetch {
        receiver_id: Option<String>,
        before: Option<String>,
        limit: Option<u32>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Unread {
        receiver_id: Option<String>,
    }
    match &*fields::<Kind<'_>>(text)?.event {
        "authenticate" => {
            let Authenticate { token } = read(text)?;
            Ok(Request::Authenticate { token: bare_token(&token).to_owned() })
        }
        "message" => {
            let Send { receiver_id, message, images } = read(text)?;
            let receiver = needed(text, "receiverId", receiver_id)?;
            let images = images.unwrap_or_default();
            match message {
                None if images.is_empty() => Err(json::missing(text, DATA, "message").into()),
                message => Ok(Request::Message { receiver, message: message.unwrap_or_default(), images }),
            }
        }
        "fetchChats" => {
            let Fetch { receiver_id, before, limit } = read(text)?;
            let receiver = needed(text, "receiverId", receiver_id)?;
            let no_id = |_| Error::BadRequest("before: should be the id of a message".into());
            let before = before.map(|before| before.parse()).transpose().map_err(no_id)?;
            Ok(Request::FetchChats { receiver, before, limit })
        }
        "unReadMessages" => {
            let receiver = needed(text, "receiverId", read::<Unread>(text)?.receiver_id)?;
            Ok(Request::UnreadMessages { receiver })
        }
        other => Err(Error::BadRequest(format!(
            "event: there is no `{}`; there are `authenticate`, `message`, `fetchChats` and `unReadMessages`",
            shown(other)
        ))),
    }
}

/// Reads a frame's fields, also from within `data`: answers have them there, so many clients write requests like that.
fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    Ok(json::flattened(text, DATA)?)
}

/// The value of a required field.
fn needed(text: &str, name: &'static str, value: Option<String>) -> Result<String> {
    value.ok_or_else(|| json::missing(text, DATA, name).into())
}

/// The name of the object that contains an answer's fields.
const DATA: &str = "data";

/// The fields of a frame that are in its `data`; errors name them there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nested(Vec<&'static str>);

impl Nested {
    pub fn of(text: &str) -> Self {
        const FIELDS: [&str; 5] = ["receiverId", "message", "images", "before", "limit"];
        // Most frames have no `data`.
        Self(if text.contains(DATA) { json::nested(text, DATA, &FIELDS) } else { Vec::new() })
    }

    /// The text of an error, with the field named as the client sent it.
    fn message(&self, error: &Error) -> String {
        let message = error.to_string();
        let named = match error {
            Error::Invalid { field, .. } => field,
            Error::TooLarge { what, .. } => *what,
            Error::BadRequest(message) | Error::NotFound(message) => message.split(':').next().unwrap_or_default(),
            _ => "",
        };
        let field = named.split('[').next().unwrap_or_default();
        if self.0.contains(&field) { format!("{DATA}.{message}") } else { message }
    }
}

#[derive(Serialize)]
struct Frame<T> {
    event: &'static str,
    data: T,
}

/// A message, in all frames.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageJson<'a> {
    id: Uuid,
    /// `None` for guests, and for messages of the server itself.
    sender_id: Option<String>,
    /// The room's id, if it is not a direct one; `None` for messages of a plugin in a direct room.
    receiver_id: Option<String>,
    room_id: RoomId,
    message: &'a str,
    images: Vec<Cow<'a, str>>,
    is_read: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Ids {
    fn of(self, id: AccountId, external: Option<&str>) -> String {
        match external {
            Some(external) if self == Self::External => external.to_owned(),
            _ => id.to_string(),
        }
    }

    fn message_json<'a>(self, room: &Room, seq: u64, from: &Author, at: Timestamp, post: &'a Post) -> MessageJson<'a> {
        let of_peer = |peer: &Peer| self.of(peer.id, peer.external.as_deref());
        let sender = from.account.map(|(id, _)| id);
        let (sender_id, receiver_id) = match room.pair.iter().flatten().find(|peer| Some(peer.id) == sender) {
            Some(peer) => (Some(of_peer(peer)), room.other_than(peer.id).map(of_peer)),
            // The receiver of a message in a room is the room.
            None => (sender.map(|id| id.to_string()), (room.kind == RoomKind::Room).then(|| room.id.to_string())),
        };
        MessageJson {
            id: message_id(room.id, seq),
            sender_id,
            receiver_id,
            room_id: room.id,
            message: &post.body,
            images: post.attachments.iter().map(Attachment::url).collect(),
            is_read: false,
            created_at: at,
            updated_at: at,
        }
    }
}

/// Encodes an event; `None` if it is neither a message nor presence.
pub fn encode_event(event: &Event, room: Option<&Room>, ids: Ids) -> Option<Utf8Bytes> {
    match (event, room) {
        (Event::Entry(Entry { seq, at, by, what: EntryPayload::Posted(post), .. }), Some(room))
            if room.kind != RoomKind::Echo =>
        {
            Some(to_text(&Frame { event: "message", data: ids.message_json(room, *seq, by, *at, post) }))
        }
        (Event::Presence { account, external, online }, _) => {
            Some(user_status(&ids.of(*account, external.as_deref()), *online))
        }
        _ => None,
    }
}

/// Encodes the presence of an account, known by this id.
pub fn user_status(id: &str, online: bool) -> Utf8Bytes {
    to_text(&Frame { event: "userStatus", data: json!({"userId": id, "isOnline": online}) })
}

/// The read positions of the two accounts of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub me: AccountId,
    pub by_me: u64,
    pub by_other: u64,
}

impl Read {
    pub fn is_mine(self, message: &Message) -> bool {
        message.from.account.is_some_and(|(id, _)| id == self.me)
    }

    /// Whether the receiver of the message has read it.
    fn has(self, message: &Message) -> bool {
        message.seq <= if self.is_mine(message) { self.by_other } else { self.by_me }
    }
}

/// The latest of these messages that fit in `bytes`, oldest first, and at least one.
fn latest(room: &Room, messages: &[Message], read: Read, ids: Ids, bytes: usize) -> Vec<Value> {
    let mut left = bytes;
    let mut shown: Vec<Value> = Vec::with_capacity(messages.len());
    for message in messages.iter().rev() {
        let one = MessageJson {
            is_read: read.has(message),
            updated_at: message.edited_at.unwrap_or(message.at),
            ..ids.message_json(room, message.seq, &message.from, message.at, &message.post)
        };
        let one = json!(one);
        let size = one.to_string().len() + 1;
        if size > left && !shown.is_empty() {
            break;
        }
        left = left.saturating_sub(size);
        shown.push(one);
    }
    shown.reverse();
    shown
}

/// Encodes a page of a conversation, in `bytes` at most.
pub fn chats(room: &Room, messages: &[Message], read: Read, ids: Ids, bytes: usize) -> Utf8Bytes {
    to_text(&Frame { event: "fetchChats", data: latest(room, messages, read, ids, bytes) })
}

/// Encodes the answer for two accounts that have never talked.
pub fn no_room() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"event":"noRoomFound"}"#)
}

/// Encodes the number of unread messages of a conversation, and the latest of them.
pub fn unread(room: &Room, messages: &[Message], count: u64, read: Read, ids: Ids, bytes: usize) -> Utf8Bytes {
    let messages = latest(room, messages, read, ids, bytes);
    to_text(&Frame { event: "unReadMessages", data: json!({"messages": messages, "count": count}) })
}

pub fn nothing_unread() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"event":"noUnreadMessages","data":[]}"#)
}

/// The core's field names, and this dialect's.
const TERMS: [(&str, &str); 6] = [
    ("body", "message"),
    ("account", "receiverId"),
    ("receiverId", "receiverId"),
    ("images", "images"),
    ("limit", "limit"),
    ("before", "before"),
];

pub fn error(error: &Error, nested: &Nested) -> Utf8Bytes {
    let error = error.with_field_names(&TERMS);
    to_text(&json!({"event": "error", "message": nested.message(&error), "code": error.code()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_decoded_by_their_event() {
        let message = |message: &str, images: &[&str]| {
            let images = images.iter().map(|&image| image.to_owned()).collect();
            Ok(Request::Message { receiver: "b".into(), message: message.into(), images })
        };
        assert_eq!(decode(r#"{"event":"message","receiverId":"b","message":"hi"}"#), message("hi", &[]));
        let pictured = r#"{"event":"message","receiverId":"b","images":["/media/x"]}"#;
        assert_eq!(decode(pictured), message("", &["/media/x"]));
        let token = Ok(Request::Authenticate { token: "a.b.c".into() });
        assert_eq!(decode(r#"{"event":"authenticate","token":"a.b.c"}"#), token);
        assert_eq!(decode(r#"{"event":"authenticate","token":"Bearer a.b.c"}"#), token);
    }

    #[test]
    fn invalid_frame_is_refused_with_the_field_name() {
        let error_of = |text| decode(text).unwrap_err().to_string();
        assert_eq!(error_of(r#"{"event":"message","message":"hi"}"#), "receiverId: is missing");
        assert!(error_of(r#"{"event":"message","receiverId":"b"}"#).starts_with("message:"));
        assert!(error_of(r#"{"event":"message","receiverId":"b","images":["/media/x",7]}"#).starts_with("images[1]:"));
        assert!(error_of(r#"{"event":"fetchChats","receiverId":"b","before":"soon"}"#).starts_with("before:"));
        assert!(error_of(r#"{"event":"dance"}"#).starts_with("event:"));
        assert!(error_of(r#"{"event":7}"#).starts_with("event:"));
    }

    #[test]
    fn fault_names_the_place_where_the_field_is_or_would_be() {
        for (frame, wanted) in [
            (r#"{"event":"message","data":{"receiverId":"b"}}"#, "data.message: is missing"),
            (r#"{"event":"message","data":{"receiverId":"b","message":""}}"#, "data.message: is missing"),
            (r#"{"event":"message","receiverId":"b","data":{}}"#, "message: is missing"),
            (r#"{"event":"message","data":{"message":"hi"}}"#, "data.receiverId: is missing"),
            (r#"{"event":"message","data":{"message":"a","message":"b"}}"#, "data.message: is given twice"),
            (r#"{"event":"message","message":"a","message":"b","data":{}}"#, "message: is given twice"),
            (r#"{"event":"message","data":[1]}"#, "data: should be an object, not a list"),
            (r#"{"event":"message","receiverId":"b","data":"hi"}"#, "data: should be an object, not a text"),
            (r#"{"event":"fetchChats","data":true}"#, "data: should be an object, not true"),
            (r#"{"event":"fetchChats","data":[]}"#, "receiverId: is missing"),
            (r#"{"event":"fetchChats","data":null}"#, "receiverId: is missing"),
        ] {
            assert_eq!(decode(frame).unwrap_err().to_string(), wanted, "{frame}");
        }
        // Requests that are complete without `data` may have anything there.
        assert!(decode(r#"{"event":"fetchChats","receiverId":"b","data":[1]}"#).is_ok());
    }

    #[test]
    fn error_names_fields_of_data_there() {
        let nested = Nested::of(r#"{"event":"message","images":["x"],"data":{"message":"hi","receiverId":"b"}}"#);
        let said = |error: Error| nested.message(&error.with_field_names(&TERMS));
        assert_eq!(said(Error::invalid("body", "is bad")), "data.message: is bad");
        assert_eq!(
            said(Error::TooLarge { what: "body", limit: "4 bytes".into() }),
            "data.message is too large: at most 4 bytes"
        );
        assert_eq!(said(Error::NotFound("receiverId: nobody".into())), "data.receiverId: nobody");
        assert_eq!(said(Error::invalid("images[1]", "is bad")), "images[1]: is bad");
        assert_eq!(said(Error::Forbidden("you may not".into())), "you may not");
        let pictures = Nested::of(r#"{"event":"message","data":{"images":["x"],"receiverId":"b"}}"#);
        let error = Error::invalid("images[1]", "is bad").with_field_names(&TERMS);
        assert_eq!(pictures.message(&error), "data.images[1]: is bad");
    }

    #[test]
    fn token_is_hidden_in_debug_output() {
        let request = decode(r#"{"event":"authenticate","token":"a.b.c"}"#).unwrap();
        assert!(!format!("{request:?}").contains("a.b.c"));
    }
}
