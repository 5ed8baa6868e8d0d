//! The imports, implemented by this thread's mock host.

use std::cell::RefCell;
use std::rc::Rc;

use super::{CURRENT, State};

pub(crate) mod http;
pub(crate) mod messages;
pub(crate) mod push;
pub(crate) mod rooms_admin;
pub(crate) mod timers;

fn current() -> Rc<RefCell<State>> {
    match CURRENT.with_borrow(Clone::clone) {
        Some(state) => state,
        None => {
            panic!("an import was called off the server, with no `MockHost::new()` to answer it")
        }
    }
}

/// Runs an import that needs a grant.
fn granted<R>(import: &str, answer: impl FnOnce(&mut State) -> R) -> R {
    // Released before a panic, which a test may catch.
    if !current().borrow().granted.contains(import) {
        panic!(
            "the plugin called `{import}`, which is not granted: say `MockHost::new().grant(\"{import}\")` here, \
             and `grants = [\"{import}\"]` in the plugin's table of config.toml"
        );
    }
    always(import, answer)
}

/// Runs an import that needs no grant, but cannot be used in every hook.
fn always<R>(import: &str, answer: impl FnOnce(&mut State) -> R) -> R {
    let state = current();
    let waitless = state.borrow().waitless;
    if let Some(hook) = waitless {
        panic!("the plugin called `{import}` in `{hook}`, where only log, clock and random answer");
    }
    answer(&mut state.borrow_mut())
}

/// A page of names in byte order.
fn page<'a>(names: impl Iterator<Item = &'a String>, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let names = names.filter(|name| name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after));
    names.take(limit.clamp(1, 1_000) as usize).cloned().collect()
}

pub(crate) mod log {
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        super::current().borrow_mut().logs.push((level, message.to_owned()));
    }
}

pub(crate) mod clock {
    use crate::Timestamp;

    pub(crate) fn now() -> Timestamp {
        super::current().borrow().world.now
    }
}

pub(crate) mod random {
    /// Pseudo-random bytes, the same in each run of a test.
    pub(crate) fn bytes(length: u32) -> Vec<u8> {
        let state = super::current();
        let mut state = state.borrow_mut();
        let mut next = || {
            // splitmix64
            state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state.random ^ (state.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed >> 32) as u8
        };
        (0..length.min(65_536)).map(|_| next()).collect()
    }
}

pub(crate) mod directory {
    use crate::directory::OfferedCommand;

    pub(crate) fn commands() -> Vec<OfferedCommand> {
        super::always("directory", |state| state.commands.clone())
    }
}

pub(crate) mod storage {
    use super::granted;
    use crate::{Error, Result, Write};

    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>> {
        granted("storage", |state| {
            check_key(key)?;
            Ok(state.world.storage.get(key).cloned())
        })
    }

    pub(crate) fn put(key: &str, value: &[u8]) -> Result<()> {
        granted("storage", |state| {
            check_key(key)?;
            if value.len() > 65_536 {
                return Err(Error::too_large("a value has at most 64 KiB"));
            }
            state.world.storage.insert(key.to_owned(), value.to_owned());
            state.writes.push(Write::Put(key.to_owned(), value.to_owned()));
            Ok(())
        })
    }

    pub(crate) fn delete(key: &str) -> Result<()> {
        granted("storage", |state| {
            check_key(key)?;
            state.world.storage.remove(key);
            state.writes.push(Write::Delete(key.to_owned()));
            Ok(())
        })
    }

    pub(crate) fn list(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        granted("storage", |state| Ok(super::page(state.world.storage.keys(), prefix, after, limit)))
    }

    fn check_key(key: &str) -> Result<()> {
        match key.len() {
            1..=256 => Ok(()),
            _ => Err(Error::too_large("a key has 1 to 256 bytes")),
        }
    }
}

pub(crate) mod accounts {
    use super::granted;
    use crate::accounts::Account;
    use crate::mock::world::same_name;
    use crate::{AccountId, AccountRef, Result};

    pub(crate) fn get(id: &AccountId) -> Result<Option<Account>> {
        granted("accounts", |state| Ok(state.world.account_by_id(id).ok().map(describe)))
    }

    pub(crate) fn find(name: &str) -> Result<Option<Account>> {
        granted("accounts", |state| {
            Ok(state.world.accounts.iter().find(|account| same_name(&account.name, name)).map(describe))
        })
    }

    fn describe(account: &AccountRef) -> Account {
        Account { id: account.id.clone(), name: account.name.clone(), online: true }
    }
}

pub(crate) mod rooms {
    use super::granted;
    use crate::rooms::{Member, Room};
    use crate::{AccountId, Error, GuestRef, Result, RoomId, Timestamp};

    pub(crate) fn get(id: &RoomId) -> Result<Option<Room>> {
        granted("rooms", |state| Ok(state.world.room_by_id(id).map(|room| room.describe())))
    }

    pub(crate) fn find(name: &str) -> Result<Option<Room>> {
        granted("rooms", |state| Ok(state.world.find_room(name).map(|room| room.describe())))
    }

    pub(crate) fn member(room: &RoomId, account: &AccountId) -> Result<Option<Member>> {
        granted("rooms", |state| Ok(state.world.room_by_id(room).and_then(|room| room.members.get(account)).cloned()))
    }

    pub(crate) fn members(room: &RoomId, after: Option<&AccountId>, limit: u32) -> Result<Vec<Member>> {
        granted("rooms", |state| {
            let room = state.world.room_by_id(room).ok_or_else(|| Error::not_found("there is no such room"))?;
            let members = room.members.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
            Ok(members.take(limit.clamp(1, 1_000) as usize).map(|(_, member)| member.clone()).collect())
        })
    }

    pub(crate) fn muted_until(room: &RoomId, account: &AccountId) -> Result<Option<Timestamp>> {
        granted("rooms", |state| {
            let now = state.world.now;
            Ok(state.world.room_by_id(room).and_then(|room| room.muted_until(account, now)))
        })
    }

    pub(crate) fn guests(room: &RoomId) -> Result<Vec<GuestRef>> {
        granted("rooms", |state| match state.world.room_by_id(room) {
            Some(room) => Ok(room.guests.clone()),
            None => Err(Error::not_found("there is no such room")),
        })
    }
}

pub(crate) mod passwords {
    use super::granted;
    use crate::{Error, Result};

    /// Not a real hash, so that tests are fast, but as opaque to a plugin as one.
    const PREFIX: &str = "$mock$";

    pub(crate) fn hash(password: &str) -> Result<String> {
        granted("passwords", |_| match password.len() {
            1..=1_024 => Ok(format!("{PREFIX}{}", turned(password))),
            _ => Err(Error::invalid("a password has 1 to 1,024 bytes")),
        })
    }

    pub(crate) fn verify(password: &str, hash: &str) -> Result<bool> {
        granted("passwords", |_| match hash.strip_prefix(PREFIX) {
            Some(hash) => Ok(hash == turned(password)),
            None => Err(Error::invalid("not a hash of this host")),
        })
    }

    /// Encodes the password, so that a test can detect a plugin that stores the password itself.
    fn turned(password: &str) -> String {
        password.bytes().map(|byte| format!("{:02x}", byte ^ 0x5a)).collect()
    }
}
