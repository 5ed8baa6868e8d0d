//! Encodes replies and events as frames.

use std::borrow::Cow;

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::clock::{Timestamp, now};
use crate::config;
use crate::dialect::to_text;
use crate::error::Error;
use crate::protocol::{
    Account, AccountId, Actor, Attachment, Author, AuthorKind, Entry, EntryPayload, Event, MediaFile, Member, Message,
    Post, Push, PushTarget, Reply, Room, RoomId, UnreadRoom,
};

/// The protocol's name and version.
pub const PROTOCOL: &str = "natterjack.v1";

/// The server's data in the answer to `connect`.
#[derive(Clone)]
pub struct Greeting {
    pub server: String,
    pub ping_ms: u64,
    pub message_chars: usize,
    pub frame_bytes: usize,
    pub commands_per_second: u32,
    pub command_burst: u32,
}

impl Greeting {
    pub fn new(server: &config::Server, limits: &config::Limits) -> Self {
        Self {
            server: server.name.clone(),
            ping_ms: u64::try_from(limits.ping_interval.as_millis()).unwrap_or(u64::MAX),
            message_chars: limits.message_chars,
            frame_bytes: limits.frame_bytes,
            commands_per_second: limits.commands_per_second,
            command_burst: limits.command_burst,
        }
    }
}

#[derive(Serialize)]
struct EventFrame<'a, D: Serialize> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    data: D,
}

/// The author of an entry: an account has an id; guests and plugins have flags.
#[derive(Serialize)]
struct By<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<AccountId>,
    name: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bot: bool,
}

impl<'a> By<'a> {
    fn new(author: &'a Author) -> Self {
        Self {
            id: author.account.map(|(id, _)| id),
            name: &author.name,
            guest: author.kind == AuthorKind::Guest,
            bot: author.kind == AuthorKind::Plugin,
        }
    }
}

#[derive(Serialize)]
struct Posted<'a> {
    from: By<'a>,
    body: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    at: Timestamp,
}

/// An attachment with its URL; `file` is `None` if it is not stored on this server.
#[derive(Serialize)]
struct File<'a> {
    #[serde(flatten)]
    file: Option<&'a MediaFile>,
    url: Cow<'a, str>,
}

fn files(post: &Post) -> Vec<File<'_>> {
    let attached = post.attachments.iter().map(|attachment| match attachment {
        Attachment::File(file) => File { file: Some(file), url: attachment.url() },
        Attachment::Picture { .. } => File { file: None, url: attachment.url() },
    });
    attached.collect()
}

/// A file, in the form of the REST API.
pub fn file_json(file: &MediaFile) -> Value {
    json!(File { file: Some(file), url: file.link().into() })
}

/// Encodes an event; `None` if native clients do not receive it.
pub fn encode_event(event: &Event) -> Option<Utf8Bytes> {
    Some(match event {
        Event::Entry(entry) => encode_entry(entry),
        Event::Arrived { room, who } if who.kind == AuthorKind::Guest => {
            frame("guest.joined", Some(*room), None, json!({"guest": {"name": &*who.name}}))
        }
        Event::Departed { room, who } if who.kind == AuthorKind::Guest => {
            frame("guest.left", Some(*room), None, json!({"guest": {"name": &*who.name}}))
        }
        // Members join and leave by entries of the log, and have presence.
        Event::Arrived { .. } | Event::Departed { .. } => return None,
        Event::Read { room, whom, seq } => frame("read", Some(*room), None, json!({"account": whom, "seq": seq})),
        Event::Typing { room, by } => frame("typing", Some(*room), None, json!({"by": By::new(by)})),
        Event::Presence { account, online, .. } => {
            frame("presence", None, None, json!({"account": account, "online": online}))
        }
        Event::Pushed(push) => encode_push(push),
        Event::TokenExpiring { at } => frame("token.expiring", None, None, json!({"expires_at": at})),
    })
}

fn encode_push(push: &Push) -> Utf8Bytes {
    let room = match push.to {
        PushTarget::Room(room) => Some(room),
        PushTarget::Connection(_) | PushTarget::Account(_) => None,
    };
    // It was checked to be JSON when the plugin pushed it.
    let data = serde_json::from_str::<&RawValue>(&push.data).ok();
    frame(&format!("plugin.{}.{}", push.plugin, push.name), room, None, data)
}

