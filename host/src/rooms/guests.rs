//! Guests in rooms: whether they may be there and post.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::Rooms;
use crate::accounts::throttle::Origin;
use crate::clock::now;
use crate::error::Result;
use crate::protocol::{ConnectionId, GuestRules, RoomId};

/// By what an origin is known where it is stored or told to other nodes: compared only, and no address that could be read.
pub fn origin_key(origin: Origin) -> Arc<str> {
    let hash = Sha256::digest(format!("{origin:?}"));
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

impl Rooms {
    /// What moderators decided about guests in a room.
    pub async fn guest_rules(&self, room: RoomId) -> Result<Arc<GuestRules>> {
        self.cache.guest_rules(&self.database, room).await
    }

    /// Whether a guest may come into a room.
    pub async fn check_guest(&self, room: RoomId, connection: Option<ConnectionId>, origin: Origin) -> Result<()> {
        self.guest_rules(room).await?.check_presence(connection, &origin_key(origin), now())
    }

    /// Whether a guest may post in a room that it is in.
    pub async fn check_guest_voice(
        &self,
        room: RoomId,
        connection: Option<ConnectionId>,
        origin: Origin,
    ) -> Result<()> {
        let rules = self.guest_rules(room).await?;
        // As nearly everywhere: then nothing has to be hashed.
        if !rules.closed && rules.rules.is_empty() {
            return Ok(());
        }
        rules.check_can_post(connection, &origin_key(origin), now())
    }
}
