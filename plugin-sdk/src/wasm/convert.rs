//! Conversions between generated types (`wit`) and public ones. Strings are moved, not copied.

use crate::wasm::imports::{accounts, directory, http, log, rooms, rooms_admin, types as wit};
use crate::wasm::{message_filter, observer, room_guard};
use crate::{
    AccountRef, Actor, Admission, Author, CommandSpec, Context, Credential, DepartureReason, Draft, Error, ErrorCode,
    Event, EventKind, GuestRef, Interest, Message, Param, ParamKind, Place, Protection, Role, RoomKind, RoomRef,
    Verdict, Visibility,
};

/// Converts between two enums with the same cases.
macro_rules! same_cases {
    ($($from:path => $to:path { $($case:ident),+ })+) => {
        $(impl From<$from> for $to {
            fn from(value: $from) -> Self {
                match value { $(<$from>::$case => <$to>::$case),+ }
            }
        })+
    };
}

/// Converts between two records with the same fields.
macro_rules! same_fields {
    ($($from:path => $to:path { $($field:ident),+ })+) => {
        $(impl From<$from> for $to {
            fn from(value: $from) -> Self {
                Self { $($field: value.$field.into()),+ }
            }
        })+
    };
}

same_cases! {
    wit::Role => Role { Member, Moderator, Owner }
    Role => wit::Role { Member, Moderator, Owner }
    wit::RoomKind => RoomKind { Room, Direct, Session }
    RoomKind => wit::RoomKind { Room, Direct, Session }
    EventKind => observer::EventKind {
        MessagePosted, MessageEdited, MessageDeleted, MemberJoined, MemberLeft, RoomUpdated, RoomDeleted,
        SessionOpened, SessionClosed
    }
    wit::Visibility => Visibility { Public, Private }
    Visibility => wit::Visibility { Public, Private }
    wit::ErrorCode => ErrorCode {
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, RateLimited, TooLarge, Rejected,
        PluginFailed, Unavailable, Internal
    }
    ErrorCode => wit::ErrorCode {
        BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Invalid, RateLimited, TooLarge, Rejected,
        PluginFailed, Unavailable, Internal
    }
    crate::log::Level => log::Level { Trace, Debug, Info, Warn, Error }
    Place => wit::Place { Anywhere, InRoom }
    wit::Place => Place { Anywhere, InRoom }
    Protection => room_guard::Protection { Accepted, Abstain }
    observer::DepartureReason => DepartureReason { Left, Kicked, Banned }
    crate::http::Method => http::Method { Get, Head, Post, Put, Patch, Delete }
}

same_fields! {
    wit::AccountRef => AccountRef { id, name }
    wit::GuestRef => GuestRef { id, name }
    wit::RoomRef => RoomRef { id, name, kind, visibility }
    wit::Error => Error { code, message, retry_after_ms }
    Error => wit::Error { code, message, retry_after_ms }
    accounts::Account => crate::accounts::Account { id, name, online }
    rooms_admin::Created => crate::rooms_admin::Created { id, code }
    message_filter::Draft => Draft { body, reply_to, edit_of, attachments }
    wit::Message => Message { seq, author, body, at, reply_to, edited_at, attachments }
    wit::Param => Param { name, summary, kind, required }
    directory::OfferedCommand => crate::directory::OfferedCommand { plugin, spec }
    crate::Description => crate::wasm::lifecycle::Description { name, version, summary }
    Param => wit::Param { name, summary, kind, required }
}

impl From<wit::Actor> for Actor {
    fn from(actor: wit::Actor) -> Self {
        match actor {
            wit::Actor::Account(account) => Actor::Account(account.into()),
            wit::Actor::Guest(guest) => Actor::Guest(guest.into()),
            wit::Actor::Plugin(id) => Actor::Plugin(id),
            wit::Actor::Server => Actor::Server,
        }
    }
}

impl From<wit::Context> for Context {
    fn from(ctx: wit::Context) -> Self {
        Self {
            request_id: ctx.request_id,
            actor: ctx.actor.into(),
            role: ctx.role.map(Into::into),
            room: ctx.room.map(Into::into),
            connection: ctx.connection.map(Into::into),
        }
    }
}

impl From<wit::Author> for Author {
    fn from(author: wit::Author) -> Self {
        match author {
            wit::Author::Account(account) => Author::Account(account.into()),
            wit::Author::Guest(name) => Author::Guest(name),
            wit::Author::Plugin(id) => Author::Plugin(id),
            wit::Author::Server => Author::Server,
        }
    }
}