fn encode_entry(entry: &Entry) -> Utf8Bytes {
    let by = By::new(&entry.by);
    let at = entry.at;
    let (name, data) = match &entry.what {
        // The most frequent event is serialized directly, without an intermediate `Value`.
        EntryPayload::Posted(post) => {
            let (key, reply_to) = (post.key.as_deref(), post.reply_to);
            let data =
                Posted { from: by, body: &post.body, key, reply_to, attachments: files(post), deleted: false, at };
            return frame("message.posted", Some(entry.room), Some(entry.seq), data);
        }
        EntryPayload::Tombstone => {
            let data =
                Posted { from: by, body: "", key: None, reply_to: None, attachments: Vec::new(), deleted: true, at };
            return frame("message.posted", Some(entry.room), Some(entry.seq), data);
        }
        EntryPayload::Reacted { of, emoji, on } => {
            ("message.reacted", json!({"message": of, "emoji": &**emoji, "on": on, "by": by, "at": at}))
        }
        EntryPayload::Edited { of, body } => {
            ("message.edited", json!({"message": of, "body": &**body, "by": by, "at": at}))
        }
        EntryPayload::Deleted { of } => ("message.deleted", json!({"message": of, "by": by, "at": at})),
        EntryPayload::MemberAdded { whom, role } => {
            ("member.added", json!({"account": whom, "role": role, "by": by, "at": at}))
        }
        EntryPayload::MemberRemoved { whom, why, reason } => {
            ("member.removed", json!({"account": whom, "why": why, "reason": reason, "by": by, "at": at}))
        }
        EntryPayload::MemberRole { whom, role } => {
            ("member.role", json!({"account": whom, "role": role, "by": by, "at": at}))
        }
        EntryPayload::Invited { whom } => ("room.invited", json!({"account": whom, "by": by, "at": at})),
        EntryPayload::RoomUpdated { name, topic, visibility, member_limit } => {
            let (name, topic) = (&**name, &**topic);
            let data = json!({"name": name, "topic": topic, "visibility": visibility, "member_limit": member_limit,
                "by": by, "at": at});
            ("room.updated", data)
        }
        EntryPayload::RoomDeleted { .. } => ("room.deleted", json!({"by": by, "at": at})),
    };
    frame(name, Some(entry.room), Some(entry.seq), data)
}

fn frame(event: &str, room: Option<RoomId>, seq: Option<u64>, data: impl Serialize) -> Utf8Bytes {
    to_text(&EventFrame { event, room, seq, data })
}

/// Encodes the reply to the request with this id.
pub fn encode_reply(id: &Value, reply: Reply, greeting: &Greeting) -> Utf8Bytes {
    to_text(&json!({"id": id, "ok": ok(reply, greeting)}))
}

