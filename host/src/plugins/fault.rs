//! Faults of plugins: traps, time-outs, exceeded limits and invalid answers.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use super::meter::Meter;
use super::state::State;

/// Why a call into a plugin gave no usable answer. The text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it used up its {} of CPU time; `limits.{key}` allows more", humantime::format_duration(*.budget))]
    OutOfTime { budget: Duration, key: &'static str },
    #[error("it was still waiting after {}", humantime::format_duration(*.0))]
    Waiting(Duration),
    #[error(
        "it would wait, which a message filter may not: no sleeping, and of the imports only log, clock and random"
    )]
    WouldWait,
    #[error("it asked for more memory than its {mib} MiB; `limits.memory_mib` allows more")]
    OutOfMemory { mib: usize },
    #[error("it recursed too deep")]
    TooDeep,
    #[error("it trapped: {0}")]
    Trapped(String),
    #[error("it called `exit` instead of returning")]
    Exited,
    #[error("its `init` failed: {0}")]
    Init(String),
    #[error("an export does not fit the contract: {0}")]
    Misfit(String),
    #[error("creating an instance failed: {0}")]
    NoInstance(String),
    #[error("its result is invalid: {0}")]
    Nonsense(String),
}

/// The fault of an export whose type is not the contract's.
pub(super) fn misfit(error: wasmtime::Error) -> Fault {
    Fault::Misfit(format!("{error:#}"))
}

impl Fault {
    /// The value of the metrics label `reason`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::OutOfTime { .. } => "time",
            Self::Waiting(_) | Self::WouldWait => "waiting",
            Self::OutOfMemory { .. } => "memory",
            Self::TooDeep => "stack",
            Self::Trapped(_) | Self::Exited => "trap",
            Self::Init(_) => "init",
            Self::NoInstance(_) => "instance",
            Self::Nonsense(_) | Self::Misfit(_) => "nonsense",
        }
    }

    /// Whether it counts towards a quarantine: traps, time-outs and limits do, but neither invalid answers nor failures of the
    /// host.
    pub(super) fn is_misconduct(&self) -> bool {
        !matches!(self, Self::Init(_) | Self::NoInstance(_) | Self::Nonsense(_) | Self::Misfit(_))
    }
}

/// Derives the fault from a failed call's error and from the store's log and limits.
pub(super) fn explain(error: &wasmtime::Error, state: &State, meter: &Meter) -> Fault {
    let complaint = state.guest_log.end();
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::Interrupt) => return meter.exceeded(),
        Some(Trap::StackOverflow) => return Fault::TooDeep,
        _ if error.is::<I32Exit>() => return Fault::Exited,
        // A guest that cannot get memory ends with an unspecific trap or error.
        _ if state.limits.refused() => return Fault::OutOfMemory { mib: state.limits.memory() >> 20 },
        _ => {}
    }
    let trap = match trap {
        // A Rust guest's stack is below its data, so deep recursion ends with this trap.
        Some(trap @ Trap::MemoryOutOfBounds) => format!("{trap} (as from recursing too deep)"),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Fault::Trapped(match complaint {
        Some(complaint) => format!("{complaint} ({trap})"),
        None => trap,
    })
}
