//! Protects private rooms by a password.
//!
//! A room that is created or changed with the credential `password` requires that password to join;
//! the credential without a value removes the requirement. Only a hash is stored, created by the host,
//! and deleted together with the room.
//!
//! Settings: none. Grants: `storage`, `passwords`.

use natterjack_plugin_sdk::prelude::*;

/// The name of the credential that this guard accepts.
const PASSWORD: &str = "password";

/// The plugin.
#[derive(Debug, Default)]
pub struct RoomPassword;

impl Lifecycle for RoomPassword {
    type Settings = NoSettings;

    fn describe() -> Description {
        Description {
            name: "Room password",
            version: env!("CARGO_PKG_VERSION"),
            summary: "Private rooms that a password opens",
        }
    }

    fn init(_settings: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }
}

impl RoomGuard for RoomPassword {
    fn protect(&mut self, ctx: &Context, credentials: &[Credential]) -> Result<Protection> {
        let Some(password) = find_password(credentials) else {
            return Ok(Protection::Abstain);
        };
        let key = key(ctx)?;
        match password.value.as_deref() {
            None => storage::delete(&key)?,
            Some("") => return Err(Error::invalid("a password cannot be empty")),
            Some(password) => storage::put(&key, &passwords::hash(password)?)?,
        }
        Ok(Protection::Accepted)
    }

    fn admit(&mut self, ctx: &Context, credentials: &[Credential]) -> Result<Admission> {
        let Some(hash) = storage::get::<String>(&key(ctx)?)? else {
            return Ok(Admission::Abstain);
        };
        let Some(password) = find_password(credentials).and_then(|credential| credential.value.as_deref()) else {
            return Ok(Admission::deny("password-required", "this room asks for a password"));
        };
        // The host does not verify an empty password, and an empty password is never right.
        if !password.is_empty() && passwords::verify(password, &hash)? {
            Ok(Admission::Admit)
        } else {
            Ok(Admission::deny("wrong-password", "that is not the password"))
        }
    }
}

impl Observer for RoomPassword {
    fn interest(&self) -> Interest {
        Interest::new(&[EventKind::RoomDeleted], &[RoomKind::Room])
    }

    fn on_event(&mut self, ctx: &Context, event: &Event) -> Result<()> {
        match event {
            Event::RoomDeleted => storage::delete(&key(ctx)?),
            _ => Ok(()),
        }
    }
}

register!(RoomPassword: lifecycle, room_guard, observer);

fn find_password(credentials: &[Credential]) -> Option<&Credential> {
    credentials.iter().find(|credential| credential.name == PASSWORD)
}

/// The storage key of a room's hash.
fn key(ctx: &Context) -> Result<String> {
    Ok(format!("hash/{}", ctx.room()?.id))
}

#[cfg(test)]
mod tests;
