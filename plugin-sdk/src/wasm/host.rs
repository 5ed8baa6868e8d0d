//! The imports with the SDK's public types. In native builds the mock host has functions with the same signatures.

pub(crate) mod log {
    use crate::wasm::imports::log as wit;

    pub(crate) fn write(level: crate::log::Level, message: &str) {
        wit::write(level.into(), message);
    }
}

pub(crate) mod clock {
    pub(crate) use crate::wasm::imports::clock::now;
}

pub(crate) mod random {
    pub(crate) use crate::wasm::imports::random::bytes;
}

pub(crate) mod directory {
    use crate::directory::OfferedCommand;

    pub(crate) fn commands() -> Vec<OfferedCommand> {
        crate::wasm::imports::directory::commands().into_iter().map(Into::into).collect()
    }
}

pub(crate) mod storage {
    use crate::Result;
    use crate::wasm::imports::storage as wit;

    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>> {
        Ok(wit::get(key)?)
    }

    pub(crate) fn put(key: &str, value: &[u8]) -> Result<()> {
        Ok(wit::put(key, value)?)
    }

    pub(crate) fn delete(key: &str) -> Result<()> {
        Ok(wit::delete(key)?)
    }

    pub(crate) fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        Ok(wit::list(prefix, after, limit)?)
    }
}

pub(crate) mod accounts {
    use crate::accounts::Account;
    use crate::wasm::imports::accounts as wit;
    use crate::{AccountId, Result};

    pub(crate) fn get(id: &AccountId) -> Result<Option<Account>> {
        Ok(wit::get(id.as_str())?.map(Into::into))
    }

    pub(crate) fn find(name: &str) -> Result<Option<Account>> {
        Ok(wit::find(name)?.map(Into::into))
    }
}

pub(crate) mod rooms {
    use crate::rooms::{Member, Room};
    use crate::wasm::imports::rooms as wit;
    use crate::{AccountId, GuestRef, Result, RoomId, Timestamp};

    pub(crate) fn get(id: &RoomId) -> Result<Option<Room>> {
        Ok(wit::get(id.as_str())?.map(Into::into))
    }

    pub(crate) fn find(name: &str) -> Result<Option<Room>> {
        Ok(wit::find(name)?.map(Into::into))
    }

    pub(crate) fn member(room: &RoomId, account: &AccountId) -> Result<Option<Member>> {
        Ok(wit::get_member(room.as_str(), account.as_str())?.map(Into::into))
    }

    pub(crate) fn members(room: &RoomId, after: Option<&AccountId>, limit: u32) -> Result<Vec<Member>> {
        let members = wit::members(room.as_str(), after.map(AccountId::as_str), limit)?;
        Ok(members.into_iter().map(Into::into).collect())
    }

    pub(crate) fn muted_until(room: &RoomId, account: &AccountId) -> Result<Option<Timestamp>> {
        Ok(wit::muted_until(room.as_str(), account.as_str())?)
    }

    pub(crate) fn guests(room: &RoomId) -> Result<Vec<GuestRef>> {
        Ok(wit::guests(room.as_str())?.into_iter().map(Into::into).collect())
    }
}

pub(crate) mod rooms_admin {
    use crate::rooms_admin::{Created, NewRoom, RoomChange};
    use crate::wasm::convert::credentials;
    use crate::wasm::imports::rooms_admin as wit;
    use crate::{AccountId, ConnectionId, Result, Role, RoomId};

    pub(crate) fn create_room(room: &NewRoom) -> Result<Created> {
        let created = wit::create_room(&wit::NewRoom {
            name: room.name.clone(),
            visibility: room.visibility.into(),
            topic: room.topic.clone(),
            member_limit: room.member_limit,
            credentials: credentials(&room.credentials),
            owner: room.owner.as_ref().map(AccountId::to_string),
        })?;
        Ok(created.into())
    }

    pub(crate) fn update_room(room: &RoomId, change: &RoomChange) -> Result<()> {
        let change = wit::RoomChange {
            name: change.name.clone(),
            visibility: change.visibility.map(Into::into),
            topic: change.topic.clone(),
            member_limit: change.member_limit,
            credentials: credentials(&change.credentials),
        };
        Ok(wit::update_room(room.as_str(), &change)?)
    }

    pub(crate) fn delete_room(room: &RoomId) -> Result<()> {
        Ok(wit::delete_room(room.as_str())?)
    }

    pub(crate) fn invite(room: &RoomId, account: &AccountId) -> Result<()> {
        Ok(wit::invite(room.as_str(), account.as_str())?)
    }

    pub(crate) fn add_member(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
        Ok(wit::add_member(room.as_str(), account.as_str(), role.into())?)
    }

    pub(crate) fn remove_member(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
        Ok(wit::remove_member(room.as_str(), account.as_str(), reason)?)
    }

