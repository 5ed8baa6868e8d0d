//! `groups`: groups and people known by name, flat frames told apart by `type`.

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{fields, to_text};
use crate::error::{Error, Result};
use crate::protocol::{Author, Entry, Event, Happening, Room, RoomKind};

/// What a frame asks for. No `Debug`: there are passwords in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    FirstConnect { name: String, group: Option<String> },
    Message { name: String, group: String, text: String },
    MakeGroup { group: String, name: Option<String> },
    LogIn { name: String, password: String },
    SignUp { name: String, password: String, id: Option<String>, groups: Vec<String> },
    GetGroups,
}

/// What the answer to a log-in or sign-up tells of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    pub name: String,
    pub id: String,
    pub groups: Vec<String>,
}

pub fn decode(text: &str) -> Result<Request> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct FirstConnect {
        name: String,
        // As the answer spells it.
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
        #[serde(default)]
        groups: Vec<String>,
    }
    Ok(match &*fields::<Kind<'_>>(text)?.kind {
        "first-connect" => {
            let FirstConnect { name, group } = fields(text)?;
            Request::FirstConnect { name, group }
        }
        "message" => {
            let Message { name, group, text } = fields(text)?;
            Request::Message { name, group, text }
        }
        "make_group" => {
            let MakeGroup { group_name, name } = fields(text)?;
            Request::MakeGroup { group: group_name, name }
        }
        "log_in" => {
            let LogIn { name, pwrd } = fields(text)?;
            Request::LogIn { name, password: pwrd }
        }
        "sign-up" => {
            let SignUp { name, pwrd, id, groups } = fields(text)?;
            let id = id.map(|id| match id {
                Id::Text(id) => id,
                Id::Number(id) => id.to_string(),
            });
            Request::SignUp { name, password: pwrd, id, groups }
        }
        "get_groups" => Request::GetGroups,
        other => {
            return Err(Error::BadRequest(format!(
                "type: there is no `{}`; there are `first-connect`, `message`, `make_group`, `log_in`, `sign-up` and `get_groups`",
                other.escape_debug()
            )));
        }
    })
}

/// Clients make up ids as they like.
#[derive(Deserialize)]
#[serde(untagged, expecting = "wanted a string or an integer")]
enum Id {
    Text(String),
    Number(i64),
}

/// None for what this dialect has no words for.
pub fn encode_event(event: &Event, room: Option<&Room>) -> Option<Utf8Bytes> {
    // A direct conversation is no group.
    let group = room.filter(|room| room.kind == RoomKind::Room).map(|room| &*room.name)?;
    Some(match event {
        Event::Entry(Entry { by, what: Happening::Posted(post), .. }) => {
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

/// Why `first-connect` was not done.
pub fn rejected(error: &Error) -> Utf8Bytes {
    let why = match error {
        Error::Conflict(_) => "User Exists".to_owned(),
        other => worded(other),
    };
    to_text(&json!({"type": "reject-connect", "err": why}))
}

pub fn logged_in(who: &Person, token: &str) -> Utf8Bytes {
    to_text(&json!({"type": "login-accept", "data": who, "token": token}))
}

pub fn signed_up(who: &Person, token: &str) -> Utf8Bytes {
    to_text(&json!({"type": "sign-up", "data": who, "token": token}))
}

/// In the spelling that clients look for.
pub fn unknown_user() -> Utf8Bytes {
    to_text(&json!({"type": "recomend-sign_up", "err": "No such user"}))
}

pub fn groups(names: &[&str]) -> Utf8Bytes {
    to_text(&json!({"type": "active-groups", "groups": names}))
}

/// Why anything else was not done.
pub fn refused(error: &Error) -> Utf8Bytes {
    said(&worded(error))
}

pub fn wrong_password() -> Utf8Bytes {
    said("wrong-password")
}

/// Why nobody signed up.
pub fn not_signed_up(error: &Error) -> Utf8Bytes {
    match error {
        Error::Conflict(_) => said("Similar IDs"),
        other => refused(other),
    }
}

fn said(why: &str) -> Utf8Bytes {
    to_text(&json!({"type": "err", "err": why}))
}

fn worded(error: &Error) -> String {
    let names =
        [("body", "Text"), ("guest", "name"), ("username", "name"), ("password", "pwrd"), ("args", "group_name")];
    error.in_terms_of(&names).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_page_are_understood() {
        let reads = |text: &str, wanted: &Request| assert!(decode(text).unwrap() == *wanted, "{text}");
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
        let (name, group) = ("ann".to_owned(), None);
        reads(r#"{"type": "first-connect", "name": "ann"}"#, &Request::FirstConnect { name, group });
    }

    #[test]
    fn a_fault_names_the_field() {
        let said = |text| decode(text).map(|_| ()).unwrap_err().to_string();
        assert!(said(r#"{"type": "message", "name": "a", "group": "b", "Text": 5}"#).starts_with("Text:"));
        assert!(said(r#"{"type": "message", "name": "a", "group": "b"}"#).contains("`Text`"));
        assert!(said(r#"{"type": "sign-up", "name": "a", "pwrd": "b", "id": []}"#).contains("string or an integer"));
        assert!(said(r#"{"type": "fly"}"#).starts_with("type:"));
        assert!(said("[]").contains("JSON object"));
        assert!(said("{").contains("not JSON"));
    }
}
