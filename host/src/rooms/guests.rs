//! Checks whether guests may join a room and post there.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::Rooms;
use crate::accounts::throttle::Origin;
use crate::clock::now;
use crate::error::Result;
use crate::protocol::{ConnectionId, GuestRules, RoomId};

/// A hash of an origin, for the database and other nodes: it can be compared, but does not reveal the address.
pub fn origin_key(origin: Origin) -> Arc<str> {
    let hash = Sha256::digest(format!("{origin:?}"));
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

impl Rooms {
    /// The moderators' rules for guests in a room.
    pub async fn guest_rules(&self, room: RoomId) -> Result<Arc<GuestRules>> {
        self.cache.guest_rules(&self.database, room).await
    }

    /// Checks that a guest may join a room.
    pub async fn check_guest(&self, room: RoomId, connection: Option<ConnectionId>, origin: Origin) -> Result<()> {
        self.guest_rules(room).await?.check_presence(connection, &origin_key(origin), now())
    }

    /// Checks that a guest may post in a room that it is in.
    pub async fn check_guest_can_post(
        &self,
        room: RoomId,
        connection: Option<ConnectionId>,
        origin: Origin,
    ) -> Result<()> {
        let rules = self.guest_rules(room).await?;
        // The common case, which needs no hash.
        if !rules.closed && rules.rules.is_empty() {
            return Ok(());
        }
        rules.check_can_post(connection, &origin_key(origin), now())
    }
}
