//! The way of an unknown file in this very process, for those who look for files that break it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};

use crate::config;
use crate::metrics::Metrics;
use crate::plugins::engine;
use crate::plugins::load::Loader;

/// What a start may take; a generated component seldom has an end.
const CALL: Duration = Duration::from_millis(10);
const MEMORY_BYTES: usize = 16 << 20;

/// Loads files as a trial does: they are validated, compiled, linked and instantiated, whatever they import and export.
pub struct TrialLoader {
    runtime: Runtime,
    forge: Loader,
}

/// How far a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is not valid for the engine.
    Invalid,
    /// It was valid, and not compiled, which is no more than a refusal.
    Refused,
    /// It was compiled, and did not start.
    Compiled,
    Started,
}

impl TrialLoader {
    /// The error says why no engine can be made.
    pub fn new() -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        let forge = Loader::open_small(None, Arc::new(Metrics::default())).map_err(|error| format!("{error:#}"))?;
        Ok(Self { runtime, forge })
    }

    pub fn load(&self, file: &[u8]) -> Stage {
        if engine::validate(file).is_err() {
            return Stage::Invalid;
        }
        let table = config::Plugin { grants: config::Grant::ALL.to_vec(), ..config::Plugin::default() };
        let budget = config::Budget { call: CALL, filter: CALL, memory_bytes: MEMORY_BYTES };
        self.runtime.block_on(async {
            let Ok(component) = self.forge.compile_here(Bytes::copy_from_slice(file)).await else {
                return Stage::Refused;
            };
            match self.forge.assemble_any(&"generated".into(), [0; 32], component, &table, budget).await {
                Ok(_) => Stage::Started,
                Err(_) => Stage::Compiled,
            }
        })
    }
}
