//! One timer's call: what it writes and the timer's own end are one unit of work.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::Database;
use crate::error::{Error, Result};
use crate::plugins::bindings::wire;
use crate::plugins::call::Call;
use crate::plugins::fault::{Fault, misfit};
use crate::plugins::guarded_call::{GuardedCall, Hook};
use crate::plugins::plugin::Plugin;
use crate::plugins::registry::Registry;
use crate::plugins::unit::{RequestedBy, UnitOfWork};
use crate::plugins::write_call::{Answered, CallError, conclude, fresh};
use crate::plugins::{Services, Shared};
use crate::protocol::{Actor, Timer};

/// While another call shows whether a quarantined plugin is well again.
const PROBED: Duration = Duration::from_secs(1);
/// For how long a timer is a node's that does not say that it lives.
const CLAIM: Duration = Duration::from_secs(6);

/// Wakes a plugin for each of its timers, or for none more after `stop` or while it is quarantined. Gives those that failed.
pub(super) async fn wake(shared: Arc<Shared>, timers: Vec<Timer>, stop: CancellationToken) -> Vec<Timer> {
    let mut failures = Vec::new();
    for timer in timers {
        if stop.is_cancelled() {
            break;
        }
        let registry = shared.registry.load_full();
        // Gone meanwhile: its timers stay until it is back.
        let Some(plugin) = registry.plugin(&timer.plugin).filter(|plugin| plugin.hooks.timer.is_some()) else { break };
        let Ok(turn) = shared.calls.acquire().await else { break };
        match claimed(&shared, &registry, plugin, &timer).await {
            Ok(Woken::Done | Woken::Elsewhere) => {}
            Ok(Woken::Held) => {
                drop(turn);
                stop.run_until_cancelled(sleep(PROBED)).await;
                break;
            }
            Err(error) if is_final(&error) => give_up(&shared, &timer, &error).await,
            Err(error) => {
                // Of a plugin's own failure the log knows more already.
                if !matches!(error, Error::Plugin { .. }) {
                    tracing::warn!(target: "plugin", plugin = %plugin.id, "what the timer did came to nothing: {error}");
                }
                failures.push(timer);
            }
        }
    }
    failures
}

/// Whether it would fail in the same way again: what was asked for is wrong, not allowed, or not there.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::BadRequest(_)
            | Error::Forbidden(_)
            | Error::NotFound(_)
            | Error::Invalid { .. }
            | Error::TooLarge { .. }
            | Error::Rejected { .. }
    )
}

/// Drops a timer that would fail again and again.
async fn give_up(shared: &Shared, timer: &Timer, error: &Error) {
    tracing::info!(
        target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(), code = error.code(),
        "the timer is dropped, since it would fail again: {error}"
    );
    if let Err(error) = shared.services.database.drop_timer(timer).await {
        tracing::error!("a timer that failed cannot be dropped: {error}");
    }
}

/// What became of a timer that did not fail.
pub(super) enum Woken {
    Done,
    /// The plugin is quarantined: that is no fault of the timer's.
    Held,
    /// Another node of the cluster sees to it.
    Elsewhere,
}

/// In a cluster, this node has to claim a timer first, and keeps the claim for as long as the call takes.
async fn claimed(shared: &Shared, registry: &Arc<Registry>, plugin: &Plugin, timer: &Timer) -> Result<Woken> {
    let (services, database) = (&shared.services, &shared.services.database);
    if !shared.clustered {
        return run(registry, services, plugin, timer).await;
    }
    if !database.claim_timer(timer, CLAIM).await? {
        return Ok(Woken::Elsewhere);
    }
    tokio::select! {
        woken = run(registry, services, plugin, timer) => woken,
        never = prolong(database, timer) => match never {},
    }
}

/// Says again and again that this node sees to the timer.
async fn prolong(database: &Database, timer: &Timer) -> Infallible {
    loop {
        sleep(CLAIM / 3).await;
        if let Err(error) = database.prolong_claim(timer, CLAIM).await {
            tracing::warn!(plugin = %timer.plugin, "the claim to a timer cannot be prolonged: {error}");
        }
    }
}

pub(super) async fn run(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    plugin: &Plugin,
    timer: &Timer,
) -> Result<Woken> {
    let call = Call {
        request: Uuid::now_v7(),
        actor: Actor::Plugin(services.bot(&plugin.id).await?),
        room: None,
        role: None,
        connection: None,
        origin: None,
        depth: 0,
    };
    let mut turn = None;
    loop {
        let unit = UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone());
        let mut unit = Box::new(unit.requested_by(timer.set_by.as_ref().map(RequestedBy::timer)));
        unit.end_timer(timer)?;
        let Ok(guarded) = GuardedCall::begin(plugin, Hook::Timer) else { return Ok(Woken::Held) };
        let answered = ask(plugin, unit, &call, timer).await;
        match conclude(registry, plugin, &call, guarded, answered).await {
            // Cancelled or set again meanwhile: then this one is no more.
            Err(CallError::Conflict(_)) if !services.database.has_timer(timer).await? => return Ok(Woken::Done),
            Err(CallError::Conflict(_)) if turn.is_none() => {
                turn = Some(plugin.for_subscribers.acquire().await.map_err(Error::internal)?);
            }
            done => return done.map(|()| Woken::Done).map_err(Into::into),
        }
    }
}

async fn ask(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    timer: &Timer,
) -> Answered<std::result::Result<(), wire::Error>> {
    let indices = plugin.hooks.timer.as_ref().ok_or_else(|| Fault::NoInstance("it has no timer".into()))?;
    fresh(plugin, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let exported = guest.natterjack_plugin_timer();
        let answer = exported.call_on_timer(&mut instance.store, &context, &timer.name, &timer.payload).await;
        Ok((instance.answered(answer)?, instance))
    })
    .await
}
