//! Lists and closes live connections, for administrators.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Close, Connection, Hub, Outbox};
use crate::clock::Timestamp;
use crate::protocol::ConnectionId;

/// An open socket.
pub struct LiveConnection {
    pub id: ConnectionId,
    pub address: IpAddr,
    pub since: Timestamp,
    pub outbox: Arc<Outbox>,
    /// None until the connection has identified itself.
    pub connection: Option<Arc<Connection>>,
}

impl Connection {
    /// How many rooms it subscribes to.
    pub fn rooms(&self) -> usize {
        self.subscriptions.lock().len()
    }
}

impl Hub {
    /// All open sockets, oldest first.
    pub fn live(&self) -> Vec<LiveConnection> {
        let open = self.open.lock();
        let live = open.by_id.iter().map(|(id, socket)| LiveConnection {
            id: *id,
            address: socket.address,
            since: socket.since,
            outbox: socket.outbox.clone(),
            connection: None,
        });
        let mut live: Vec<_> = live.collect();
        drop(open);
        let connections = self.connections.lock();
        for one in &mut live {
            one.connection = connections.get(&one.id).cloned();
        }
        drop(connections);
        live.sort_unstable_by_key(|one| one.id);
        live
    }

    /// Closes one connection; false if there is none with this id.
    pub fn close_one(&self, id: ConnectionId, close: Close) -> bool {
        let outbox = self.open.lock().by_id.get(&id).map(|socket| socket.outbox.clone());
        outbox.inspect(|outbox| outbox.close(close)).is_some()
    }
}
