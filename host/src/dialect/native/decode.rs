//! Decodes frames into commands.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::dialect::json::Counted;
use crate::dialect::{bare_token, json};
use crate::error::{Error, Result};
use crate::protocol::MAX_PAGE;
use crate::protocol::{AccountId, Command, Credential, MediaId, Page, Proof, RoomName};

/// The default number of messages in a page of history.
const DEFAULT_PAGE: u32 = 50;

/// A decoded frame.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Chosen by the client and echoed in the answer; without it only errors are answered.
    pub id: Option<Value>,
    pub command: Command,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    /// Any value but null is an id, including 0.
    #[serde(default)]
    id: Value,
    #[serde(borrow)]
    op: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Connect {
    token: Option<String>,
    guest: Option<GuestName>,
    listen: Option<Listen>,
}

/// `"guest": "ann"`, or `"guest": true` for a generated name.
#[derive(Deserialize)]
#[serde(untagged, expecting = "should be a name, or true for a made-up one")]
enum GuestName {
    Name(String),
    Any(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Listen {
    All,
    Joined,
}

#[derive(Deserialize)]
struct List {
    query: Option<String>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct InRoom {
    room: String,
}

#[derive(Deserialize)]
struct Join {
    room: String,
    #[serde(default)]
    since: Counted,
    password: Option<String>,
}

#[derive(Deserialize)]
struct Members {
    room: String,
    cursor: Option<AccountId>,
}

#[derive(Deserialize)]
struct History {
    room: String,
    before: Option<u64>,
    #[serde(default)]
    after: Counted,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Post {
    room: String,
    body: String,
    key: Option<String>,
    reply_to: Option<u64>,
    attachments: Option<Vec<MediaId>>,
}

#[derive(Deserialize)]
struct Edit {
    room: String,
    seq: u64,
    body: String,
}

#[derive(Deserialize)]
struct OneMessage {
    room: String,
    seq: u64,
}

#[derive(Deserialize)]
struct React {
    room: String,
    seq: u64,
    emoji: String,
    on: bool,
}

#[derive(Deserialize)]
struct MemberRef {
    account: String,
}

#[derive(Deserialize)]
struct Blocked {
    cursor: Option<AccountId>,
}

#[derive(Deserialize)]
struct Watch {
    accounts: Vec<AccountId>,
}

#[derive(Deserialize)]
struct Search {
    query: String,
    room: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
struct Find {
    name: String,
}

/// The names of the core's ops, which plugins cannot use.
pub const CORE_OPS: [&str; 23] = [
    "connect",
    "room.list",
    "room.get",
    "room.join",
    "room.leave",
    "room.members",
    "room.history",
    "message.post",
    "message.edit",
    "message.delete",
    "message.react",
    "message.read",
    "typing",
    "direct.open",
    "presence.watch",
    "unread",
    "search",
    "account.find",
    "account.block",
    "account.unblock",
    "account.blocked",
    "direct.hide",
    "commands",
];

/// Decodes a frame; an error comes with the request's `id`, if that could be read.
pub fn decode(text: &str) -> Result<Request, (Option<Value>, Error)> {
    let Envelope { id, op } = json::frame(text).map_err(|fault| (None, fault.into()))?;
    let id = match id {
        Value::Null => None,
        Value::String(_) | Value::Number(_) => Some(id),
        _ => return Err((None, Error::BadRequest("id: should be a whole number or a text".into()))),
    };
    let Some(op) = op else {
        let what = "op: is missing; it should name what to do, such as `message.post`";
        return Err((id, Error::BadRequest(what.into())));
    };
    match json::field(text, "args").map_err(Error::from).and_then(|args| command(&op, args.unwrap_or("{}"))) {
        Ok(command) => Ok(Request { id, command }),
        Err(error) => Err((id, error)),
    }
}

fn command(op: &str, args: &str) -> Result<Command> {
    Ok(match op {
        "message.post" => {
            let Post { room, body, key, reply_to, attachments } = parse(args)?;
            let attachments = attachments.unwrap_or_default();
            Command::Post { room: RoomName::parse(room), body, key, reply_to, attachments }
        }
        "message.edit" => {
            let Edit { room, seq, body } = parse(args)?;
            Command::Edit { room: RoomName::parse(room), seq, body }
        }
        "message.delete" => {
            let OneMessage { room, seq } = parse(args)?;
            Command::Delete { room: RoomName::parse(room), seq }
        }
        "message.react" => {
            let React { room, seq, emoji, on } = parse(args)?;
            Command::React { room: RoomName::parse(room), seq, emoji, on }
        }
        "message.read" => {
            let OneMessage { room, seq } = parse(args)?;
            Command::Read { room: RoomName::parse(room), seq }
        }
        "typing" => Command::Typing { room: in_room(args)? },
        "direct.open" => Command::DirectOpen { account: parse::<MemberRef>(args)?.account },
        "presence.watch" => Command::PresenceWatch { accounts: parse::<Watch>(args)?.accounts },
        "unread" => Command::Unread,
        "search" => search(parse(args)?)?,
        "connect" => connect(parse(args)?)?,
        "room.list" => {
            let List { query, cursor } = parse(args)?;
            Command::RoomList { query, cursor }
        }
        "room.get" => Command::RoomGet { room: in_room(args)? },
        "room.join" => {
            let Join { room, since: Counted(since), password } = parse(args)?;
            Command::RoomJoin { room: RoomName::parse(room), since, credentials: Credential::password(password) }
        }
        "room.leave" => Command::RoomLeave { room: in_room(args)? },
        "room.members" => {
            let Members { room, cursor } = parse(args)?;
            Command::RoomMembers { room: RoomName::parse(room), cursor }
        }
        "room.history" => history(parse(args)?)?,
        "account.find" => Command::AccountFind { name: parse::<Find>(args)?.name },
        "account.block" => Command::Block { account: parse::<MemberRef>(args)?.account, on: true },
        "account.unblock" => Command::Block { account: parse::<MemberRef>(args)?.account, on: false },
        "account.blocked" => Command::Blocked { cursor: parse::<Blocked>(args)?.cursor },
        "direct.hide" => Command::HideDirect { room: in_room(args)? },
        "commands" => Command::Commands,
        _ => Command::Plugin { name: op.to_owned(), args: parse(args)? },
    })
}

fn in_room(args: &str) -> Result<RoomName> {
    Ok(RoomName::parse(parse::<InRoom>(args)?.room))
}

fn connect(args: Connect) -> Result<Command> {
    let proof = match (args.token, args.guest) {
        (Some(token), None) => Proof::Token(bare_token(&token).to_owned()),
        (None, Some(GuestName::Name(name))) => Proof::Guest(Some(name)),
        (None, Some(GuestName::Any(true))) => Proof::Guest(None),
        (Some(token), Some(GuestName::Any(false))) => Proof::Token(bare_token(&token).to_owned()),
        _ => return Err(Error::BadRequest("connect needs either `token` or `guest`".into())),
    };
    Ok(Command::Connect { proof, listen_all: matches!(args.listen, Some(Listen::All)) })
}

fn search(args: Search) -> Result<Command> {
    let cursor = args.cursor.map(|cursor| cursor.parse()).transpose();
    let cursor = cursor.map_err(|_| Error::invalid("cursor", "should be the `next` of an earlier answer"))?;
    let room = args.room.map(RoomName::parse);
    Ok(Command::Search { query: args.query, room, cursor, limit: page_size(args.limit)? })
}

fn page_size(limit: Option<u32>) -> Result<u32> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if (1..=MAX_PAGE).contains(&limit) { Ok(limit) } else { Err(Error::invalid("limit", format!("1 to {MAX_PAGE}"))) }
}

fn history(args: History) -> Result<Command> {
    let page = match (args.before, args.after.0) {
        (Some(_), Some(_)) => return Err(Error::BadRequest("room.history takes `before` or `after`, not both".into())),
        (before, None) => Page::Before(before),
        (None, Some(after)) => Page::After(after),
    };
    Ok(Command::RoomHistory { room: RoomName::parse(args.room), page, limit: page_size(args.limit)? })
}

/// Reads `args`; the error names the field.
fn parse<'a, T: Deserialize<'a>>(args: &'a str) -> Result<T> {
    json::object(args, "args", true).map_err(|fault| match fault.is_of_whole() {
        true => fault.into(),
        false => fault.in_field("args").into(),
    })
}
