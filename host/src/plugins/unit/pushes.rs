//! Custom events that a plugin pushes to clients.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::UnitOfWork;
use crate::error::{Error, Result};
use crate::protocol::{Push, PushTarget};

/// Events that one call may send.
const MAX_PUSHES: usize = 100;
const MAX_DATA_BYTES: usize = 16 << 10;
const MAX_NAME_BYTES: usize = 64;

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
        if self.pushes.len() == MAX_PUSHES {
            return Err(Error::TooLarge { what: "the number of events in one call", limit: MAX_PUSHES.to_string() });
        }
        match to {
            // Whether the connection still exists is not known here.
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
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(Error::invalid("name", format!("1 to {MAX_NAME_BYTES} lower-case letters, digits, `-` and `_`")))
    }
}

/// Checks that a text is JSON and within the size limit.
pub(super) fn check_json(field: &'static str, what: &'static str, json: &str) -> Result<()> {
    if json.len() > MAX_DATA_BYTES {
        return Err(Error::TooLarge { what, limit: format!("{MAX_DATA_BYTES} bytes") });
    }
    match serde_json::from_str::<&RawValue>(json) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::invalid(field, format!("is not JSON: {error}"))),
    }
}
