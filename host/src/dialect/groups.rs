//! The dialect `groups`: groups and people are known by name; frames are flat objects with a `type`.

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::words::of_groups;
use super::{fields, to_text};
use crate::error::rooms::{FULL, NAME_TAKEN};
use crate::error::{Error, Result};
use crate::protocol::{Author, Entry, EntryPayload, Event, Eviction, Room, RoomKind};
use crate::text::shown;

/// A decoded frame. It has no `Debug`, since it contains passwords.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Without name and group: as a guest under a generated name.
    FirstConnect {
        name: Option<String>,
        group: Option<String>,
    },
    Message {
        name: String,
        group: String,
        text: String,
    },
    MakeGroup {
        group: String,
        name: Option<String>,
    },
    LogIn {
        name: String,
        password: String,
    },
    SignUp {
        name: String,
        password: String,
        id: Option<String>,
        groups: Vec<String>,
    },
    GetGroups,
}

/// The values of `type` that no other dialect has.
pub(super) const COMMANDS: [&str; 5] = ["first-connect", "make_group", "log_in", "sign-up", "get_groups"];

/// A frame's `type`, which also determines how its refusal is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    FirstConnect,
    Message,
    MakeGroup,
    LogIn,
    SignUp,
    GetGroups,
    Unknown,
}

impl Kind {
    /// The core's field names, and this dialect's, for this command.
    fn terms(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::FirstConnect => &[("guest", "name"), ("name", "group")],
            Self::Message => &[("body", "Text"), ("guest", "name"), ("name", "group")],
            Self::MakeGroup => &[("name", "group_name"), ("guest", "name")],
            Self::LogIn => &[("username", "name"), ("password", "pwrd")],
            Self::SignUp => &[("username", "name"), ("password", "pwrd"), ("id", "id"), ("name", "groups")],
            Self::GetGroups | Self::Unknown => &[],
        }
    }

    /// An error in this dialect's terms.
    fn translated(self, error: &Error) -> Error {
        let error = of_groups(error, "`first-connect` joins it");
        match (self, error) {
            (Self::MakeGroup, Error::Conflict(why)) if why == NAME_TAKEN => {
                Error::Conflict("group_name: is taken".into())
            }
            (_, error) => error.with_field_names(self.terms()),
        }
    }
}

/// The account in the answer to a log-in or sign-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    pub name: String,
    pub id: String,
    pub groups: Vec<String>,
}

/// Decodes a frame; also returns its kind, which determines how errors are encoded.
pub fn decode(text: &str) -> (Kind, Result<Request>) {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    let kind = match fields::<Frame<'_>>(text) {
        Ok(Frame { kind }) => kind,
        Err(error) => return (Kind::Unknown, Err(error)),
    };
    let known = match &*kind {
        "first-connect" => Kind::FirstConnect,
        "message" => Kind::Message,
        "make_group" => Kind::MakeGroup,
        "log_in" => Kind::LogIn,
        "sign-up" => Kind::SignUp,
        "get_groups" => Kind::GetGroups,
        other => {
            let words = "`first-connect`, `message`, `make_group`, `log_in`, `sign-up` and `get_groups`";
            let why = format!("type: there is no `{}`; there are {words}", shown(other));
            return (Kind::Unknown, Err(Error::BadRequest(why)));
        }
    };
    (known, request(known, text))
}

fn request(kind: Kind, text: &str) -> Result<Request> {
    #[derive(Deserialize)]
    struct FirstConnect {
        name: Option<String>,
        // The answer spells it like that.
        #[serde(alias = "Group")]
        group: Option<String>,
    }
    #[derive(Deserialize)]
    struct Message {
        name: String,
        group: String,
        #[serde(rename = "Text")]
        text: String,
    }
    #[derive(Deserialize)]
    struct MakeGroup {
        group_name: String,
        name: Option<String>,
    }
    #[derive(Deserialize)]
    struct LogIn {
        name: String,
        pwrd: String,
    }
    #[derive(Deserialize)]
    struct SignUp {
        name: String,
        pwrd: String,
        id: Option<Id>,
        groups: Option<Vec<String>>,
    }
    Ok(match kind {
        Kind::FirstConnect => {
            let FirstConnect { name, group } = fields(text)?;
            if name.is_none() && group.is_some() {
                return Err(Error::BadRequest("name: is missing".into()));
            }
            Request::FirstConnect { name, group }
        }
        Kind::Message => {
            let Message { name, group, text } = fields(text)?;
            Request::Message { name, group, text }
        }
        Kind::MakeGroup => {
            let MakeGroup { group_name, name } = fields(text)?;
            Request::MakeGroup { group: group_name, name }
        }
        Kind::LogIn => {
            let LogIn { name, pwrd } = fields(text)?;
            Request::LogIn { name, password: pwrd }
        }
        Kind::SignUp => {
            let SignUp { name, pwrd, id, groups } = fields(text)?;
            let id = id.map(|id| match id {
                Id::Text(id) => id,
                Id::Number(id) => id.to_string(),
            });
            Request::SignUp { name, password: pwrd, id, groups: groups.unwrap_or_default() }
        }
        Kind::GetGroups | Kind::Unknown => Request::GetGroups,
    })
}

/// An id that the client chose.
#[derive(Deserialize)]
#[serde(untagged, expecting = "should be a text or a whole number")]
enum Id {
    Text(String),
    Number(i64),
}

