//! The imports in public types. Off WebAssembly the mock host has functions of the same shape.

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
    use crate::{AccountId, Result, RoomId};

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
}

pub(crate) mod rooms_admin {
    use crate::rooms_admin::{Created, NewRoom, RoomChange};
    use crate::wasm::convert::credentials;
    use crate::wasm::imports::rooms_admin as wit;
    use crate::{AccountId, Result, Role, RoomId};

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
