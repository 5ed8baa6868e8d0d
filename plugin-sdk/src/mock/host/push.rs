//! The mock `push` import.

use super::granted;
use crate::push::Target;
use crate::{Error, Result, Write};

pub(crate) fn send(target: &Target, name: &str, data: String) -> Result<()> {
    granted("push", |state| {
        let fits = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_');
        if !(1..=64).contains(&name.len()) || !name.chars().all(fits) {
            return Err(Error::invalid("an event's name is 1 to 64 lower-case letters, digits, `-` and `_`"));
        }
        if data.len() > 16 << 10 {
            return Err(Error::too_large("an event's data has at most 16 KiB"));
        }
        if state.writes.iter().filter(|write| matches!(write, Write::Push(..))).count() == 100 {
            return Err(Error::too_large("a call sends at most 100 events"));
        }
        match target {
            Target::Connection(_) => {}
            Target::Account(account) => {
                state.world.account_by_id(account)?;
            }
            Target::Room(room) => {
                state.world.room_mut(room)?;
            }
        }
        let data = serde_json::from_str(&data)?;
        state.writes.push(Write::Push(target.clone(), name.to_owned(), data));
        Ok(())
    })
}