    pub(crate) fn set_role(room: &RoomId, account: &AccountId, role: Role) -> Result<()> {
        Ok(wit::set_role(room.as_str(), account.as_str(), role.into())?)
    }

    pub(crate) fn ban(room: &RoomId, account: &AccountId, reason: Option<&str>) -> Result<()> {
        Ok(wit::ban(room.as_str(), account.as_str(), reason)?)
    }

    pub(crate) fn unban(room: &RoomId, account: &AccountId) -> Result<()> {
        Ok(wit::unban(room.as_str(), account.as_str())?)
    }

    pub(crate) fn mute(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
        Ok(wit::mute(room.as_str(), account.as_str(), seconds)?)
    }

    pub(crate) fn remove_guest(room: &RoomId, guest: &ConnectionId) -> Result<()> {
        Ok(wit::remove_guest(room.as_str(), guest.as_str())?)
    }

    pub(crate) fn ban_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
        Ok(wit::ban_guest(room.as_str(), guest.as_str(), seconds)?)
    }

    pub(crate) fn mute_guest(room: &RoomId, guest: &ConnectionId, seconds: u32) -> Result<()> {
        Ok(wit::mute_guest(room.as_str(), guest.as_str(), seconds)?)
    }

    pub(crate) fn ban_origins(room: &RoomId, account: &AccountId, seconds: u32) -> Result<()> {
        Ok(wit::ban_origins(room.as_str(), account.as_str(), seconds)?)
    }

    pub(crate) fn pardon_guests(room: &RoomId) -> Result<()> {
        Ok(wit::pardon_guests(room.as_str())?)
    }

    pub(crate) fn allow_guests(room: &RoomId, allowed: bool) -> Result<()> {
        Ok(wit::allow_guests(room.as_str(), allowed)?)
    }
}

pub(crate) mod passwords {
    use crate::Result;
    use crate::wasm::imports::passwords as wit;

    pub(crate) fn hash(password: &str) -> Result<String> {
        Ok(wit::hash(password)?)
    }

    pub(crate) fn verify(password: &str, hash: &str) -> Result<bool> {
        Ok(wit::verify(password, hash)?)
    }
}

pub(crate) mod messages {
    use crate::messages::Message;
    use crate::wasm::imports::messages as wit;
    use crate::{Result, RoomId};

    pub(crate) fn history(room: &RoomId, before: Option<u64>, limit: u32) -> Result<Vec<Message>> {
        Ok(wit::history(room.as_str(), before, limit)?.into_iter().map(Into::into).collect())
    }

    pub(crate) fn post(room: &RoomId, body: &str, reply_to: Option<u64>) -> Result<()> {
        Ok(wit::post(room.as_str(), body, reply_to)?)
    }

    pub(crate) fn delete(room: &RoomId, seq: u64) -> Result<()> {
        Ok(wit::delete(room.as_str(), seq)?)
    }
}

pub(crate) mod push {
    use crate::Result;
    use crate::push::Target;
    use crate::wasm::imports::push as wit;

    pub(crate) fn send(target: &Target, name: &str, data: String) -> Result<()> {
        let target = match target {
            Target::Connection(id) => wit::Target::Connection(id.to_string()),
            Target::Account(id) => wit::Target::Account(id.to_string()),
            Target::Room(id) => wit::Target::Room(id.to_string()),
        };
        Ok(wit::send(&target, name, &data)?)
    }
}

pub(crate) mod timers {
    use crate::Result;
    use crate::timers::Due;
    use crate::wasm::imports::timers as wit;

    pub(crate) fn set(name: &str, due: Due, payload: String) -> Result<()> {
        let due = match due {
            Due::After(wait) => wit::Due::After(wait),
            Due::At(when) => wit::Due::At(when),
        };
        Ok(wit::set(name, due, &payload)?)
    }

    pub(crate) fn cancel(name: &str) -> Result<()> {
        Ok(wit::cancel(name)?)
    }

    pub(crate) fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        Ok(wit::list(prefix, after, limit)?)
    }
}

pub(crate) mod http {
    use crate::Result;
    use crate::http::{Request, Response};
    use crate::wasm::imports::http as wit;

    pub(crate) fn fetch(request: Request) -> Result<Response> {
        let header = |(name, value)| wit::Header { name, value };
        let response = wit::fetch(&wit::Request {
            method: request.method.into(),
            url: request.url,
            headers: request.headers.into_iter().map(header).collect(),
            body: request.body,
            timeout_ms: request.timeout.map(|timeout| u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)),
        })?;
        let header = |header: wit::Header| (header.name, header.value);
        let headers = response.headers.into_iter().map(header).collect();
        Ok(Response { status: response.status, headers, body: response.body })
    }
}
