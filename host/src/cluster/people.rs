//! Who is connected to which node: each asks another for its whole list when it has missed a change of it.

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

/// How many people one message names.
const PART: usize = 5000;
/// How long the next part of a list may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Nodes that are being asked.
#[derive(Default)]
pub(super) struct Asked(Mutex<HashSet<NodeId>>);

impl Cluster {
    /// Answers those who want to know who is connected here.
    pub(super) async fn answer(self: Arc<Self>, mut questions: Subscriber) {
        while let Some(question) = questions.next().await {
            let Some(reply) = question.reply else { continue };
            let (nth, people) = self.parts.hub.people();
            let people: Vec<_> = people.into_iter().collect();
            // An empty list is one part too.
            let parts = people.len().div_ceil(PART).max(1);
            for part in 0..parts {
                let some = people.chunks(PART).nth(part).unwrap_or_default().to_vec();
                let part = PeoplePart { nth, part, parts, people: some };
                self.nats.publish(reply.to_string(), encode(self.node, None, &part)).await;
            }
        }
    }

    /// Tells of those who have gone from all nodes.
    pub(super) async fn broadcast_departed(self: Arc<Self>) {
        loop {
            self.link.wait_for_leaving().await;
            while self.parts.hub.broadcast_departed() {
                sleep(NODE_CHANGE_GRACE / 5).await;
            }
        }
    }

    /// Gets another node's list, unless it is known or that is under way.
    pub(super) fn ask_for_people_unless(self: &Arc<Self>, known: bool, node: NodeId) {
        if known || !self.asked.0.lock().insert(node) {
            return;
        }
        let cluster = self.clone();
        tokio::spawn(async move {
            match cluster.people_of(node).await {
                Some((nth, people)) => cluster.parts.hub.replace_remote_presence(node, nth, people),
                None => tracing::debug!(%node, "the node does not say who is connected to it; it is asked again"),
            }
            cluster.asked.0.lock().remove(&node);
        });
    }

    async fn people_of(&self, node: NodeId) -> Option<(u64, People)> {
        let inbox = self.nats.new_inbox();
        let mut answers = self.nats.subscribe(&inbox).await.ok()?;
        if !self.nats.ask(self.nats.to_node(node), inbox).await {
            return None;
        }
        let mut people = People::new();
        let mut next = 0;
        loop {
            let answer = timeout(ANSWER, answers.next()).await.ok()??;
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
