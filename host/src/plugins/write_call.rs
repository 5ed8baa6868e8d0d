//! One attempt at a call that may write: on an instance of its own, with a unit of work that is committed if it succeeds.

use super::apply::apply;
use super::bindings::wire;
use super::call::{Call, guest_error};
use super::fault::Fault;
use super::guarded_call::{GuardedCall, Verdict};
use super::instance::Instance;
use super::meter::Meter;
use super::plugin::Plugin;
use super::registry::Registry;
use super::unit::UnitOfWork;
use crate::error::Error;

/// Why an attempt failed.
pub(super) enum CallError {
    /// Another call changed values that this one read: a retry may succeed.
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

/// The answer of a call and its unit of work.
pub(super) type Answered<T> = Result<(T, Box<UnitOfWork>), Fault>;

/// Creates an instance for one call. `ask` makes the call and returns the instance with the answer.
pub(super) async fn call_new_instance<T, F>(
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

/// Ends a guarded call: records a fault or the answer, and commits the unit of work if the answer is no error.
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
    let answer = answer.map_err(|error| guest_error(error, &plugin.id, call.request))?;
    match apply(registry, plugin, unit, call).await {
        Ok(()) => Ok(answer),
        Err(error @ Error::Conflict(_)) => Err(CallError::Conflict(error)),
        Err(error) => Err(CallError::Failed(error)),
    }
}