/// Encodes an error; it has no id if the request had none or could not be read.
pub fn encode_error(id: Option<&Value>, error: &Error) -> Utf8Bytes {
    let mut body = json!({"code": error.code(), "message": error.to_string()});
    if let Some(wait) = error.retry_after() {
        body["retry_after_ms"] = json!(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }
    if let Error::Rejected { code, .. } = error {
        body["reason"] = json!(code);
    }
    let mut frame = json!({"error": body});
    if let Some(id) = id {
        frame["id"] = id.clone();
    }
    to_text(&frame)
}

fn ok(reply: Reply, greeting: &Greeting) -> Value {
    match reply {
        Reply::Connected { actor, connection, expires_at } => json!({
            "protocol": PROTOCOL,
            "server": greeting.server,
            "connection": connection,
            "account": match &actor {
                Actor::Guest(guest) => json!({"name": &*guest.name, "guest": true}),
                other => json!({"id": other.account().map(|account| account.id), "name": other.name()}),
            },
            "expires_at": expires_at,
            "ping_ms": greeting.ping_ms,
            "limits": {
                "message_chars": greeting.message_chars,
                "frame_bytes": greeting.frame_bytes,
                "commands_per_second": greeting.commands_per_second,
                "command_burst": greeting.command_burst,
            },
            "now": now(),
        }),
        Reply::Rooms { rooms, next } => {
            let rooms: Vec<Value> = rooms.iter().map(|(room, members)| room_json(room, Some(*members))).collect();
            json!({"rooms": rooms, "next": next})
        }
        Reply::Room { room, members, role, guests } => {
            let mut room = room_json(&room, Some(members));
            room["role"] = json!(role);
            if !guests {
                room["guests"] = json!(false);
            }
            json!({"room": room})
        }
        Reply::ClosedRoom(room) => json!({"room": {
            "uid": room.id,
            "name": &*room.name,
            "kind": room.kind,
            "visibility": room.visibility,
            "guarded": room.guarded,
        }}),
        Reply::Joined { room, recovered, last_seq } => {
            json!({"room": room_json(&room, None), "recovered": recovered, "last_seq": last_seq})
        }
        Reply::Left => json!({}),
        Reply::Members { members, guests, next } => {
            let members: Vec<Value> = members.iter().map(|(member, online)| member_json(member, *online)).collect();
            let guests: Vec<Value> = guests.iter().map(|guest| json!({"name": &*guest.name})).collect();
            json!({"members": members, "guests": guests, "next": next})
        }
        Reply::History { messages, more } => {
            let messages: Vec<Value> = messages.iter().map(message_json).collect();
            json!({"messages": messages, "more": more})
        }
        Reply::Posted { seq, at, duplicate } => json!({"seq": seq, "at": at, "duplicate": duplicate}),
        Reply::Logged(Some((seq, at))) => json!({"seq": seq, "at": at}),
        Reply::Logged(None) | Reply::Done => json!({}),
        Reply::Read { seq } => json!({"seq": seq}),
        Reply::Presence(accounts) => {
            let accounts = accounts.iter().map(|(id, online)| json!({"id": id, "online": online}));
            json!({"accounts": accounts.collect::<Vec<_>>()})
        }
        Reply::Unread(rooms) => json!({"rooms": rooms.iter().map(unread_json).collect::<Vec<_>>()}),
        Reply::Found { messages, next } => {
            let messages = messages.iter().map(|(room, message)| {
                let mut value = message_json(message);
                value["room"] = json!(room);
                value
            });
            json!({"messages": messages.collect::<Vec<_>>(), "next": next.map(|place| place.to_string())})
        }
        Reply::Account { account, online, disabled } => {
            let mut account = account_json(&account, online);
            if disabled {
                account["disabled"] = json!(true);
            }
            json!({"account": account})
        }
        Reply::Blocked { accounts, next } => {
            let accounts = accounts.iter().map(|account| json!({"id": account.id, "name": &*account.name}));
            json!({"accounts": accounts.collect::<Vec<_>>(), "next": next})
        }
        Reply::Commands(commands) => json!({"commands": commands}),
        Reply::Result { value, slash: true } => json!({"result": value}),
        Reply::Result { value, slash: false } => value,
    }
}

/// A room, in the form of replies and the REST API.
pub fn room_json(room: &Room, members: Option<u32>) -> Value {
    let mut value = json!({
        "uid": room.id, "code": &*room.code, "name": &*room.name, "kind": room.kind, "visibility": room.visibility,
        "topic": &*room.topic, "member_limit": room.member_limit, "created_at": room.created_at,
    });
    if let Some(members) = members {
        value["members"] = json!(members);
    }
    value
}

fn unread_json(unread: &UnreadRoom) -> Value {
    let mut value = json!({
        "room": room_json(&unread.room, None), "last_seq": unread.last_seq, "read_seq": unread.read_seq,
        "unread": unread.unread,
    });
    if let Some(with) = &unread.with {
        value["with"] = json!({"id": with.id, "name": &*with.name});
    }
    value
}

fn account_json(account: &Account, online: bool) -> Value {
    json!({"id": account.id, "name": &*account.name, "online": online})
}

fn member_json(member: &Member, online: bool) -> Value {
    json!({"account": account_json(&member.account, online), "role": member.role, "joined_at": member.joined_at})
}

/// A message, in the form of replies and the REST API.
pub fn message_json(message: &Message) -> Value {
    let (from, post) = (By::new(&message.from), &message.post);
    let mut value = json!({"seq": message.seq, "from": from, "body": &*post.body, "at": message.at});
    if let Some(at) = message.edited_at {
        value["edited_at"] = json!(at);
    }
    if let Some(at) = message.deleted_at {
        value["deleted_at"] = json!(at);
    }
    if !post.attachments.is_empty() {
        value["attachments"] = json!(files(post));
    }
    if !message.reactions.is_empty() {
        let reactions = message.reactions.iter();
        let reactions = reactions.map(|r| json!({"emoji": r.emoji, "count": r.count, "accounts": r.accounts}));
        value["reactions"] = reactions.collect();
    }
    if let Some(key) = &post.key {
        value["key"] = json!(&**key);
    }
    if let Some(reply_to) = post.reply_to {
        value["reply_to"] = json!(reply_to);
    }
    value
}
