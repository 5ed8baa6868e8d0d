//! One call of one observer. Its reaction depth is one more than that of the event.

use std::sync::Arc;

use super::event::ObservedEvent;
use crate::error::{Error, Result};
use crate::plugins::Services;
use crate::plugins::bindings::wire;
use crate::plugins::call::Call;
use crate::plugins::fault::{Fault, misfit};
use crate::plugins::guarded_call::{GuardedCall, Hook};
use crate::plugins::plugin::Plugin;
use crate::plugins::registry::Registry;
use crate::plugins::unit::UnitOfWork;
use crate::plugins::write_call::{Answered, CallError, call_new_instance, conclude};

/// Calls an observer with an event and commits its unit of work. After a conflict it is called once more.
pub(super) async fn notify(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    plugin: &Plugin,
    event: &ObservedEvent,
) -> Result<()> {
    let call = Call { depth: event.call.depth + 1, ..event.call.clone() };
    let mut permit = None;
    loop {
        let unit = Box::new(UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone()));
        // Events during a quarantine are dropped; its start was logged.
        let Ok(guarded) = GuardedCall::begin(plugin, Hook::Observer) else { return Ok(()) };
        let answered = call_guest(plugin, unit, &call, event).await;
        match conclude(registry, plugin, &call, guarded, answered).await {
            Err(CallError::Conflict(_)) if permit.is_none() => {
                permit = Some(plugin.retry_permit.acquire().await.map_err(Error::internal)?);
            }
            done => return done.map_err(Into::into),
        }
    }
}

async fn call_guest(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    event: &ObservedEvent,
) -> Answered<std::result::Result<(), wire::Error>> {
    let indices = plugin.hooks.observer.as_ref().ok_or_else(|| Fault::NoInstance("it has no observer".into()))?;
    call_new_instance(plugin, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let observer = guest.natterjack_plugin_observer();
        let answer = observer.call_on_event(&mut instance.store, &context, &event.event).await;
        Ok((instance.answered(answer)?, instance))
    })
    .await
}
