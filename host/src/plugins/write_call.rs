//! One attempt at a call that may write: on an instance of its own, with a unit of work that becomes true if it succeeds.

use super::apply::apply;
use super::bindings::wire;
use super::call::{Call, said};
use super::fault::Fault;
use super::guarded_call::{GuardedCall, Verdict};
use super::instance::Instance;
use super::meter::Meter;
use super::plugin::Plugin;
use super::registry::Registry;
use super::unit::UnitOfWork;
use crate::error::Error;

/// Why one came to nothing.
pub(super) enum CallError {
    /// Another call changed what this one rests on: a second attempt may do.
    Conflict(Error),
    Failed(Error),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<CallError> for Error {
    fn from(attempt: CallError) -> Self {
        let (CallError::Conflict(error) | CallError::Failed(error)) = attempt;
        error
    }
}

/// What a call answered, and the unit of work as it left it.
pub(super) type Answered<T> = Result<(T, Box<UnitOfWork>), Fault>;

/// Makes an instance for one call, which gives it back with the answer.
pub(super) async fn fresh<T, F>(
    plugin: &Plugin,
    unit: Box<UnitOfWork>,
    call: &Call,
    ask: impl FnOnce(Instance, wire::Context) -> F,
) -> Answered<T>
where
    F: Future<Output = Result<(T, Instance), Fault>>,
{
    let meter = Meter::call(plugin.budget.call);
    let context = call.context();
    meter
        .run(async {
            let mut instance = Instance::new(plugin, &meter, call.request).await?;
            instance.enter(unit);
            let (answer, instance) = ask(instance, context).await?;
            Ok((answer, instance.leave()?))
        })
        .await
}

/// Ends a visit with what was answered: a fault is the plugin's, an error is an answer, and what an answer staged is made true.
pub(super) async fn conclude<T>(
    registry: &Registry,
    plugin: &Plugin,
    call: &Call,
    guarded: GuardedCall<'_>,
    answered: Answered<Result<T, wire::Error>>,
) -> Result<T, CallError> {
    let (answer, unit) = match answered {
        Ok(answered) => answered,
        Err(fault) => return Err(guarded.failed(call, &fault).into()),
    };
    guarded.answered(if answer.is_ok() { Verdict::Yes } else { Verdict::No });
    let answer = answer.map_err(|error| said(error, &plugin.id, call.request))?;
    match apply(registry, plugin, unit, call).await {
        Ok(()) => Ok(answer),
        Err(error @ Error::Conflict(_)) => Err(CallError::Conflict(error)),
        Err(error) => Err(CallError::Failed(error)),
    }
}
