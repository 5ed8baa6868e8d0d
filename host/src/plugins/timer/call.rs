//! The call of one timer: its writes and the timer's end are one unit of work.

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
use crate::plugins::write_call::{Answered, CallError, call_new_instance, conclude};
use crate::plugins::{Services, Shared};
use crate::protocol::{Actor, Timer};

/// How long timers wait while another call is the probe of a quarantined plugin.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// Lease of a node's claim to a timer, unless renewed.
const CLAIM_LEASE: Duration = Duration::from_secs(6);

/// Runs a plugin's timers one after another, until `stop` or until it is quarantined. Returns the timers that failed.
pub(super) async fn run_all(shared: Arc<Shared>, timers: Vec<Timer>, stop: CancellationToken) -> Vec<Timer> {
    let mut failures = Vec::new();
    for timer in timers {
        if stop.is_cancelled() {
            break;
        }
        let registry = shared.registry.load_full();
        // Unloaded meanwhile: its timers stay stored.
        let Some(plugin) = registry.plugin(&timer.plugin).filter(|plugin| plugin.hooks.timer.is_some()) else { break };
        let Ok(permit) = shared.call_permits.acquire().await else { break };
        match run_claimed(&shared, &registry, plugin, &timer).await {
            Ok(TimerOutcome::Done | TimerOutcome::ClaimedByOtherNode) => {}
            Ok(TimerOutcome::Quarantined) => {
                drop(permit);
                stop.run_until_cancelled(sleep(PROBE_WAIT)).await;
                break;
            }
            Err(error) if is_final(&error) => give_up(&shared, &timer, &error).await,
            Err(error) => {
                // A plugin's fault is logged already.
                if !matches!(error, Error::Plugin { .. }) {
                    tracing::warn!(target: "plugin", plugin = %plugin.id, %error, "timer call failed");
                }
                failures.push(timer);
            }
        }
    }
    failures
}

/// Whether the same error would recur: the request is wrong, not allowed, or about something that does not exist.
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

/// Drops a timer whose error would recur.
async fn give_up(shared: &Shared, timer: &Timer, error: &Error) {
    tracing::info!(
        target: "plugin", plugin = %timer.plugin, timer = %timer.name.escape_debug(), code = error.code(),
        "the timer is dropped, since it would fail again: {error}"
    );
    if let Err(error) = shared.services.database.drop_timer(timer).await {
        tracing::error!(%error, "cannot drop failed timer");
    }
}

/// The outcome of a timer that did not fail.
pub(super) enum TimerOutcome {
    Done,
    /// The plugin is quarantined; no attempt is used up.
    Quarantined,
    /// Another node of the cluster runs it.
    ClaimedByOtherNode,
}

/// Runs a timer. In a cluster, claims it first and renews the claim during the call.
async fn run_claimed(
    shared: &Shared,
    registry: &Arc<Registry>,
    plugin: &Plugin,
    timer: &Timer,
) -> Result<TimerOutcome> {
    let (services, database) = (&shared.services, &shared.services.database);
    if !shared.clustered {
        return run(registry, services, plugin, timer).await;
    }
    if !database.claim_timer(timer, CLAIM_LEASE).await? {
        return Ok(TimerOutcome::ClaimedByOtherNode);
    }
    tokio::select! {
        outcome = run(registry, services, plugin, timer) => outcome,
        never = renew_claim(database, timer) => match never {},
    }
}

/// Renews this node's claim to the timer until dropped.
async fn renew_claim(database: &Database, timer: &Timer) -> Infallible {
    loop {
        sleep(CLAIM_LEASE / 3).await;
        if let Err(error) = database.renew_claim(timer, CLAIM_LEASE).await {
            tracing::warn!(plugin = %timer.plugin, %error, "cannot renew claim to timer");
        }
    }
}

/// Runs a timer's call and commits it. After a conflict it is run once more.
pub(super) async fn run(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    plugin: &Plugin,
    timer: &Timer,
) -> Result<TimerOutcome> {
    let call = Call {
        request: Uuid::now_v7(),
        actor: Actor::Plugin(services.bot(&plugin.id).await?),
        room: None,
        role: None,
        connection: None,
        origin: None,
        depth: 0,
    };
    let mut permit = None;
    loop {
        let unit = UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone());
        let mut unit = Box::new(unit.requested_by(timer.set_by.as_ref().map(RequestedBy::timer)));
        unit.end_timer(timer)?;
        let Ok(guarded) = GuardedCall::begin(plugin, Hook::Timer) else { return Ok(TimerOutcome::Quarantined) };
        let answered = call_guest(plugin, unit, &call, timer).await;
        match conclude(registry, plugin, &call, guarded, answered).await {
            // The timer was cancelled or set again meanwhile.
            Err(CallError::Conflict(_)) if !services.database.has_timer(timer).await? => return Ok(TimerOutcome::Done),
            Err(CallError::Conflict(_)) if permit.is_none() => {
                permit = Some(plugin.retry_permit.acquire().await.map_err(Error::internal)?);
            }
            done => return done.map(|()| TimerOutcome::Done).map_err(Into::into),
        }
    }
}

async fn call_guest(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    timer: &Timer,
) -> Answered<std::result::Result<(), wire::Error>> {
    let indices = plugin.hooks.timer.as_ref().ok_or_else(|| Fault::NoInstance("it has no timer".into()))?;
    call_new_instance(plugin, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let exported = guest.natterjack_plugin_timer();
        let answer = exported.call_on_timer(&mut instance.store, &context, &timer.name, &timer.payload).await;
        Ok((instance.answered(answer)?, instance))
    })
    .await
}
