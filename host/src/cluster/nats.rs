//! The connection to NATS. It reconnects by itself; while it is down, messages are dropped, not queued.

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

/// How many messages of one subscription may wait; beyond that, messages are dropped and entries read from the log.
const MAX_QUEUED_MESSAGES: usize = 4096;
/// How long the first connection may take before the node starts without it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ROUND_TRIP_TIMEOUT: Duration = Duration::from_secs(1);
/// How many events of the connection may wait.
const MAX_QUEUED_EVENTS: usize = 64;

pub(super) struct Nats {
    client: Client,
    /// The prefix of all subjects; it ends with the version of the wire format.
    prefix: String,
}

/// Parses the configured addresses. The error omits them, since they may contain passwords.
fn servers(config: &config::Cluster) -> Result<Vec<ServerAddr>, StartError> {
    let servers = config.nats.expose().split(',').map(|url| url.trim().parse());
    servers
        .collect::<Result<_, _>>()
        .map_err(|_| StartError::Nats("should be nats://HOST:4222, or several addresses separated by commas".into()))
}

/// Connects once; gives the version of the server that answers.
pub(super) async fn reach(config: &config::Cluster) -> Result<String, StartError> {
    let options = ConnectOptions::new().connection_timeout(CONNECT_TIMEOUT);
    let client = options.connect(servers(config)?).await.map_err(|error| StartError::Nats(error.to_string()))?;
    Ok(format!("nats-server {} answers", client.server_info().version))
}

impl Nats {
    /// Connects, or keeps trying in the background; also gives the connection's events.
    pub(super) async fn connect(
        config: &config::Cluster,
        node: NodeId,
    ) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        let servers = servers(config)?;
        let (sender, events) = mpsc::channel(MAX_QUEUED_EVENTS);
        let options = ConnectOptions::new()
            .name(format!("natterjack {node}"))
            .no_echo()
            .retry_on_initial_connect()
            .subscription_capacity(MAX_QUEUED_MESSAGES)
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|tries| Duration::from_millis((50 << tries.min(5)) as u64))
            .event_callback(move |event| {
                let sender = sender.clone();
                async move {
                    // Dropped if many wait already.
                    let _ = sender.try_send(event);
                }
            });
        let client = options.connect(servers).await.map_err(|error| StartError::Nats(error.to_string()))?;
        let nats = Self { client, prefix: format!("{}.1", config.name) };
        let connected = async {
            while !nats.is_connected() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(CONNECT_TIMEOUT, connected).await.is_err() {
            tracing::warn!("NATS does not answer, reading changes of other nodes from the database until it does");
        }
        Ok((nats, events))
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(super) fn room_subject(&self, room: RoomId) -> String {
        format!("{}.room.{room}", self.prefix)
    }

    pub(super) fn broadcast_subject(&self) -> String {
        format!("{}.all", self.prefix)
    }

    pub(super) fn node_subject(&self, node: NodeId) -> String {
        format!("{}.node.{node}", self.prefix)
    }

    pub(super) async fn subscribe(&self, subject: &str) -> Result<Subscriber, StartError> {
        let subscribed = timeout(ROUND_TRIP_TIMEOUT, self.client.subscribe(subject.to_owned())).await;
        let refused = |why: String| StartError::Nats(format!("cannot subscribe to {subject}: {why}"));
        subscribed.map_err(|_| refused("timed out".into()))?.map_err(|error| refused(error.to_string()))
    }

    /// Publishes a message, if there is a connection; false if it was dropped. Nodes that miss it read the database.
    pub(super) async fn publish(&self, subject: String, payload: Bytes) -> bool {
        self.is_connected() && self.client.publish(subject, payload).await.is_ok()
    }

    /// Publishes a request, with the subject on which the answer is awaited.
    pub(super) async fn request(&self, subject: String, answer: String) -> bool {
        self.is_connected() && self.client.publish_with_reply(subject, answer, Bytes::new()).await.is_ok()
    }

    pub(super) fn new_inbox(&self) -> String {
        self.client.new_inbox()
    }

    /// The largest payload of one message, in bytes.
    pub(super) fn max_payload(&self) -> usize {
        match self.client.server_info().max_payload {
            0 => 1024 * 1024,
            max => max,
        }
    }

    /// Waits until the server has processed everything sent before; false if it does not answer in time.
    pub(super) async fn round_trip(&self) -> bool {
        // The subject has no subscriber, and the server reports that.
        let unanswered = self.client.request(format!("{}.nobody", self.prefix), Bytes::new());
        self.is_connected()
            && match timeout(ROUND_TRIP_TIMEOUT, unanswered).await {
                Ok(Err(error)) => error.kind() == async_nats::client::RequestErrorKind::NoResponders,
                Ok(Ok(_)) => true,
                Err(_) => false,
            }
    }
}
