//! What imports are made of.

use std::sync::Arc;

use crate::accounts::password::PasswordHasher;
use crate::database::Database;
use crate::error::Result;
use crate::protocol::{AccountId, Entry, Unit};

/// The parts of the host that plugins reach through their imports.
pub struct Services {
    pub database: Database,
    pub passwords: Arc<PasswordHasher>,
    pub writer: Writer,
    /// Whether an account has a live connection.
    pub online: Arc<dyn Fn(AccountId) -> bool + Send + Sync>,
}

#[derive(Clone)]
pub struct Writer;
impl Writer {
    pub async fn commit(&self, _unit: Unit) -> Result<Vec<Entry>> {
        Ok(Vec::new())
    }
}
