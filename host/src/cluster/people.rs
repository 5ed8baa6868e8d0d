//! Exchange of lists of connected accounts: a node that missed a change of another node's list requests the whole list.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::Cluster;
use super::wire::{PeoplePart, decode, encode};
use crate::hub::{NODE_CHANGE_GRACE, NodeId, People};

/// How many accounts one message contains.
const MAX_ACCOUNTS_PER_PART: usize = 5000;
/// How long the next part of a list may take to arrive.
const PART_TIMEOUT: Duration = Duration::from_secs(2);

/// Nodes whose list is being requested.
#[derive(Default)]
pub(super) struct PendingRequests(Mutex<HashSet<NodeId>>);

impl Cluster {
    /// Answers requests for the list of accounts connected to this node.
    pub(super) async fn answer(self: Arc<Self>, mut requests: Subscriber) {
        while let Some(request) = requests.next().await {
            let Some(reply) = request.reply else { continue };
            let (nth, people) = self.parts.hub.people();
            let people: Vec<_> = people.into_iter().collect();
            // An empty list is sent as one part.
            let parts = people.len().div_ceil(MAX_ACCOUNTS_PER_PART).max(1);
            for part in 0..parts {
                let some = people.chunks(MAX_ACCOUNTS_PER_PART).nth(part).unwrap_or_default().to_vec();
                let part = PeoplePart { nth, part, parts, people: some };
                self.nats.publish(reply.to_string(), encode(self.node, None, &part)).await;
            }
        }
    }

    /// Broadcasts departures of accounts that have left all nodes.
    pub(super) async fn broadcast_departed(self: Arc<Self>) {
        loop {
            self.link.wait_for_leaving().await;
            while self.parts.hub.broadcast_departed() {
                sleep(NODE_CHANGE_GRACE / 5).await;
            }
        }
    }

    /// Requests another node's list, unless it is `known` or already requested.
    pub(super) fn request_people_unless(self: &Arc<Self>, known: bool, node: NodeId) {
        if known || !self.pending_requests.0.lock().insert(node) {
            return;
        }
        let cluster = self.clone();
        tokio::spawn(async move {
            match cluster.people_of(node).await {
                Some((nth, people)) => cluster.parts.hub.replace_remote_presence(node, nth, people),
                None => tracing::debug!(%node, "request for connected accounts failed, retrying at next heartbeat"),
            }
            cluster.pending_requests.0.lock().remove(&node);
        });
    }

    async fn people_of(&self, node: NodeId) -> Option<(u64, People)> {
        let inbox = self.nats.new_inbox();
        let mut answers = self.nats.subscribe(&inbox).await.ok()?;
        if !self.nats.request(self.nats.node_subject(node), inbox).await {
            return None;
        }
        let mut people = People::new();
        let mut next = 0;
        loop {
            let answer = timeout(PART_TIMEOUT, answers.next()).await.ok()??;
            let part: PeoplePart = decode(&answer.payload)?.what()?;
            if part.part != next {
                return None;
            }
            next += 1;
            people.extend(part.people);
            if next == part.parts {
                return Some((part.nth, people));
            }
        }
    }
}
