//! When a plugin fails: not an answer, but a trap, a call that took too long, or one that asked for too much.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use super::meter::Meter;
use super::state::State;

/// Why a call into a plugin gave no answer. Its text is for the operator.
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
    #[error("it left by `exit` instead of answering")]
    Exited,
    #[error("its `init` refused: {0}")]
    Init(String),
    #[error("an export does not fit the contract: {0}")]
    Misfit(String),
    #[error("no instance could be made: {0}")]
    NoInstance(String),
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
}

/// An export is there, but not of the type that the contract gives it.
pub(super) fn misfit(error: wasmtime::Error) -> Fault {
    Fault::Misfit(format!("{error:#}"))
}

impl Fault {
    /// In one word, for counting.
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

    /// Whether it counts towards a quarantine: a trap, a time-out or a limit, but neither an answer that is of no use nor
    /// what the host itself could not do.
    pub(super) fn is_misconduct(&self) -> bool {
        !matches!(self, Self::Init(_) | Self::NoInstance(_) | Self::Nonsense(_) | Self::Misfit(_))
    }
}

/// Reads a failed call's error together with what the store noted.
pub(super) fn explain(error: &wasmtime::Error, state: &State, meter: &Meter) -> Fault {
    let complaint = state.guest_log.end();
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::Interrupt) => return meter.exceeded(),
        Some(Trap::StackOverflow) => return Fault::TooDeep,
        _ if error.is::<I32Exit>() => return Fault::Exited,
        // A guest that cannot get memory shows a bare trap, or none of its own making.
        _ if state.limits.refused() => return Fault::OutOfMemory { mib: state.limits.memory() >> 20 },
        _ => {}
    }
    let trap = match trap {
        // A Rust guest keeps its locals below its data, and runs out of that first.
        Some(trap @ Trap::MemoryOutOfBounds) => format!("{trap} (as from recursing too deep)"),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Fault::Trapped(match complaint {
        Some(complaint) => format!("{complaint} ({trap})"),
        None => trap,
    })
}
