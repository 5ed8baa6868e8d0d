//! One call of one observer: a unit of work, one reaction deeper than what it reacts to.

use std::sync::Arc;

use super::event::Told;
use crate::error::{Error, Result};
use crate::plugins::Services;
use crate::plugins::apply::apply;
use crate::plugins::bindings::wire;
use crate::plugins::call::{Call, said};
use crate::plugins::fault::{Fault, misfit};
use crate::plugins::instance::Instance;
use crate::plugins::meter::Meter;
use crate::plugins::plugin::Plugin;
use crate::plugins::registry::Registry;
use crate::plugins::unit::UnitOfWork;
use crate::plugins::visit::{Hook, Verdict, Visit};

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
        let visit = Visit::begin(plugin, Hook::Observer)?;
        let (answer, unit) = match ask(plugin, unit, &call, told).await {
            Ok(answered) => answered,
            Err(fault) => return Err(visit.failed(&call, &fault)),
        };
        visit.answered(if answer.is_ok() { Verdict::Yes } else { Verdict::No });
        answer.map_err(|error| said(error, &plugin.id, call.request))?;
        match apply(registry, plugin, unit, &call).await {
            Err(Error::Conflict(_)) if turn.is_none() => {
                turn = Some(plugin.again.acquire().await.map_err(Error::internal)?);
            }
            done => return done,
        }
    }
}

type Answer = std::result::Result<(), wire::Error>;

async fn ask(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    told: &Told,
) -> Result<(Answer, Box<UnitOfWork>), Fault> {
    let indices = plugin.hooks.observer.as_ref().ok_or_else(|| Fault::NoInstance("it has no observer".into()))?;
    let meter = Meter::call(plugin.budget.call);
    let context = call.context();
    meter
        .run(async {
            let mut instance = Instance::new(plugin, &meter, call.request).await?;
            instance.enter(unit);
            let guest = indices.load(&mut instance.store, &instance.exports).map_err(misfit)?;
            let observer = guest.natterjack_plugin_observer();
            let answer = observer.call_on_event(&mut instance.store, &context, &told.event).await;
            Ok((instance.answered(answer)?, instance.leave()?))
        })
        .await
}
