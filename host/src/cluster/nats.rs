//! The connection to NATS. It comes back by itself; while it is away nothing is sent and nothing waits.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, ServerAddr, Subscriber};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::StartError;
use crate::config;
use crate::hub::NodeId;
use crate::protocol::RoomId;

/// How much may be on its way in for one room before some of it is dropped, and read from the log.
const QUEUED: usize = 4096;
/// How long the first connection may take before the node goes on without.
const CONNECT: Duration = Duration::from_secs(3);
const ROUND_TRIP: Duration = Duration::from_secs(1);
/// Of what NATS says of its connection, how much may wait.
const EVENTS: usize = 64;

pub(super) struct Nats {
    client: Client,
    /// What all subjects begin with; the number is the wire's version.
    prefix: String,
}

/// What is wrong is said without what the addresses hold.
fn servers(config: &config::Cluster) -> Result<Vec<ServerAddr>, StartError> {
    let servers = config.nats.expose().split(',').map(|url| url.trim().parse());
    servers
        .collect::<Result<_, _>>()
        .map_err(|_| StartError::Nats("it cannot be read; wanted nats://HOST:4222, several with commas between".into()))
}

/// Whether a server answers; says which.
pub(super) async fn reach(config: &config::Cluster) -> Result<String, StartError> {
    let options = ConnectOptions::new().connection_timeout(CONNECT);
    let client = options.connect(servers(config)?).await.map_err(|error| StartError::Nats(error.to_string()))?;
    Ok(format!("nats-server {} answers", client.server_info().version))
}

impl Nats {
    /// Connects, or goes on trying in the background; gives what happens to the connection.
    pub(super) async fn connect(
        config: &config::Cluster,
        node: NodeId,
    ) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        let servers = servers(config)?;
        let (happened, events) = mpsc::channel(EVENTS);
        let options = ConnectOptions::new()
            .name(format!("natterjack {node}"))
            .no_echo()
            .retry_on_initial_connect()
            .subscription_capacity(QUEUED)
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|tries| Duration::from_millis((50 << tries.min(5)) as u64))
            .event_callback(move |event| {
                let happened = happened.clone();
                async move {
                    // The last of many says enough.
                    let _ = happened.try_send(event);
                }
            });
        let client = options.connect(servers).await.map_err(|error| StartError::Nats(error.to_string()))?;
        let nats = Self { client, prefix: format!("{}.1", config.name) };
        let connected = async {
            while !nats.is_connected() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(CONNECT, connected).await.is_err() {
            tracing::warn!("NATS does not answer: this node hears of the others by the database alone until it does");
        }
        Ok((nats, events))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(super) fn to_room(&self, room: RoomId) -> String {
        format!("{}.room.{room}", self.prefix)
    }

    pub(super) fn to_all(&self) -> String {
        format!("{}.all", self.prefix)
    }

    pub(super) fn to_node(&self, node: NodeId) -> String {
        format!("{}.node.{node}", self.prefix)
    }

    pub(super) async fn subscribe(&self, subject: &str) -> Result<Subscriber, StartError> {
        let subscribed = timeout(ROUND_TRIP, self.client.subscribe(subject.to_owned())).await;
        let refused = |why: String| StartError::Nats(format!("cannot subscribe to {subject}: {why}"));
        subscribed.map_err(|_| refused("it takes too long".into()))?.map_err(|error| refused(error.to_string()))
    }

    /// Sends it, if there is a connection. Whoever misses it reads the database.
    pub(super) async fn publish(&self, subject: String, payload: Bytes) -> bool {
        self.is_connected() && self.client.publish(subject, payload).await.is_ok()
    }

    /// The same with the subject on which an answer is awaited.
    pub(super) async fn ask(&self, subject: String, answer: String) -> bool {
        self.is_connected() && self.client.publish_with_reply(subject, answer, Bytes::new()).await.is_ok()
    }

    pub(super) fn new_inbox(&self) -> String {
        self.client.new_inbox()
    }

    /// The most that one message may hold.
    pub(super) fn max_payload(&self) -> usize {
        match self.client.server_info().max_payload {
            0 => 1024 * 1024,
            max => max,
        }
    }

    /// Whether the server has dealt with everything that it was sent until now.
    pub(super) async fn round_trip(&self) -> bool {
        // Nobody listens there, and the server says so.
        let nobody = self.client.request(format!("{}.nobody", self.prefix), Bytes::new());
        self.is_connected()
            && match timeout(ROUND_TRIP, nobody).await {
                Ok(Err(error)) => error.kind() == async_nats::client::RequestErrorKind::NoResponders,
                Ok(Ok(_)) => true,
                Err(_) => false,
            }
    }
}
