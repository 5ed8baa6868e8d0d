//! Calls the `message-filter` hook for every message before it is stored, on long-lived instances.

use std::thread::available_parallelism;

use parking_lot::Mutex;
use uuid::Uuid;

use super::bindings::message_filter::MessageFilterPlugin;
use super::bindings::message_filter::exports::natterjack::plugin::message_filter as wire_filter;
use super::bindings::wire;
use super::call::{Call, rejected};
use super::fault::{Fault, misfit};
use super::guarded_call::{self, GuardedCall};
use super::instance::Instance;
use super::meter::{Meter, run_at_once};
use super::plugin::Plugin;
use super::registry::Registry;
use crate::error::Result;
use crate::protocol::RoomId;

/// A message that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub body: String,
    /// The `seq` of the message that it replies to.
    pub reply_to: Option<u64>,
    /// The `seq` of the message that it edits.
    pub edit_of: Option<u64>,
    /// URLs of its attachments.
    pub attachments: Vec<String>,
}

/// A filter's answer.
#[derive(Debug)]
pub(super) enum Verdict {
    Allow,
    Rewrite(String),
    Reject { code: String, reason: String },
}

/// Instances per filter, at most one per core: every instance holds memory.
const MAX_SHARDS: usize = 16;

/// A plugin's filter instances. A room is always filtered by the same one, which so sees the room's messages in order.
pub(super) struct Filter {
    shards: Box<[Mutex<Option<Running>>]>,
}

struct Running {
    instance: Instance,
    guest: MessageFilterPlugin,
}

impl Filter {
    /// One shard per core, each without an instance until its first message.
    pub(super) fn new() -> Self {
        let shards = available_parallelism().map_or(1, usize::from).min(MAX_SHARDS);
        Self { shards: (0..shards).map(|_| Mutex::new(None)).collect() }
    }

    /// Creates the first instance, so that a filter that cannot start fails when it is loaded.
    pub(super) fn prepare(&self, plugin: &Plugin) -> Result<(), Fault> {
        let mut first = self.shards[0].lock();
        *first = Some(start(plugin, Uuid::nil())?);
        Ok(())
    }

    /// Calls the filter. The shard's lock is held while the guest runs; the guest never waits.
    pub(super) fn check(
        &self,
        plugin: &Plugin,
        room: Option<RoomId>,
        request: Uuid,
        context: &wire::Context,
        draft: &wire_filter::Draft,
    ) -> Result<Verdict, Fault> {
        let mut shard = self.shard(room).lock();
        // Taken out for the call, so that an instance that failed is not used again.
        let mut running = match shard.take() {
            Some(mut running) => {
                running.instance.restart(request);
                running
            }
            None => start(plugin, request)?,
        };
        let Running { instance, guest } = &mut running;
        let verdict = run_at_once(async {
            let answer =
                guest.natterjack_plugin_message_filter().call_on_message(&mut instance.store, context, draft).await;
            instance.answered(answer)
        })?;
        *shard = Some(running);
        Ok(match verdict {
            wire_filter::Verdict::Allow => Verdict::Allow,
            wire_filter::Verdict::Rewrite(body) => Verdict::Rewrite(body),
            wire_filter::Verdict::Reject(rejection) => {
                Verdict::Reject { code: rejection.code, reason: rejection.reason }
            }
        })
    }

    fn shard(&self, room: Option<RoomId>) -> &Mutex<Option<Running>> {
        // The low half of an id is random.
        let id = room.map_or(0, |room| room.0.as_u64_pair().1);
        &self.shards[usize::try_from(id % self.shards.len() as u64).unwrap_or(0)]
    }
}

fn start(plugin: &Plugin, request: Uuid) -> Result<Running, Fault> {
    let Some(indices) = &plugin.hooks.message_filter else {
        return Err(Fault::NoInstance("it has no message-filter".into()));
    };
    let meter = Meter::filter(plugin.budget.call, plugin.budget.filter);
    run_at_once(async {
        let mut instance = Instance::new(plugin, &meter, request).await?;
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        instance.restart(request);
        Ok(Running { instance, guest })
    })
}

/// Runs every filter in turn, each on the text as rewritten by the one before; the plugin `author` is skipped. Returns the
/// rewritten text, if any.
pub(super) fn run(registry: &Registry, call: &Call, draft: Draft, author: Option<&str>) -> Result<Option<String>> {
    registry.check_filters()?;
    if registry.filters().is_empty() {
        return Ok(None);
    }
    let context = call.context();
    let Draft { body, reply_to, edit_of, attachments } = draft;
    let mut draft = wire_filter::Draft { body, reply_to, edit_of, attachments };
    let mut rewritten = false;
    for plugin in registry.filters().iter().filter(|plugin| author != Some(&*plugin.id)) {
        let Some(guarded) = GuardedCall::begin_filter(plugin)? else { continue };
        let room = call.room.as_ref().map(|room| room.id);
        let verdict = match plugin.filter.check(plugin, room, call.request, &context, &draft) {
            Ok(verdict) => verdict,
            Err(fault) => return Err(guarded.failed(call, &fault)),
        };
        guarded.answered(match verdict {
            Verdict::Allow => guarded_call::Verdict::Yes,
            Verdict::Rewrite(_) => guarded_call::Verdict::Rewrite,
            Verdict::Reject { .. } => guarded_call::Verdict::No,
        });
        match verdict {
            Verdict::Allow => {}
            Verdict::Reject { code, reason } => return Err(rejected(code, reason)),
            Verdict::Rewrite(body) if body.trim().is_empty() => {
                return Err(rejected("empty".into(), "nothing is left of this message".into()));
            }
            Verdict::Rewrite(body) => {
                draft.body = body;
                rewritten = true;
            }
        }
    }
    Ok(rewritten.then_some(draft.body))
}