/// Encodes an event; `None` if this dialect has no frame for it.
pub fn encode_event(event: &Event, room: Option<&Room>) -> Option<Utf8Bytes> {
    // Direct conversations and sessions are not groups.
    let group = room.filter(|room| room.kind == RoomKind::Room).map(|room| &*room.name)?;
    Some(match event {
        Event::Entry(Entry { by, what: EntryPayload::Posted(post), .. }) => {
            to_text(&json!({"type": "message", "name": &*by.name, "group": group, "Text": &*post.body}))
        }
        Event::Arrived { who, .. } => person("user-added", group, who),
        Event::Departed { who, .. } => person("user-removed", group, who),
        _ => return None,
    })
}

fn person(kind: &str, group: &str, who: &Author) -> Utf8Bytes {
    to_text(&json!({"type": kind, "name": &*who.name, "Group": group}))
}

pub fn acknowledged(name: &str, group: &str) -> Utf8Bytes {
    to_text(&json!({"type": "acknowledge-connect", "name": name, "Group": group}))
}

/// Encodes the refusal of `first-connect`.
fn rejected(error: &Error) -> Utf8Bytes {
    let why = match error {
        Error::Conflict(why) if why != FULL => "User Exists".to_owned(),
        other => Kind::FirstConnect.translated(other).to_string(),
    };
    to_text(&json!({"type": "reject-connect", "err": why}))
}

pub fn logged_in(who: &Person, token: &str) -> Utf8Bytes {
    to_text(&json!({"type": "login-accept", "data": who, "token": token}))
}

pub fn signed_up(who: &Person, token: &str) -> Utf8Bytes {
    to_text(&json!({"type": "sign-up", "data": who, "token": token}))
}

/// Encodes `recomend-sign_up`, in the spelling that clients expect.
pub fn unknown_user() -> Utf8Bytes {
    to_text(&json!({"type": "recomend-sign_up", "err": "No such user"}))
}

pub fn groups(names: &[&str]) -> Utf8Bytes {
    to_text(&json!({"type": "active-groups", "groups": names}))
}

/// Encodes the refusal of a frame of this kind.
pub fn refused(kind: Kind, error: &Error) -> Utf8Bytes {
    match (kind, error) {
        (Kind::FirstConnect, error) => rejected(error),
        (Kind::SignUp, Error::Conflict(_)) => error_frame("Similar IDs"),
        (kind, error) => error_frame(&kind.translated(error).to_string()),
    }
}

pub fn wrong_password() -> Utf8Bytes {
    error_frame("wrong-password")
}

fn error_frame(why: &str) -> Utf8Bytes {
    to_text(&json!({"type": "err", "err": why}))
}

/// Encodes the eviction of a connection from a group; `None` for other kinds of rooms.
pub fn evicted(eviction: &Eviction, name: &str) -> Option<Utf8Bytes> {
    let Eviction { room, .. } = eviction;
    let err = eviction.sentence("group");
    let is_group = room.kind == RoomKind::Room;
    is_group.then(|| to_text(&json!({"type": "user-removed", "name": name, "Group": &*room.name, "err": err})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_frames_are_decoded() {
        let reads = |text: &str, wanted: &Request| assert!(decode(text).1.unwrap() == *wanted, "{text}");
        let (name, password) = ("UserName".to_owned(), "password".to_owned());
        reads(
            r#"{"type": "message", "name": "UserName", "group": "GroupName", "Text": "Hello, World!"}"#,
            &Request::Message { name: name.clone(), group: "GroupName".into(), text: "Hello, World!".into() },
        );
        reads(
            r#"{"type": "make_group", "group_name": "NewGroupName"}"#,
            &Request::MakeGroup { group: "NewGroupName".into(), name: None },
        );
        reads(
            r#"{"type": "log_in", "name": "UserName", "pwrd": "password"}"#,
            &Request::LogIn { name, password: password.clone() },
        );
        let name = "NewUser".to_owned();
        let groups = Vec::new();
        reads(
            r#"{"type": "sign-up", "name": "NewUser", "pwrd": "password", "id": "unique-id"}"#,
            &Request::SignUp { name, password, id: Some("unique-id".into()), groups },
        );
        reads(r#"{"type": "get_groups"}"#, &Request::GetGroups);
        let first = |name: Option<&str>| Request::FirstConnect { name: name.map(str::to_owned), group: None };
        reads(r#"{"type": "first-connect", "name": "ann"}"#, &first(Some("ann")));
        reads(r#"{"type": "first-connect"}"#, &first(None));
    }

    #[test]
    fn invalid_frame_is_refused_with_the_field_name() {
        let error_of = |text| decode(text).1.map(|_| ()).unwrap_err().to_string();
        assert!(error_of(r#"{"type": "message", "name": "a", "group": "b", "Text": 5}"#).starts_with("Text:"));
        assert_eq!(error_of(r#"{"type": "message", "name": "a", "group": "b"}"#), "Text: is missing");
        assert!(
            error_of(r#"{"type": "sign-up", "name": "a", "pwrd": "b", "id": []}"#)
                .contains("id: should be a text or a whole number")
        );
        assert!(error_of(r#"{"type": "fly"}"#).starts_with("type:"));
        assert!(error_of("[]").contains("JSON object"));
        assert!(error_of("{").contains("not JSON"));
    }
}
