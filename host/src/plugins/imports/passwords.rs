//! The `passwords` import: hashes passwords, off the async threads.

use crate::error::Error;
use crate::plugins::bindings::host::passwords;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;

const MAX_PASSWORD_BYTES: usize = 1024;

impl passwords::Host for State {
    async fn hash(&mut self, password: String) -> Result<String, wire::Error> {
        let (unit, _) = self.unit()?;
        check(&password)?;
        Ok(unit.services.passwords.hash_in(unit.hash_share(), password).await?)
    }

    async fn verify(&mut self, password: String, hash: String) -> Result<bool, wire::Error> {
        let (unit, _) = self.unit()?;
        // Such a password cannot have been hashed.
        if check(&password).is_err() {
            return Ok(false);
        }
        Ok(unit.services.passwords.verify_in(unit.hash_share(), password, hash).await?)
    }
}

fn check(password: &str) -> Result<(), Error> {
    match password.len() {
        1..=MAX_PASSWORD_BYTES => Ok(()),
        _ => Err(Error::invalid("password", format!("1 to {MAX_PASSWORD_BYTES} bytes"))),
    }
}
