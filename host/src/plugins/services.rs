//! What imports are made of.

use std::sync::Arc;

use crate::accounts::password::PasswordHasher;
use crate::database::Database;
use crate::messages::Writer;
use crate::metrics::Metrics;
use crate::protocol::AccountId;

/// The parts of the host that plugins reach through their imports.
pub struct Services {
    pub database: Database,
    pub passwords: Arc<PasswordHasher>,
    pub writer: Writer,
    pub metrics: Arc<Metrics>,
    /// Whether an account has a live connection.
    pub online: Arc<dyn Fn(AccountId) -> bool + Send + Sync>,
}
