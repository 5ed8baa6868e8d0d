//! Events of a plugin's own.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::UnitOfWork;
use crate::error::{Error, Result};
use crate::protocol::{Push, PushTarget};

/// What one call may send.
const PUSHES: usize = 100;
const DATA_BYTES: usize = 16 << 10;
const NAME_BYTES: usize = 64;

impl UnitOfWork {
    pub(in super::super) async fn push(
        &mut self,
        plugin: &Arc<str>,
        to: PushTarget,
        name: String,
        data: String,
    ) -> Result<()> {
        check_name(&name)?;
        check_json("data", "the data of an event", &data)?;
        if self.pushes.len() == PUSHES {
            return Err(Error::TooLarge { what: "the number of events in one call", limit: PUSHES.to_string() });
        }
        match to {
            // Nobody can know whether it is still there.
            PushTarget::Connection(_) => {}
            PushTarget::Account(account) => drop(self.account(account).await?),
            PushTarget::Room(room) => drop(self.room(room).await?.ok_or_else(|| Error::not_found("room"))?),
        }
        self.pushes.push(Push { to, plugin: plugin.clone(), name, data });
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(Error::invalid("name", format!("1 to {NAME_BYTES} lower-case letters, digits, `-` and `_`")))
    }
}

/// Whether this is JSON that is not too long.
pub(super) fn check_json(field: &'static str, what: &'static str, json: &str) -> Result<()> {
    if json.len() > DATA_BYTES {
        return Err(Error::TooLarge { what, limit: format!("{DATA_BYTES} bytes") });
    }
    match serde_json::from_str::<&RawValue>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::invalid(field, format!("is no JSON: {error}"))),
    }
}
