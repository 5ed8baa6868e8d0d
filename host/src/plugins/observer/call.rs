//! One call of one observer: a unit of work, one reaction deeper than what it reacts to.

use std::sync::Arc;

use super::event::Told;
use crate::error::{Error, Result};
use crate::plugins::Services;
use crate::plugins::bindings::wire;
use crate::plugins::call::Call;
use crate::plugins::fault::{Fault, misfit};
use crate::plugins::guarded_call::{GuardedCall, Hook};
use crate::plugins::plugin::Plugin;
use crate::plugins::registry::Registry;
use crate::plugins::unit::UnitOfWork;
use crate::plugins::write_call::{Answered, CallError, conclude, fresh};

/// Tells an observer of an event and makes true what it wrote. A conflict over what it read is tried once more.
pub(super) async fn tell(
    registry: &Arc<Registry>,
    services: &Arc<Services>,
    plugin: &Plugin,
    told: &Told,
) -> Result<()> {
    let call = Call { depth: told.call.depth + 1, ..told.call.clone() };
    let mut turn = None;
    loop {
        let unit = Box::new(UnitOfWork::new(services.clone(), registry.clone(), call.actor.clone()));
        // A quarantined observer misses what happens meanwhile; its operator has been told.
        let Ok(guarded) = GuardedCall::begin(plugin, Hook::Observer) else { return Ok(()) };
        let answered = ask(plugin, unit, &call, told).await;
        match conclude(registry, plugin, &call, guarded, answered).await {
            Err(CallError::Conflict(_)) if turn.is_none() => {
                turn = Some(plugin.for_subscribers.acquire().await.map_err(Error::internal)?);
            }
            done => return done.map_err(Into::into),
        }
    }
}

async fn ask(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    told: &Told,
) -> Answered<std::result::Result<(), wire::Error>> {
    let indices = plugin.hooks.observer.as_ref().ok_or_else(|| Fault::NoInstance("it has no observer".into()))?;
    fresh(plugin, unit, call, |mut instance, context| async move {
        let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
        let observer = guest.natterjack_plugin_observer();
        let answer = observer.call_on_event(&mut instance.store, &context, &told.event).await;
        Ok((instance.answered(answer)?, instance))
    })
    .await
}
