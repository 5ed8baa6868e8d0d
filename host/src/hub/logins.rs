//! Logins of live connections.

use std::collections::HashSet;

use super::{Close, Hub};
use crate::protocol::LoginId;

impl Hub {
    /// The logins that live connections used.
    pub fn logins(&self) -> HashSet<LoginId> {
        self.connections.lock().values().filter_map(|connection| connection.login).collect()
    }

    /// Closes the connections of logins that have ended.
    pub fn close_logins(&self, logins: &[LoginId], close: &Close) {
        if logins.is_empty() {
            return;
        }
        let logins: HashSet<LoginId> = logins.iter().copied().collect();
        let ended: Vec<_> = self
            .connections
            .lock()
            .values()
            .filter(|connection| connection.login.is_some_and(|login| logins.contains(&login)))
            .cloned()
            .collect();
        for connection in ended {
            connection.outbox.close(close.clone());
        }
    }
}