impl From<Interest> for observer::Interest {
    fn from(interest: Interest) -> Self {
        Self {
            events: interest.events.into_iter().map(Into::into).collect(),
            rooms: interest.rooms.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<observer::Event> for Event {
    fn from(event: observer::Event) -> Self {
        use observer::Event as Wit;
        match event {
            Wit::MessagePosted(message) => Event::MessagePosted(message.into()),
            Wit::MessageEdited(message) => Event::MessageEdited(message.into()),
            Wit::MessageDeleted(seq) => Event::MessageDeleted(seq),
            Wit::MemberJoined(who) => Event::MemberJoined(who.into()),
            Wit::MemberLeft(departure) => Event::MemberLeft { who: departure.who.into(), why: departure.why.into() },
            Wit::RoomUpdated => Event::RoomUpdated,
            Wit::RoomDeleted => Event::RoomDeleted,
            Wit::SessionOpened => Event::SessionOpened,
            Wit::SessionClosed => Event::SessionClosed,
        }
    }
}

impl From<wit::Credential> for Credential {
    fn from(credential: wit::Credential) -> Self {
        Self { name: credential.name, value: credential.value }
    }
}

/// Copies, since imports borrow their arguments.
pub(super) fn credentials(credentials: &[Credential]) -> Vec<wit::Credential> {
    credentials.iter().cloned().map(|Credential { name, value }| wit::Credential { name, value }).collect()
}

impl From<rooms::Room> for crate::rooms::Room {
    fn from(room: rooms::Room) -> Self {
        Self {
            id: room.id.into(),
            name: room.name,
            kind: room.kind.into(),
            visibility: room.visibility.into(),
            topic: room.topic,
            member_limit: room.member_limit,
            member_count: room.member_count,
            created_at: room.created_at,
        }
    }
}

impl From<rooms::Member> for crate::rooms::Member {
    fn from(member: rooms::Member) -> Self {
        Self { account: member.account.into(), role: member.role.into(), joined_at: member.joined_at }
    }
}

impl From<Verdict> for message_filter::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Rewrite(body) => Self::Rewrite(body),
            Verdict::Reject { code, reason } => Self::Reject(message_filter::Rejection { code, reason }),
        }
    }
}

impl From<Admission> for room_guard::Admission {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::Admit => Self::Admit,
            Admission::Deny { code, reason } => Self::Deny(room_guard::Denial { code, reason }),
            Admission::Abstain => Self::Abstain,
        }
    }
}

impl From<CommandSpec> for wit::CommandSpec {
    fn from(spec: CommandSpec) -> Self {
        Self {
            name: spec.name,
            summary: spec.summary,
            params: spec.params.into_iter().map(Into::into).collect(),
            place: spec.place.into(),
            minimum_role: spec.minimum_role.map(Into::into),
            slash: spec.slash,
        }
    }
}

impl From<ParamKind> for wit::ParamKind {
    fn from(kind: ParamKind) -> Self {
        match kind {
            ParamKind::Text => Self::Text,
            ParamKind::Integer => Self::Integer,
            ParamKind::Number => Self::Number,
            ParamKind::Boolean => Self::Boolean,
            ParamKind::Account => Self::Account,
            ParamKind::Room => Self::Room,
            ParamKind::Duration => Self::Duration,
            ParamKind::Choice(words) => Self::Choice(words),
        }
    }
}

impl From<wit::CommandSpec> for CommandSpec {
    fn from(spec: wit::CommandSpec) -> Self {
        Self {
            name: spec.name,
            summary: spec.summary,
            params: spec.params.into_iter().map(Into::into).collect(),
            place: spec.place.into(),
            minimum_role: spec.minimum_role.map(Into::into),
            slash: spec.slash,
        }
    }
}

impl From<wit::ParamKind> for ParamKind {
    fn from(kind: wit::ParamKind) -> Self {
        match kind {
            wit::ParamKind::Text => Self::Text,
            wit::ParamKind::Integer => Self::Integer,
            wit::ParamKind::Number => Self::Number,
            wit::ParamKind::Boolean => Self::Boolean,
            wit::ParamKind::Account => Self::Account,
            wit::ParamKind::Room => Self::Room,
            wit::ParamKind::Duration => Self::Duration,
            wit::ParamKind::Choice(words) => Self::Choice(words),
        }
    }
}
