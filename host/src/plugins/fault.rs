//! When a plugin fails: not an answer, but a trap, a call that took too long, or one that asked for too much.

use std::time::Duration;

use wasmtime::Trap;

use super::meter::Meter;
use super::state::State;

/// Why a call into a plugin gave no answer. Its text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it used up its {} of CPU time; `limits.{key}` allows more", humantime::format_duration(*.budget))]
    OutOfTime { budget: Duration, key: &'static str },
    #[error("it was still waiting after {}", humantime::format_duration(*.0))]
    Waiting(Duration),
    #[error("it would wait, which a message filter may not: no sleeping, and of the imports only log, clock and random")]
    WouldWait,
    #[error("it asked for more memory than its {mib} MiB; `limits.memory_mib` allows more")]
    OutOfMemory { mib: usize },
    #[error("it recursed too deep")]
    TooDeep,
    #[error("it trapped: {0}")]
    Trapped(String),
    #[error("its `init` refused: {0}")]
    Init(String),
    #[error("no instance could be made: {0}")]
    NoInstance(String),
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
}

/// Reads a failed call's error together with what the store noted.
pub(super) fn explain(error: &wasmtime::Error, state: &State, meter: &Meter) -> Fault {
    let complaint = state.journal.end();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => meter.exceeded(),
        Some(Trap::StackOverflow) => Fault::TooDeep,
        // A guest that cannot get memory shows a bare trap, or none of its own making.
        _ if state.limits.refused() => Fault::OutOfMemory { mib: state.limits.memory() >> 20 },
        Some(trap) => Fault::Trapped(complaint.unwrap_or_else(|| trap.to_string())),
        None => Fault::Trapped(complaint.unwrap_or_else(|| error.root_cause().to_string())),
    }
}
